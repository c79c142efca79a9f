"""Waiting for a Bot API server of one's own, which answers `getFile` when it has the file."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

import stamina
from telegram import Bot

from bot.adapters.telegram.lookup import ServerFile, SourceFlooded, look_up
from bot.core.errors import SourceUnavailable
from bot.core.files import IncomingFile
from bot.transfer.flag import CancelFlag
from bot.transfer.pool import TransferPool

PATIENCE: Final = timedelta(seconds=480)
"""How long one `getFile` may take; the server itself hangs up after 500 s (source:
tdlib/telegram-bot-api `HttpServer.h`)."""

ATTEMPTS: Final = 6
"""Quick failures in a row, the waits between them up to a few seconds; after that the queue
decides."""


class StillFetching(SourceUnavailable):
    """The server worked on it for long and then hung up, or we did; asking again joins in."""


class LocalServer:
    """Asks until the server has a file.

    However long that takes: asking again joins the download that runs, and a user who has waited
    enough can cancel. Only failures that come quickly are counted, for they mean something else.
    """

    def __init__(
        self, bot: Bot, pool: TransferPool, *, limit: int, patience: timedelta = PATIENCE
    ) -> None:
        self.limit = limit
        self._bot = bot
        self._pool = pool
        self._patience = patience.total_seconds()

    async def bring(
        self, file: IncomingFile, open_here: Callable[[ServerFile], int], flag: CancelFlag
    ) -> int:
        """Wait until the server has the file and `open_here`, called in a thread, has opened it;
        return what that returns.

        A file that has gone before it was opened is asked for again.

        Raises:
            FileTooLarge, SourceGone, SourceUnavailable: see `look_up`.
            Exception: what `open_here` raises, `SourceUnavailable` after several tries.
        """
        persistent = stamina.AsyncRetryingCaller(
            attempts=ATTEMPTS, wait_initial=0.2, wait_max=3.0, timeout=None
        ).on(_is_quick_failure)

        async def once() -> int:
            found = await self._ask(file)
            return await self._pool.run(lambda: open_here(found), flag)

        while True:
            with suppress(StillFetching):
                return await persistent(once)

    async def _ask(self, file: IncomingFile) -> ServerFile:
        asked = time.monotonic()
        try:
            return await look_up(self._bot, file, limit=self.limit, read_timeout=self._patience)
        except SourceFlooded:
            raise
        except SourceUnavailable as error:
            # A server that is down or restarts is known within seconds.
            if time.monotonic() - asked < self._patience / 8:
                raise
            raise StillFetching("the server is still fetching the file") from error


def _is_quick_failure(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(
        error, SourceFlooded | StillFetching
    )
