"""Refusals of Telegram become errors with names."""

import aiohttp
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.adapters.telegram.messenger import QUERY_OLD, chat_errors, says, translate
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

KEY = ConnectionKey("api.example", 443, True, True, None, None, None)  # noqa: FBT003  # its shape.
REFUSED = ConnectionRefusedError(111, "refused")


def caused(error: TelegramError, cause: BaseException) -> TelegramError:
    """Chain an error as the library does."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RetryAfter(7), ChatFlooded),
        (ChatMigrated(-100500), ChatMoved),
        (Forbidden("Forbidden: bot was blocked by the user"), ChatGone),
        (Forbidden("Forbidden: user is deactivated"), ChatGone),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), ChatGone),
        (Forbidden("Forbidden: bot is not a member of the group chat"), ChatGone),
        (Forbidden("Forbidden: the group chat was deleted"), ChatGone),
        (BadRequest("Bad Request: chat not found"), ChatGone),
        (BadRequest("Bad Request: PEER_ID_INVALID"), ChatGone),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), ChatGone),
        (BadRequest("Bad Request: CHAT_WRITE_FORBIDDEN"), ChatGone),
        (BadRequest("Bad Request: message to edit not found"), MessageGone),
        (BadRequest("Bad Request: message can't be edited"), MessageGone),
        (BadRequest("Bad Request: MESSAGE_ID_INVALID"), MessageGone),
        (BadRequest("Bad Request: there is no text in the message to edit"), MessageGone),
        (BadRequest("Bad Request: message to delete not found"), MessageGone),
        (BadRequest("Bad Request: message is too long"), MessageRefused),
        (BadRequest("Bad Request: can't parse entities: unclosed start tag"), MessageRefused),
        (BadRequest("Bad Request: BUTTON_URL_INVALID"), MessageRefused),
        (InvalidToken("Unauthorized"), ChatUnavailable),
        (InvalidToken("Not Found"), ChatUnavailable),
        (InvalidToken("Not Found: method not found"), MessageRefused),
        (TimedOut(), ChatUncertain),
        (NetworkError("Internal Server Error: restart"), ChatUncertain),
        (NetworkError("Bad Gateway (502)"), ChatUncertain),
        (Conflict("Conflict: terminated by other getUpdates request"), ChatUncertain),
        (TelegramError("Invalid server response"), ChatUncertain),
    ],
    ids=str,
)
def test_translation_table(error: TelegramError, expected: type[ChatError]) -> None:
    """Each refusal has one class, with the library's changes of letter case or without."""
    assert expected is type(translate(error))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (caused(NetworkError("x"), httpx.ConnectError("x")), ChatUnavailable),
        (caused(TimedOut(), httpx.ConnectTimeout("x")), ChatUnavailable),
        (caused(TimedOut(), httpx.PoolTimeout("x")), ChatUnavailable),
        (caused(NetworkError("x"), aiohttp.ClientConnectorError(KEY, REFUSED)), ChatUnavailable),
        (caused(TimedOut(), aiohttp.ConnectionTimeoutError("x")), ChatUnavailable),
        (caused(NetworkError("x"), httpx.ReadError("x")), ChatUncertain),
        (caused(NetworkError("x"), httpx.RemoteProtocolError("x")), ChatUncertain),
        (caused(TimedOut(), httpx.ReadTimeout("x")), ChatUncertain),
        (caused(NetworkError("x"), aiohttp.ServerDisconnectedError()), ChatUncertain),
        (caused(TimedOut(), aiohttp.SocketTimeoutError("x")), ChatUncertain),
        (caused(NetworkError("x"), ConnectionResetError()), ChatUncertain),
    ],
    ids=lambda value: type(getattr(value, "__cause__", None)).__name__,
)
def test_only_what_never_left_is_certainly_not_placed(
    error: TelegramError, expected: type[ChatError]
) -> None:
    """A connection that was never made proves that nothing was sent; nothing else does."""
    assert expected is type(translate(error))


def test_details_are_kept() -> None:
    """The seconds of a flood limit, and the id of the supergroup, are attributes."""
    flooded = translate(RetryAfter(7))
    moved = translate(ChatMigrated(-100500))

    assert isinstance(flooded, ChatFlooded)
    assert flooded.delay == 7.0
    assert isinstance(moved, ChatMoved)
    assert moved.chat_id == -100500


def test_lost_calls_do_not_tell_the_address() -> None:
    """The texts of network errors may hold the token; only their kinds are named."""
    secret = "https://api.example/bot123456:SECRET/sendMessage"
    error = caused(NetworkError(f"httpx.ReadError: {secret}"), httpx.ReadError(secret))

    assert str(translate(error)) == "NetworkError from ReadError"


def test_translation_is_chained_once() -> None:
    """The library's error is the cause; an error that is not the library's passes untouched."""
    original = Forbidden("Forbidden: bot was blocked by the user")
    with pytest.raises(ChatGone) as caught, chat_errors():
        raise original
    assert caught.value.__cause__ is original

    with pytest.raises(KeyError), chat_errors():
        raise KeyError("not ours")


def test_says_ignores_case() -> None:
    """The library lower-cases some letters and not others."""
    old = BadRequest("Bad Request: QUERY_ID_INVALID")

    assert says(old, QUERY_OLD)
    assert not says(BadRequest("Bad Request: chat not found"), QUERY_OLD)
