"""Reactions on the messages that brought files: seen, done."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.core.errors import ChatError
from bot.core.jobs import Job, JobState, Origin
from bot.core.ports.chat import Messenger, Reaction
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Outbox, OutboxKind, OutboxMessage, Priority
from bot.outbound.budget import RESERVED_FOR_ANSWERS, RateLimits
from bot.outbound.lanes import InFlightCalls
from bot.outbound.road import wait_after

log = structlog.stdlib.get_logger(__name__)

MOST_READ: Final = 200
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
            for saying in await self._outbox.pending(MOST_READ)
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
