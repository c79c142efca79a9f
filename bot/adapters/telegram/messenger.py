"""The `Messenger` port on the Bot API, and the translation of Telegram's errors into those of
`bot.core.errors`.

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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import aiohttp
import httpx
from telegram import InputFile, LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode, ReactionEmoji
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.adapters.telegram.buttons import ButtonCodec, Buttons, only_presses
from bot.adapters.telegram.renderer import Rendered, Renderer
from bot.adapters.telegram.request import RelayBot, UnreadableAnswer, readable_answers
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
from bot.core.ports.chat import Place, Reaction
from bot.core.ports.views import Answer, Notice, View

T = TypeVar("T")

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
        case InvalidToken() if says(error, (METHOD_MISSING,)):
            # The library's name for every 404, here of a server older than the method.
            return MessageRefused(error.message)
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


SILENT_WAIT: Final = 65.0
"""Seconds to wait for an answer: Telegram holds calls back for up to 60 s before it refuses one as
too many (source: tdlib/td `NetQueryDelayer.cpp`), and a message may be sent twice if its answer
was not awaited.
"""

PRESS_WAIT: Final = 10.0
"""Seconds to wait for the answer to `answerCallbackQuery`; the query expires soon after."""

PROBE_WAIT: Final = 10.0
"""Seconds to wait for an answer that only shows that Telegram answers."""

_EMOJI: Final = {
    Reaction.ACCEPTED: ReactionEmoji.EYES,
    Reaction.DONE: ReactionEmoji.THUMBS_UP,
    Reaction.NONE: None,
}

_NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)
PICTURE: Final = "qr.png"
"""The name of a picture: its type is told by that."""


class TelegramMessenger:
    """Implements the `Messenger` port through the Bot API. One event loop; any number of calls at
    once.

    No message depends on the bot's defaults: parse mode, preview and reply are given with each
    call. A message that Telegram refuses for a minor part (a topic, a button that opens a link) is
    sent without that part, because the refusal is certain and the text matters more. After the
    cancel of a call it is unknown whether it was applied. `patience` is the number of seconds to
    wait for an answer.
    """

    def __init__(
        self,
        bot: RelayBot,
        renderer: Renderer,
        keyboards: ButtonCodec,
        *,
        patience: float = SILENT_WAIT,
    ) -> None:
        self._bot = bot
        self._renderer = renderer
        self._keyboards = keyboards
        self._patience = patience

    async def send(
        self,
        place: Place,
        view: View,
        *,
        language: str,
        silent: bool = False,
        plain: bool = False,
    ) -> int:
        """Send a message and return its id.

        A reply to a message that is gone is sent without it, one in a topic that is gone or closed
        in the General topic. Raises the errors of the port, never `MessageGone`.
        """
        rendered = self._renderer.render(view, language, plain=plain)
        with chat_errors():
            try:
                return await self._place(place, rendered, silent=silent)
            except BadRequest as error:
                if place.thread_id is None or not says(error, THREAD_GONE):
                    raise
                general = replace(place, thread_id=None)
                return await self._place(general, rendered, silent=silent)

    async def _place(self, place: Place, rendered: Rendered, *, silent: bool) -> int:
        reply = None
        if place.reply_to is not None:
            reply = ReplyParameters(place.reply_to, allow_sending_without_reply=True)

        async def call(buttons: Buttons) -> int:
            parameters: dict[str, object] = {
                "chat_id": place.chat_id,
                "parse_mode": _parse_mode(rendered),
                "disable_notification": silent,
                "reply_markup": self._keyboards.markup(buttons),
                "message_thread_id": place.thread_id,
                "reply_parameters": reply,
            }
            if rendered.picture is not None:
                picture = InputFile(rendered.picture, filename=PICTURE)
                parameters |= {"photo": picture, "caption": rendered.text}
                return await self._bot.place_message(
                    parameters, read_timeout=self._patience, method="sendPhoto"
                )
            parameters |= {"text": rendered.text, "link_preview_options": _NO_PREVIEW}
            return await self._bot.place_message(parameters, read_timeout=self._patience)

        return await _with_buttons(call, rendered.buttons)

    async def edit(
        self, chat_id: int, message_id: int, view: View, *, language: str, plain: bool = False
    ) -> None:
        """Change a message; unchanged text is no error. Buttons that the view lacks are removed.

        Raises the errors of the port.
        """
        rendered = self._renderer.render(view, language, plain=plain)

        async def call(buttons: Buttons) -> object:
            return await self._bot.edit_message_text(
                rendered.text,
                chat_id=chat_id,
                message_id=message_id,
                parse_mode=_parse_mode(rendered),
                reply_markup=self._keyboards.markup(buttons),
                link_preview_options=_NO_PREVIEW,
                read_timeout=self._patience,
            )

        with chat_errors():
            try:
                await _with_buttons(call, rendered.buttons)
            except BadRequest as error:
                if not says(error, UNCHANGED):
                    raise

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Delete a message. One that is gone, or too old to be deleted (48 hours), is no error,
        because no later call could delete it.
        """
        try:
            with chat_errors():
                await self._bot.delete_message(chat_id, message_id, read_timeout=self._patience)
        except MessageGone:
            return

    async def answer_press(self, query_id: str, notice: Notice | None, *, language: str) -> None:
        """Answer a callback query with a short line, if any; an expired query is no error."""
        text = self._renderer.notice(notice, language) if notice is not None else None
        with chat_errors():
            try:
                await self._bot.answer_callback_query(query_id, text, read_timeout=PRESS_WAIT)
            except BadRequest as error:
                if not says(error, QUERY_OLD):
                    raise

    async def react(self, chat_id: int, message_id: int, reaction: Reaction) -> None:
        """React to a message. Raises the errors of the port."""
        with chat_errors():
            await self._bot.set_message_reaction(
                chat_id, message_id, _EMOJI[reaction], read_timeout=self._patience
            )

    async def probe(self) -> None:
        """Ask Telegram who the bot is. An answer that cannot be read is one too."""
        try:
            with chat_errors():
                await self._bot.get_me(read_timeout=PROBE_WAIT)
        except ChatUncertain as error:
            if not error.answered:
                raise

    def fit(
        self, answer: Answer, *, language: str, together: bool = False, plain: bool = False
    ) -> int:
        """Return how many leading items (at least 1) one message can hold."""
        return self._renderer.fit(answer, language, together=together, plain=plain)


def _parse_mode(rendered: Rendered) -> ParseMode | None:
    return None if rendered.is_plain else ParseMode.HTML


async def _with_buttons(call: Callable[[Buttons], Awaitable[T]], buttons: Buttons) -> T:
    """Make a call, and repeat it with only the callback buttons if Telegram refuses the others.

    Telegram does so for URLs that it considers invalid. The text contains the link too.
    """
    try:
        return await call(buttons)
    except BadRequest as error:
        kept = only_presses(buttons)
        if kept == buttons or not says(error, BUTTON_REFUSED):
            raise
        return await call(kept)
