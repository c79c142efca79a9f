"""User actions on existing jobs: cancel them, and delete their links."""

from enum import StrEnum
from typing import Final

import structlog

from bot.core.jobs import Job, StopReason
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.jobs.lifecycle import JobLifecycle
from bot.jobs.queue import JobQueue

log = structlog.stdlib.get_logger(__name__)


TOO_LATE: Final = "press-too-late"
"""The sentence that says that nothing is left to do."""


class JobAction(StrEnum):
    """Actions of buttons. The values are stored in the ledger: never rename."""

    CANCEL = "cancel"
    DELETE = "delete"
    CANCEL_ALL = "cancelall"
    """Cancel every job of the album to which this one belongs."""


class JobActions:
    """Performs actions and returns the name of the sentence about the result. Access is checked by
    the caller.

    Every method may be repeated.
    """

    def __init__(
        self, ledger: Ledger, queue: JobQueue, clock: Clock, lifecycle: JobLifecycle
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._lifecycle = lifecycle

    async def apply(self, action: JobAction, job: Job) -> str:
        """Perform the action of a button."""
        match action:
            case JobAction.CANCEL:
                return await self.cancel(job)
            case JobAction.DELETE:
                return await self.delete(job)
            case JobAction.CANCEL_ALL:
                return await self.cancel_album(job)

    async def cancel(self, job: Job) -> str:
        """Cancel a job: "cancelling", or "press-too-late" if it has ended."""
        if job.state.is_final:
            return TOO_LATE
        await self._ledger.jobs.request_cancel(job.id)
        if self._queue.stop_job(job.id, StopReason.USER):
            return "cancelling"
        self._queue.withdraw(job.id)
        # The job may have run and been put back since it was read: only its present state counts.
        return "cancelling" if await self._lifecycle.cancel_waiting(job.id) else TOO_LATE

    async def cancel_album(self, job: Job) -> str:
        """Cancel the unfinished jobs of a job's album: "cancelling", or "press-too-late" if all
        have ended.
        """
        here = await self._ledger.jobs.unfinished_in([job.origin.chat_id])
        album = job.origin.album
        left = [j for j in here if j.id == job.id or (album and j.origin.album == album)]
        outcomes = {await self.cancel(one) for one in reversed(left)}
        return "cancelling" if "cancelling" in outcomes else TOO_LATE

    async def delete(self, job: Job) -> str:
        """End the link of a job and delete its file: "deleted", or "press-too-late"."""
        if not await self._ledger.objects.revoke(job.id, self._clock.now()):
            return TOO_LATE
        self._lifecycle.signals.deletions.set()
        return "deleted"

    async def chat_gone(self, chat_id: int) -> None:
        """Cancel the unfinished jobs of a chat that cannot be reached any more."""
        previous_ids = await self._ledger.chats.previous_ids(chat_id)
        for job in await self._ledger.jobs.unfinished_in(previous_ids):
            log.info("cancelling, the chat is gone", job=job.id, chat=chat_id)
            await self.cancel(job)
