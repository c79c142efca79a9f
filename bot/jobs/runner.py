"""One attempt of one job, and what becomes of the job afterwards. The one place where job errors
are handled.
"""

import asyncio
import random
from datetime import datetime, timedelta

import structlog

from bot.core.errors import (
    Corrupted,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    Unexpected,
    UploadGone,
)
from bot.core.jobs import Job, JobState, StopReason
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.metrics import Metrics, NoMetrics, Span
from bot.jobs.queue import RunningJob
from bot.jobs.relay import Relay
from bot.transfer.pool import finish

log = structlog.stdlib.get_logger(__name__)

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
MOST_FAILURES = 12
"""Attempts in all for transient errors: with waits that double up to 15 minutes, about an hour and
a half.
"""
FEW_FAILURES = 3
"""Attempts in all for errors that are seldom cured by time, such as a file whose size is not the
announced one.
"""


class Signals:
    """What an attempt changes that others act on; each is an event without content (they look at
    the ledger).
    """

    def __init__(self) -> None:
        self.outbox = asyncio.Event()
        self.deletions = asyncio.Event()


class JobRunner:
    """Runs attempts for the queue."""

    def __init__(
        self,
        relay: Relay,
        ledger: Ledger,
        clock: Clock,
        signals: Signals,
        metrics: Metrics | None = None,
    ) -> None:
        self._relay = relay
        self._jobs = ledger.jobs
        self._objects = ledger.objects
        self._clock = clock
        self._signals = signals
        self._metrics = metrics or NoMetrics()

    async def run(self, running: RunningJob) -> datetime | None:
        """Run one attempt; return when the next is due, or `None` if there will be none."""
        # To its end, because a cancel in the middle would leave a running job without a runner.
        job = await finish(self._jobs.acquire(running.job_id, self._clock.now()))
        if job is None:
            return await finish(self._not_acquired(running))
        if job.attempt == 1:
            self._took(Span.WAIT, job)
        try:
            _raise_if_stopped(running)
            await self._relay.relay(job, running.meter)
        except asyncio.CancelledError:
            await finish(self._stopped(job, running.stop or StopReason.SHUTDOWN))
            return None
        except Exception as error:  # noqa: BLE001 -- a job ends here, whatever happened to it.
            again_at = await finish(self._failed(job, error))
            if again_at is not None and running.stop is StopReason.USER:
                # The cancel came while the failure was written down.
                return await finish(self._cancel_waiting(job.id))
            return again_at
        finally:
            moved = running.meter.snapshot()
            self._metrics.moved(downloaded=moved.downloaded, uploaded=moved.uploaded)
        self._metrics.job_ended("done")
        self._took(Span.WHOLE, job)
        self._log_end(job, "done", running)
        self._signals.outbox.set()
        self._signals.deletions.set()
        return None

    def _took(self, span: Span, job: Job) -> None:
        self._metrics.took(span, (self._clock.now() - job.created_at).total_seconds())

    async def _not_acquired(self, running: RunningJob) -> datetime | None:
        job = await self._jobs.get(running.job_id)
        if job is None or job.state is not JobState.QUEUED:
            return None
        if running.stop is StopReason.USER:
            await self._cancel_waiting(job.id)
            return None
        # It waits for a moment that had come when the queue looked: the system's clock was set.
        return job.run_at

    async def _stopped(self, job: Job, reason: StopReason) -> None:
        if reason is StopReason.SHUTDOWN:
            await self._jobs.give_back(job)
            return
        await self._abandon(job)
        await self._jobs.cancel(job, self._clock.now())
        self._metrics.job_ended("cancelled")
        log.info("job cancelled", job=job.id)
        self._signals.outbox.set()

    async def _cancel_waiting(self, job_id: int) -> None:
        job = await self._jobs.get(job_id)
        if job is not None and await self._jobs.cancel(job, self._clock.now()):
            await self._abandon(job)
            self._metrics.job_ended("cancelled")
            self._signals.outbox.set()

    async def _abandon(self, job: Job) -> None:
        # No thread of the job runs any more; the reaper aborts and deletes, now and once more
        # later.
        planned = await self._objects.planned_for(job.id)
        if planned is not None:
            await self._objects.abandon(planned.id, self._clock.now())
            self._signals.deletions.set()

    async def _failed(self, job: Job, error: Exception) -> datetime | None:
        known = error if isinstance(error, RelayError) else Unexpected(repr(error))
        failures = job.failures + 1
        if isinstance(known, UploadGone | Corrupted):
            # What OSS has of it is of no use: the next attempt begins with a key of its own.
            await self._abandon(job)
        if not known.permanent and failures < _most_failures(known):
            again_at = self._clock.now() + wait_before(failures)
            log.warning(
                "attempt failed", job=job.id, code=known.code, failures=failures, why=str(known)
            )
            self._metrics.attempt_failed(known.code)
            return again_at if await self._jobs.retry_later(job, again_at, known.code) else None
        log.error("job failed", job=job.id, code=known.code, exc_info=error)
        await self._abandon(job)
        await self._jobs.fail(job, known.code, _args(known), self._clock.now())
        self._metrics.job_ended("failed", known.code)
        self._signals.outbox.set()
        return None

    def _log_end(self, job: Job, state: str, running: RunningJob) -> None:
        snapshot = running.meter.snapshot()
        seconds = (self._clock.now() - running.started_at).total_seconds()
        log.info(
            "job ended",
            job=job.id,
            state=state,
            bytes=snapshot.uploaded,
            seconds=round(seconds, 2),
            attempt=job.attempt,
        )


def _raise_if_stopped(running: RunningJob) -> None:
    task = asyncio.current_task()
    if running.stop is not None or (task is not None and task.cancelling()):
        raise asyncio.CancelledError


def wait_before(failures: int) -> timedelta:
    """Return the wait before the attempt that follows `failures` failures: doubling, with up to 20
    % jitter.
    """
    doubled: timedelta = FIRST_WAIT * 2 ** min(failures - 1, 20)
    return min(doubled, LONGEST_WAIT) * random.uniform(0.8, 1.0)  # noqa: S311 -- jitter, not a secret.


def _most_failures(error: RelayError) -> int:
    return FEW_FAILURES if isinstance(error, SizeMismatch) else MOST_FAILURES


def _args(error: RelayError) -> dict[str, int]:
    if isinstance(error, FileTooLarge):
        return {"limit": error.limit} | ({"size": error.size} if error.size is not None else {})
    if isinstance(error, SizeMismatch):
        return {"announced": error.announced, "received": error.received}
    return {}
