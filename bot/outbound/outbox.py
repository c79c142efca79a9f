"""The outbox: replies to commands and presses, and reactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from bot.core.errors import (
    ChatError,
    ChatGone,
    ChatUncertain,
    MessageGone,
    MessageRefused,
    Unexpected,
)
from bot.core.limits import RESERVED_FOR_ANSWERS
from bot.core.ports.chat import Messenger, Place, Reaction
from bot.core.ports.ledger import EDITS, Outbox, OutboxKind, OutboxMessage, Priority, Work
from bot.core.ports.views import LanguageMenu, Listing, Notice, View
from bot.outbound.dispatcher import (
    Call,
    CallKind,
    Offers,
    RoundState,
    edit_lane,
    press_lane,
    send_lane,
)
from bot.outbound.views import Views
from bot.supervision import Unit

log = structlog.stdlib.get_logger(__name__)

MOST_TRIES: Final = 5
MOST_UNCERTAIN: Final = 2
"""Calls of which only the intention is known: the process died in them."""
STALE_AFTER: Final = timedelta(minutes=2)
"""After this time the answer makes a reaction needless."""
_NOT_ARGUMENTS: Final = frozenset({"name", "query_id", EDITS})


class PageMessages(Protocol):
    """Composes messages of kind PAGE."""

    async def view(self, message: OutboxMessage) -> View:
        """Return what is to be sent."""

    async def refused(self, message: OutboxMessage) -> None:
        """Undo what a message stands for that certainly cannot be sent."""


class OutboxSender:
    """Offers the rows of the outbox: replies to commands and presses with the highest priority,
    reactions with the lowest. Requests are offered by `DeferredRequests`.
    """

    work = Work.MESSAGES

    def __init__(
        self,
        outbox: Outbox,
        messenger: Messenger,
        views: Views,
        pages: PageMessages | None = None,
    ) -> None:
        self._outbox = outbox
        self._pages = pages
        self._messenger = messenger
        self._views = views
        # Calls that this process has begun, so that what it reads of them tells nothing new.
        self._begun: set[int] = set()

    async def offer(self, state: RoundState) -> Offers:
        """Offer every message of the outbox that is still needed."""
        pending = [message for message in state.outbox if message.kind is not OutboxKind.REQUEST]
        latest = {_target(message): message.id for message in pending}
        calls = []
        for message in pending:
            # Of ten refreshes of a message only the last is needed.
            if latest[_target(message)] != message.id or _is_stale(message, state.now):
                await self._outbox.delivered(message.id)
            elif code := self._given_up(message):
                calls.append(_set_aside(self._outbox, message, code))
            else:
                calls.append(self._call(message))
        return Offers(calls)

    def _given_up(self, message: OutboxMessage) -> str:
        """Return why a message must not be tried again, or nothing."""
        was_cut = message.error_code is None and message.id not in self._begun
        if message.tries >= MOST_TRIES:
            return message.error_code or Unexpected.code
        return ChatUncertain.code if was_cut and message.tries >= MOST_UNCERTAIN else ""

    @asynccontextmanager
    async def _attempt(self, message: OutboxMessage) -> AsyncIterator[int]:
        """Count the call of the block before it is made, and store that it has ended where nothing
        else is stored. The value is the number of calls, this one included.
        """
        self._begun.add(message.id)
        tries = await self._outbox.begin_attempt(message.id)
        try:
            yield tries
        except ChatError:
            raise
        except Exception:
            await self._outbox.failed(message.id, Unexpected.code)
            raise

    async def _delivered(self, message: OutboxMessage) -> None:
        await self._outbox.delivered(message.id)
        self._begun.discard(message.id)

    def _call(self, message: OutboxMessage) -> Call:
        match message.kind:
            case OutboxKind.PRESS:
                return Call(
                    kind=CallKind.QUERY,
                    chat_id=message.chat_id,
                    lane=press_lane(message.id),
                    priority=Priority.PRESS,
                    unit=Unit.OUTBOX,
                    row=message.id,
                    run=partial(self._answer_press, message),
                )
            case OutboxKind.REACTION:
                return Call(
                    kind=CallKind.REACT,
                    chat_id=message.chat_id,
                    lane=("react", message.chat_id),
                    priority=Priority.REFRESH,
                    unit=Unit.OUTBOX,
                    row=message.id,
                    reserve=RESERVED_FOR_ANSWERS,
                    run=partial(self._react, message),
                )
            case _:
                return self._reply(message)

    def _reply(self, message: OutboxMessage) -> Call:
        send, edit = send_lane(message.chat_id), edit_lane(message.chat_id)
        is_edit = EDITS in message.payload
        return Call(
            kind=CallKind.EDIT if is_edit else CallKind.SEND,
            chat_id=message.chat_id,
            lane=edit if is_edit else send,
            waits_for=(send,) if is_edit else (),
            priority=message.priority,
            unit=Unit.OUTBOX,
            row=message.id,
            run=partial(self._say, message),
        )

    async def _say(self, message: OutboxMessage) -> None:
        tries = message.tries
        try:
            async with self._attempt(message) as tries:
                await self._place(message, await self._view(message))
        except (ChatUncertain, ChatGone, MessageGone, MessageRefused) as error:
            # A reply to a command is not sent twice; the user can repeat the command.
            log.warning("reply lost", message=message.id, code=error.code)
            if self._pages is not None and not isinstance(error, ChatUncertain):
                await self._pages.refused(message)
        except ChatError as error:
            if tries >= MOST_TRIES:
                log.warning("reply given up", message=message.id, code=error.code)
                await self._outbox.set_aside(message.id, error.code)
                if self._pages is not None:
                    await self._pages.refused(message)
            else:
                await self._outbox.failed(message.id, error.code)
            raise
        await self._delivered(message)

    async def _place(self, message: OutboxMessage, view: View) -> None:
        if EDITS in message.payload:
            message_id = int(message.payload[EDITS])
            await self._messenger.edit(
                message.chat_id, message_id, view, language=message.language
            )
        else:
            place = Place(message.chat_id, message.thread_id, message.reply_to)
            await self._messenger.send(place, view, language=message.language)

    async def _view(self, message: OutboxMessage) -> View:
        match message.kind:
            case OutboxKind.OVERVIEW:
                told = message.payload
                subject = int(told.get("subject", message.owner_id or message.chat_id))
                listing = Listing(str(told.get("listing", Listing.STATUS.value)))
                page = int(told.get("page", 1))
                return await self._views.overviews.compose(
                    listing, subject, chat_id=message.chat_id, page=page
                )
            case OutboxKind.WELCOME:
                return self._views.welcome
            case OutboxKind.STATISTICS:
                return await self._views.statistics.compose()
            case OutboxKind.LANGUAGES:
                return LanguageMenu(message.owner_id or message.chat_id)
            case OutboxKind.PAGE:
                if self._pages is None:
                    raise MessageRefused("there are no pages any more")
                return await self._pages.view(message)
            case _:
                return _notice(message)

    async def _answer_press(self, message: OutboxMessage) -> None:
        try:
            async with self._attempt(message):
                await self._messenger.answer_press(
                    str(message.payload["query_id"]),
                    _notice(message) if "name" in message.payload else None,
                    language=message.language,
                )
        except ChatError as error:
            log.info("press not answered", message=message.id, code=error.code)
        await self._delivered(message)

    async def _react(self, message: OutboxMessage) -> None:
        """React once: chats may forbid reactions, and the answer is sent anyway."""
        try:
            async with self._attempt(message):
                reaction = Reaction(str(message.payload["reaction"]))
                to = int(message.payload["to"])
                await self._messenger.react(message.chat_id, to, reaction)
        except ChatError as error:
            log.debug("no reaction", message=message.id, code=error.code)
            await self._delivered(message)
            if not error.permanent:
                raise
        else:
            await self._delivered(message)


def _target(message: OutboxMessage) -> tuple[OutboxKind | str, int, str]:
    """Return the message that a row edits; of several rows with one target only the last is
    needed.
    """
    if EDITS in message.payload:
        return EDITS, message.chat_id, str(message.payload[EDITS])
    if message.kind is OutboxKind.REACTION:
        return message.kind, message.chat_id, str(message.payload.get("to"))
    return message.kind, message.chat_id, f"row {message.id}"


def _is_stale(message: OutboxMessage, now: datetime) -> bool:
    asked_at = message.created_at or now
    return message.kind is OutboxKind.REACTION and now - asked_at > STALE_AFTER


def _notice(message: OutboxMessage) -> Notice:
    args = {key: value for key, value in message.payload.items() if key not in _NOT_ARGUMENTS}
    return Notice(str(message.payload["name"]), args)


def _set_aside(outbox: Outbox, message: OutboxMessage, code: str) -> Call:
    """Return the call that gives a message up: a write, which an edge contains like any call."""

    async def run() -> None:
        log.error(
            "set aside", unit=Unit.OUTBOX.value, id=message.id, tries=message.tries, code=code
        )
        await outbox.set_aside(message.id, code)

    return Call(
        kind=CallKind.QUERY,
        chat_id=message.chat_id,
        lane=("set aside", message.id),
        priority=message.priority,
        unit=Unit.OUTBOX,
        row=message.id,
        run=run,
    )
