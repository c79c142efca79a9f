"""Corrects answers whose links have ended: "expired" or "deleted", buttons gone."""

from datetime import datetime, timedelta

import structlog

from bot.core.errors import ChatError
from bot.core.ports.chat import Messenger
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger, StoredAnswer
from bot.outbound.budget import RateLimits
from bot.outbound.lanes import InFlightCalls
from bot.outbound.road import wait_after
from bot.outbound.views import Views

log = structlog.stdlib.get_logger(__name__)

AFTER_TROUBLE = timedelta(seconds=10)
MOST_READ = 100


class AnswerCorrector:
    """Edits stale answers, behind everything else that is said. Driven by `ChatDispatcher`."""

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        budgets: RateLimits,
        lanes: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._budgets = budgets
        self._lanes = lanes
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start the edits that are possible now; return when the next may be."""
        moments = []
        for answer in await self._ledger.answers.stale(MOST_READ):
            lane = ("edit", answer.chat_id)
            if not self._lanes.is_free(lane):
                continue
            budget, now = self._budgets.of(answer.chat_id), self._clock.now()
            moment = budget.ready_at(budget.edits, now, reserve=1.0)
            if moment > now:
                moments.append(moment)
            else:
                budget.take(budget.edits, now, reserve=1.0)
                self._lanes.start(lane, self._revise(answer))
        return min(moments, default=None)

    async def _revise(self, answer: StoredAnswer) -> None:
        jobs = await self._ledger.jobs.get_many(answer.job_ids)
        view = await self._views.answer(jobs, answer.chat_id)
        try:
            # A sent answer has its message id.
            await self._messenger.edit(
                answer.chat_id, answer.message_id or 0, view, language=answer.language
            )
        except ChatError as error:
            if not error.permanent:
                wait = max(wait_after(error), AFTER_TROUBLE)
                self._budgets.of(answer.chat_id).pause(self._clock.now() + wait)
                return
            # The message is gone: nothing is left that could tell anything wrong.
            log.info("answer not corrected", answer=answer.id, code=error.code)
        await self._ledger.answers.refreshed(answer.id, answer.changes)
