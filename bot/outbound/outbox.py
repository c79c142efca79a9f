"""The outbox: replies to commands and presses, and reactions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.core.errors import ChatError, ChatGone, ChatUncertain, MessageGone, MessageRefused
from bot.core.jobs import Job, JobState, Origin
from bot.core.ports.chat import LanguageMenu, Listing, Messenger, Notice, Place, Reaction, View
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import EDITS, Ledger, Outbox, OutboxKind, OutboxMessage, Priority
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
        lanes: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._outbox = ledger.outbox
        self._messenger = messenger
        self._views = views
        self._road = road
        self._lanes = lanes
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start every call that is possible now; return when the next may be."""
        moments = []
        pending = await self._outbox.pending(MOST_READ)
        for saying in await self._without_superseded(pending):
            if saying.kind is OutboxKind.PRESS:
                lane = ("press", saying.id)
                if self._lanes.is_free(lane):
                    self._lanes.start(lane, self._answer_press(saying))
            elif saying.kind not in _NOT_SAID_HERE:
                moments.append(self._begin(saying))
        return min((moment for moment in moments if moment is not None), default=None)

    def _begin(self, saying: OutboxMessage) -> datetime | None:
        """Say it now, or return when it may be said."""
        is_edit = EDITS in saying.payload
        moment = self._road.ready(saying.chat_id, is_reply=True, is_edit=is_edit)
        if moment is None or moment > self._clock.now():
            return moment
        self._road.take(saying.chat_id, is_reply=True, is_edit=is_edit)
        lane = ("edit" if is_edit else "send", saying.chat_id)
        self._lanes.start(lane, self._say(saying))
        return None

    async def _without_superseded(self, pending: Sequence[OutboxMessage]) -> list[OutboxMessage]:
        """Leave out changes of a message that a later one would change again: whoever presses
        "Refresh" ten times needs one.
        """
        latest = {_changed(saying): saying.id for saying in pending if EDITS in saying.payload}
        kept = []
        for saying in pending:
            if latest.get(_changed(saying), saying.id) == saying.id:
                kept.append(saying)
            else:
                await self._outbox.said(saying.id)
        return kept

    async def _say(self, saying: OutboxMessage) -> None:
        tries = await self._outbox.tried(saying.id)
        try:
            await self._place(saying, await self._view(saying))
        except (ChatUncertain, ChatGone, MessageGone, MessageRefused) as error:
            # A reply to a command is not worth saying twice; the user can ask again.
            log.warning("reply lost", saying=saying.id, code=error.code)
        except ChatError as error:
            self._road.pause(saying.chat_id, error)
            if tries < MOST_TRIES:
                return
            log.warning("reply given up", saying=saying.id, code=error.code)
        await self._outbox.said(saying.id)

    async def _place(self, saying: OutboxMessage, view: View) -> None:
        if EDITS in saying.payload:
            message_id = int(saying.payload[EDITS])
            await self._messenger.edit(saying.chat_id, message_id, view, language=saying.language)
        else:
            place = Place(saying.chat_id, saying.thread_id, saying.reply_to)
            await self._messenger.send(place, view, language=saying.language)

    async def _view(self, saying: OutboxMessage) -> View:
        match saying.kind:
            case OutboxKind.OVERVIEW:
                told = saying.payload
                subject = int(told.get("subject", saying.owner_id or saying.chat_id))
                listing = Listing(str(told.get("listing", Listing.STATUS.value)))
                page = int(told.get("page", 1))
                return await self._views.overview(
                    listing, subject, chat_id=saying.chat_id, page=page
                )
            case OutboxKind.WELCOME:
                return self._views.welcome
            case OutboxKind.STATISTICS:
                return await self._views.statistics()
            case OutboxKind.LANGUAGES:
                return LanguageMenu(saying.owner_id or saying.chat_id)
            case _:
                return _notice(saying)

    async def _answer_press(self, saying: OutboxMessage) -> None:
        try:
            await self._messenger.answer_press(
                str(saying.payload["query_id"]),
                _notice(saying) if "name" in saying.payload else None,
                language=saying.language,
            )
        except ChatError as error:
            log.info("press not answered", saying=saying.id, code=error.code)
        await self._outbox.said(saying.id)


def _changed(saying: OutboxMessage) -> tuple[int, str | int | None]:
    return saying.chat_id, saying.payload.get(EDITS)


def _notice(saying: OutboxMessage) -> Notice:
    args = {key: value for key, value in saying.payload.items() if key not in _NOT_WORDS}
    return Notice(str(saying.payload["name"]), args)


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
        budgets: RateLimits,
        lanes: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._messenger = messenger
        self._budgets = budgets
        self._lanes = lanes
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start the calls that are possible now; return when the next may be."""
        pending = [
            saying
            for saying in await self._outbox.pending(MOST_REACTIONS)
            if saying.kind is OutboxKind.REACTION
        ]
        latest = {(saying.chat_id, saying.payload["to"]): saying.id for saying in pending}
        moments = []
        for saying in pending:
            is_latest = latest[saying.chat_id, saying.payload["to"]] == saying.id
            if not is_latest or self._is_stale(saying):
                await self._outbox.said(saying.id)
            else:
                moments.append(self._begin(saying))
        return min((moment for moment in moments if moment is not None), default=None)

    def _is_stale(self, saying: OutboxMessage) -> bool:
        asked_at = saying.created_at or self._clock.now()
        return self._clock.now() - asked_at > STALE_AFTER

    def _begin(self, saying: OutboxMessage) -> datetime | None:
        """React now, or return when that may be possible."""
        lane = ("react", saying.chat_id)
        if not self._lanes.is_free(lane):
            return None
        # Whether reactions count is not documented; they are counted as edits, behind all others.
        budget, now = self._budgets.of(saying.chat_id), self._clock.now()
        moment = budget.ready_at(budget.edits, now, reserve=RESERVED_FOR_ANSWERS)
        if moment > now:
            return moment
        budget.take(budget.edits, now, reserve=RESERVED_FOR_ANSWERS)
        self._lanes.start(lane, self._react(saying))
        return None

    async def _react(self, saying: OutboxMessage) -> None:
        reaction = Reaction(str(saying.payload["reaction"]))
        try:
            await self._messenger.react(saying.chat_id, int(saying.payload["to"]), reaction)
        except ChatError as error:
            log.debug("no reaction", saying=saying.id, code=error.code)
            if not error.permanent:
                wait = wait_after(error)
                self._budgets.of(saying.chat_id).pause(self._clock.now() + wait)
        await self._outbox.said(saying.id)
