"""The outbox: replies to commands and presses, and reactions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.core.errors import ChatError, ChatGone, ChatUncertain, MessageGone, MessageRefused
from bot.core.jobs import Job, JobState, Origin
from bot.core.ports.chat import Messenger, Place, Reaction
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.outbox import EDITS, Outbox, OutboxKind, OutboxMessage, Priority
from bot.core.ports.views import LanguageMenu, Listing, Notice, View
from bot.outbound.dispatcher import ChatGate, InFlightCalls, wait_after
from bot.outbound.rate_limits import RESERVED_FOR_ANSWERS, RateLimits
from bot.outbound.views import Views

log = structlog.stdlib.get_logger(__name__)

MOST_READ = 200
MOST_TRIES = 5
_NOT_SAID_HERE = frozenset({OutboxKind.REQUEST, OutboxKind.REACTION})
"""The desk's, who has nothing to say yet, and the reactor's."""
_NOT_WORDS = frozenset({"name", "query_id", EDITS})


class OutboxSender:
    """Speaks first of all: somebody waits for it. Driven by `AnswerSender`."""

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        road: ChatGate,
        calls: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._outbox = ledger.outbox
        self._messenger = messenger
        self._views = views
        self._road = road
        self._calls = calls
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start every call that is possible now; return when the next may be."""
        moments = []
        pending = await self._outbox.pending(MOST_READ)
        for message in await self._without_superseded(pending):
            if message.kind is OutboxKind.PRESS:
                call_key = ("press", message.id)
                if self._calls.is_free(call_key):
                    self._calls.start(call_key, self._answer_press(message))
            elif message.kind not in _NOT_SAID_HERE:
                moments.append(self._begin(message))
        return min((moment for moment in moments if moment is not None), default=None)

    def _begin(self, message: OutboxMessage) -> datetime | None:
        """Say it now, or return when it may be said."""
        is_edit = EDITS in message.payload
        moment = self._road.ready(message.chat_id, is_reply=True, is_edit=is_edit)
        if moment is None or moment > self._clock.now():
            return moment
        self._road.take(message.chat_id, is_reply=True, is_edit=is_edit)
        call_key = ("edit" if is_edit else "send", message.chat_id)
        self._calls.start(call_key, self._say(message))
        return None

    async def _without_superseded(self, pending: Sequence[OutboxMessage]) -> list[OutboxMessage]:
        """Leave out changes of a message that a later one would change again: whoever presses
        "Refresh" ten times needs one.
        """
        latest = {_changed(message): message.id for message in pending if EDITS in message.payload}
        kept = []
        for message in pending:
            if latest.get(_changed(message), message.id) == message.id:
                kept.append(message)
            else:
                await self._outbox.delivered(message.id)
        return kept

    async def _say(self, message: OutboxMessage) -> None:
        tries = await self._outbox.begin_attempt(message.id)
        try:
            await self._place(message, await self._view(message))
        except (ChatUncertain, ChatGone, MessageGone, MessageRefused) as error:
            # A reply to a command is not worth saying twice; the user can ask again.
            log.warning("reply lost", message=message.id, code=error.code)
        except ChatError as error:
            self._road.pause(message.chat_id, error)
            if tries < MOST_TRIES:
                return
            log.warning("reply given up", message=message.id, code=error.code)
        await self._outbox.delivered(message.id)

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
                return await self._views.overview(
                    listing, subject, chat_id=message.chat_id, page=page
                )
            case OutboxKind.WELCOME:
                return self._views.welcome
            case OutboxKind.STATISTICS:
                return await self._views.statistics()
            case OutboxKind.LANGUAGES:
                return LanguageMenu(message.owner_id or message.chat_id)
            case _:
                return _notice(message)

    async def _answer_press(self, message: OutboxMessage) -> None:
        try:
            await self._messenger.answer_press(
                str(message.payload["query_id"]),
                _notice(message) if "name" in message.payload else None,
                language=message.language,
            )
        except ChatError as error:
            log.info("press not answered", message=message.id, code=error.code)
        await self._outbox.delivered(message.id)


def _changed(message: OutboxMessage) -> tuple[int, str | int | None]:
    return message.chat_id, message.payload.get(EDITS)


