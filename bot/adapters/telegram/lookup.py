"""Asking Telegram where the bytes of a file are: `getFile`, and what its refusals mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import stamina
from telegram import Bot
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot.adapters.telegram.unreadable import readable_answers
from bot.core.errors import FileTooLarge, SourceGone, SourceUnavailable
from bot.core.files import IncomingFile

CLOUD_READ_TIMEOUT: Final = 60.0
"""Seconds: Telegram's server answers only when it has the complete file itself (source:
tdlib/telegram-bot-api `Client.cpp`, `process_get_file_query`)."""

# Source: tdlib/telegram-bot-api `Client.cpp`; in lower case, because the library changes the case.
_TOO_BIG: Final = "file is too big"


class SourceFlooded(SourceUnavailable):
    """Telegram asks for a pause; asking again at once would only make it longer."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """Where a file is: `path` as the server names it, relative or, in local mode, absolute; `size`
    bytes or `None` where the server does not say.
    """

    path: str = field(repr=False)
    size: int | None


async def look_up(
    bot: Bot, file: IncomingFile, *, limit: int, read_timeout: float = CLOUD_READ_TIMEOUT
) -> ServerFile:
    """Ask for the path of a file. The answer may take as long as `read_timeout` (seconds).

    Raises:
        FileTooLarge: the server does not hand out so much, `limit` being what we know of that.
        SourceGone: twice it did not know the file; once proves nothing, because it says the same
            when it has troubles of its own.
        SourceFlooded: it wants to be left alone for a while.
        SourceUnavailable: it was out of reach, or refused for another reason.
    """
    async for attempt in stamina.retry_context(
        on=SourceGone, attempts=2, wait_initial=0.5, timeout=None
    ):
        with attempt, source_errors(file, limit):
            answer = await bot.get_file(file.file_id, read_timeout=read_timeout)
    if not answer.file_path:
        # The server leaves the path out where it would not serve the file.
        if answer.file_size and answer.file_size > limit:
            raise FileTooLarge(answer.file_size, limit)
        raise SourceUnavailable("getFile: the answer has no path")
    # The library has put its own address in front, unless a file of that name exists on this
    # machine, which proves nothing at all (source: telegram/_bot.py, `Bot.get_file`).
    path = answer.file_path.removeprefix(f"{bot.base_file_url}/")
    return ServerFile(path=path, size=answer.file_size)


@contextmanager
def source_errors(file: IncomingFile, limit: int) -> Iterator[None]:
    """Translate what the library raises for `getFile`."""
    try:
        with readable_answers():
            yield
    # First, because it is a subclass of NetworkError.
    except BadRequest as error:
        if _TOO_BIG in error.message.lower():
            raise FileTooLarge(file.size, limit) from error
        raise SourceGone(f"getFile: {error.message}") from error
    except RetryAfter as error:
        raise SourceFlooded("getFile: too many requests") from error
    except TelegramError as error:
        # No more than its kind: a message may have been made from an answer of anybody.
        raise SourceUnavailable(f"getFile: {type(error).__name__}") from error
