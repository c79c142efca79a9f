"""Translation of Telegram's errors into those of `bot.core.errors`.

    RetryAfter                                      ChatFlooded
    ChatMigrated                                    ChatMoved
    BadRequest: chat not found, no right to write   ChatGone
    BadRequest: message not found, not editable     MessageGone
    BadRequest: anything else                       MessageRefused
    Forbidden (blocked, kicked, deactivated)        ChatGone
    InvalidToken (401 and 404)                      ChatUnavailable
    an answer that the library cannot read          ChatUncertain, answered
    TimedOut, NetworkError, 5xx, anything else      ChatUncertain, or ChatUnavailable where the
                                                    connection was never made

An invalid token is `ChatUnavailable`: certainly nothing was sent, and the messages stay in the
outbox until the operator has corrected the token. A 5xx is uncertain, because a server that stops
may have applied the call already.
"""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import aiohttp
import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.core.errors import (
    ChatError,
    ChatFlooded,
    ChatGone,
    ChatMoved,
    ChatUnavailable,
    ChatUncertain,
    MessageGone,
    MessageRefused,
)

# PTB warns at each flood error until the program opts in to time spans, and this variable is its
# only switch (source: python-telegram-bot 22.8, `telegram/_utils/datetime.py`,
# `get_timedelta_value`).
os.environ["PTB_TIMEDELTA"] = "true"

# Descriptions from tdlib/telegram-bot-api `Client.cpp` and tdlib/td `MessagesManager.cpp`, in
# lower case: PTB changes their case (`telegram/error.py`, `TelegramError.__init__`).
UNCHANGED: Final = ("message is not modified",)
THREAD_GONE: Final = ("message thread not found", "topic_deleted", "topic_closed")
BUTTON_REFUSED: Final = (
    "button_",
    "inline keyboard button",
    # What the server makes of REPLY_MARKUP_TOO_LONG, and the name itself.
    "reply markup is too long",
    "reply_markup",
)
METHOD_MISSING: Final = "method not found"
QUERY_OLD: Final = ("query is too old", "query_id_invalid")
_MESSAGE_GONE: Final = (
    "message to edit not found",
    "message can't be edited",
    "there is no text in the message to edit",
    "message to delete not found",
    "message can't be deleted",
    "message_id_invalid",
)
_CHAT_GONE: Final = (
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "group is deactivated",
    "chat_write_forbidden",
    "not enough rights to send",
    "no rights to send",
)
# The request was never sent. PTB uses a library of its own (httpx) by default; the bot uses
# aiohttp.
_NEVER_CONNECTED: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    ConnectionRefusedError,
)


def says(error: TelegramError, descriptions: tuple[str, ...]) -> bool:
    """Return whether the error has one of these descriptions (in lower case)."""
    message = error.message.lower()
    return any(description in message for description in descriptions)


@contextmanager
def chat_errors() -> Iterator[None]:
    """Translate the library's errors inside the block into a `ChatError`, chained."""
    try:
        with readable_answers():
            yield
    except TelegramError as error:
        raise translate(error) from error


def translate(error: TelegramError) -> ChatError:
    """Return the named error for an error of the library. It contains no address and no token."""
    match error:
        case RetryAfter():
            wait = error.retry_after
            return ChatFlooded(wait.total_seconds() if isinstance(wait, timedelta) else wait)
        case ChatMigrated():
            return ChatMoved(error.new_chat_id)
        # Before NetworkError, because BadRequest is a subclass of it.
        case BadRequest() | Forbidden():
            return _refusal(error)
        case InvalidToken():
            return ChatUnavailable("Telegram does not accept the bot's token")
        # Also an answer that cannot be parsed, such as the page of a proxy with status 200.
        case _:
            return _lost(error)


def _refusal(error: BadRequest | Forbidden) -> ChatError:
    if says(error, _MESSAGE_GONE):
        return MessageGone(error.message)
    if isinstance(error, Forbidden) or says(error, _CHAT_GONE):
        return ChatGone(error.message)
    return MessageRefused(error.message)


def _lost(error: TelegramError) -> ChatError:
    # Only the types of errors are named: their texts may contain the address, and the token in it.
    kinds = [type(cause).__name__ for cause in _causes(error)]
    message = " from ".join([type(error).__name__, *kinds])
    if any(isinstance(cause, _NEVER_CONNECTED) for cause in _causes(error)):
        return ChatUnavailable(message)
    return ChatUncertain(message, answered=isinstance(error, UnreadableAnswer))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


class TokenRefused(Exception):
    """Telegram does not know the token (any more)."""

    def __init__(self) -> None:
        super().__init__("Telegram refuses telegram.token; @BotFather shows the current one")


# The library reads JSON without checking it: a missing field or one of another type causes any of
# these errors, deep inside. Other servers than Telegram's own, and proxies, send such answers.
UNREADABLE: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,  # OverflowError, from a date; OSError likewise.
    OSError,
    RecursionError,
)


class UnreadableAnswer(TelegramError):
    """The library could not read an answer; whether the call was applied is unknown. The text
    contains nothing of the answer.
    """


@contextmanager
def readable_answers() -> Iterator[None]:
    """Translate errors of the library while it reads an answer into `UnreadableAnswer`.

    Errors that do not come from inside the library are defects of ours and propagate unchanged.
    """
    try:
        yield
    except UNREADABLE as error:
        if not _came_from_library(error):
            raise
        raise UnreadableAnswer(f"unreadable answer: {type(error).__name__}") from error


def _came_from_library(error: BaseException) -> bool:
    modules = (
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    )
    return any(module.partition(".")[0] == "telegram" for module in modules)


LONGEST_WAIT: Final = 30.0


def wait_after(error: TelegramError, troubles: int) -> float:
    """Return the seconds to wait after failure number `troubles` (from 1) in a row: as long as
    Telegram asks, but at least one, or twice as long each time.
    """
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        # A proxy may ask for none at all.
        return max(1.0, wait.total_seconds() if isinstance(wait, timedelta) else float(wait))
    return min(LONGEST_WAIT, 2.0 ** min(troubles - 1, 6))