def _notice(message: OutboxMessage) -> Notice:
    args = {key: value for key, value in message.payload.items() if key not in _NOT_WORDS}
    return Notice(str(message.payload["name"]), args)


MOST_REACTIONS: Final = 200
STALE_AFTER: Final = timedelta(minutes=2)
"""By then the answer has told more than a reaction could."""


class Reactions:
    """Asks for reactions, if it is `enabled`. Of an album the first file stands for all."""

    def __init__(self, outbox: Outbox, clock: Clock, *, enabled: bool) -> None:
        self._outbox = outbox
        self._clock = clock
        self._enabled = enabled

    async def accepted(self, job: Job) -> None:
        """Show that a file was accepted."""
        await self._post(job.origin, Reaction.ACCEPTED)

    async def ended(self, jobs: Sequence[Job]) -> None:
        """Show what came of jobs that have been answered."""
        firsts: dict[tuple[int, str | int], Job] = {}
        for job in sorted(jobs, key=lambda job: job.id):
            firsts.setdefault((job.origin.chat_id, job.origin.album or job.id), job)
        for job in firsts.values():
            is_done = job.state is JobState.DONE
            await self._post(job.origin, Reaction.DONE if is_done else Reaction.NONE)

    async def _post(self, origin: Origin, reaction: Reaction) -> None:
        if not self._enabled:
            return
        what = f"album:{origin.album}" if origin.album else f"{origin.message_id}"
        await self._outbox.post(
            OutboxMessage(
                kind=OutboxKind.REACTION,
                priority=Priority.REFRESH,
                chat_id=origin.chat_id,
                language=origin.language,
                dedupe=f"reaction:{origin.chat_id}:{what}:{reaction}",
                payload={"to": origin.message_id, "reaction": reaction.value},
            ),
            self._clock.now(),
        )


class ReactionSender:
    """Reacts behind everything that is said, with what the budget of edits leaves. Driven by
    `ChatDispatcher`.

    A reaction is never worth a second try: chats may forbid them, and the answer comes anyway.
    """

    def __init__(
        self,
        outbox: Outbox,
        messenger: Messenger,
        rate_limits: RateLimits,
        calls: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._messenger = messenger
        self._rate_limits = rate_limits
        self._calls = calls
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start the calls that are possible now; return when the next may be."""
        pending = [
            message
            for message in await self._outbox.pending(MOST_REACTIONS)
            if message.kind is OutboxKind.REACTION
        ]
        latest = {(message.chat_id, message.payload["to"]): message.id for message in pending}
        moments = []
        for message in pending:
            is_latest = latest[message.chat_id, message.payload["to"]] == message.id
            if not is_latest or self._is_stale(message):
                await self._outbox.delivered(message.id)
            else:
                moments.append(self._begin(message))
        return min((moment for moment in moments if moment is not None), default=None)

    def _is_stale(self, message: OutboxMessage) -> bool:
        asked_at = message.created_at or self._clock.now()
        return self._clock.now() - asked_at > STALE_AFTER

    def _begin(self, message: OutboxMessage) -> datetime | None:
        """React now, or return when that may be possible."""
        call_key = ("react", message.chat_id)
        if not self._calls.is_free(call_key):
            return None
        # Whether reactions count is not documented; they are counted as edits, behind all others.
        budget, now = self._rate_limits.of(message.chat_id), self._clock.now()
        moment = budget.ready_at(budget.edits, now, reserve=RESERVED_FOR_ANSWERS)
        if moment > now:
            return moment
        budget.take(budget.edits, now, reserve=RESERVED_FOR_ANSWERS)
        self._calls.start(call_key, self._react(message))
        return None

    async def _react(self, message: OutboxMessage) -> None:
        reaction = Reaction(str(message.payload["reaction"]))
        try:
            await self._messenger.react(message.chat_id, int(message.payload["to"]), reaction)
        except ChatError as error:
            log.debug("no reaction", message=message.id, code=error.code)
            if not error.permanent:
                wait = wait_after(error)
                self._rate_limits.of(message.chat_id).pause(self._clock.now() + wait)
        await self._outbox.delivered(message.id)
