"""The end of a job: the ledger, metrics, log and signals when a job is done, fails, is cancelled
or is parked. The end is decided elsewhere: by the runner, by user actions (`actions`), by
`relay-bot send` and by the recovery at the start.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from bot.core.errors import FileTooLarge, RelayError, SizeMismatch
from bot.core.jobs import Job, JobState, StoredObject
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import Finished, JobLedger
from bot.core.ports.metrics import Metrics, NoMetrics, Span

log = structlog.stdlib.get_logger(__name__)

_EVENT: Final = "job ended"
_SOON: Final = timedelta(minutes=1)
"""A link that ends later is found by the reaper's regular look at the ledger."""


class Signals:
    """Wake-ups without content; waiting loops then read the ledger. `outbox` is set when there may
    be something to send, `deletions` when something may be due.
    """

    def __init__(self) -> None:
        self.outbox = asyncio.Event()
        self.deletions = asyncio.Event()


class JobLifecycle:
    """Ends jobs. Each end is one transaction with the job's object, which becomes live, or is due
    at once for the reaper. No thread of the job may run any more.

    Every method is fenced (see `JobLedger`). Only a change that was applied is counted
    (`Metrics.job_ended`), logged as one line "job ended" and signalled, so each job is counted
    once.
    """

    def __init__(
        self, jobs: JobLedger, clock: Clock, signals: Signals, metrics: Metrics | None = None
    ) -> None:
        self.signals = signals
        self._jobs = jobs
        self._clock = clock
        self._metrics = metrics or NoMetrics()

    async def done(self, job: Job, stored: StoredObject, result: Finished) -> bool:
        """Make a running job done: its link is live from now on. Return `False` if the job has
        been ended or taken over meanwhile; then `stored` is abandoned.
        """
        if not await self._jobs.finish(job, stored, result, self._clock.now()):
            self.signals.deletions.set()
            return False
        self._metrics.took(Span.WHOLE, self._age(job))
        self._ended(job, JobState.DONE, size=result.size)
        if result.expires_at - self._clock.now() < _SOON:
            self.signals.deletions.set()
        return True

    async def failed(self, job: Job, error: RelayError, *, cause: Exception) -> bool:
        """Fail a running job with the code of `error`. The log has the traceback of `cause`.
        Return `False` if the job has been ended or taken over meanwhile.
        """
        if not await self._jobs.fail(job, error.code, _args(error), self._clock.now()):
            log.warning(
                "attempt failed, job not ours", job=job.id, code=error.code, exc_info=cause
            )
            return False
        self._ended(job, JobState.FAILED, error.code, cause=cause)
        return True

    async def cancelled(self, job: Job) -> bool:
        """Cancel a job that is still as it was read. Return `False` if it is not, as when it was
        done before the cancel.
        """
        if not await self._jobs.cancel(job, self._clock.now()):
            return False
        self._ended(job, JobState.CANCELLED)
        return True

    async def cancel_waiting(self, job_id: int) -> bool:
        """Cancel a job that is queued, in any attempt. Return `False` if it is not queued."""
        job = await self._jobs.cancel_waiting(job_id, self._clock.now())
        if job is None:
            return False
        self._ended(job, JobState.CANCELLED)
        return True

    async def recover(self, progress: Mapping[int, int] | None = None) -> list[Job]:
        """Recover what the previous process left behind (see `JobLedger.recover`): cancel jobs
        that their users had cancelled, park those that crashed too often. Return the unfinished
        jobs of chats.

        Only for the process that holds the lock of the ledger.
        """
        found = await self._jobs.recover(self._clock.now(), progress)
        self._all_ended(found.ended)
        return found.unfinished

    async def end_left_by_shells(self) -> None:
        """Cancel the jobs of commands that have exited; only while no command runs."""
        self._all_ended(await self._jobs.end_left_by_shells(self._clock.now()))

    def _all_ended(self, jobs: list[Job]) -> None:
        for job in jobs:
            # The code of a cancelled job is that of an earlier attempt, not the reason of its end.
            code = job.error_code or "" if job.state is JobState.FAILED else ""
            self._ended(job, job.state, code)

    def _ended(
        self,
        job: Job,
        state: JobState,
        code: str = "",
        *,
        size: int = 0,
        cause: Exception | None = None,
    ) -> None:
        self._metrics.job_ended(state.value, code)
        fields = {
            "job": job.id,
            "state": state.value,
            "code": code,
            "bytes": size,
            "seconds": round(self._age(job), 2),
            "attempt": job.attempt,
        }
        if state is JobState.FAILED:
            log.error(_EVENT, **fields, exc_info=cause)
        else:
            log.info(_EVENT, **fields)
        self.signals.outbox.set()
        if state is not JobState.DONE:
            self.signals.deletions.set()

    def _age(self, job: Job) -> float:
        return (self._clock.now() - job.created_at).total_seconds()


def _args(error: RelayError) -> dict[str, int]:
    if isinstance(error, FileTooLarge):
        return {"limit": error.limit} | ({"size": error.size} if error.size is not None else {})
    if isinstance(error, SizeMismatch):
        return {"announced": error.announced, "received": error.received}
    return {}
