"""One attempt of one job: runs it and decides whether another one follows, or how the job ends.
The errors of jobs are handled only here.
"""

import asyncio
import random
from datetime import datetime, timedelta

import structlog

from bot.core.errors import Corrupted, RelayError, SizeMismatch, Unexpected, UploadGone
from bot.core.jobs import Job, JobState, StopReason
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import JobLedger
from bot.core.ports.metrics import Metrics, NoMetrics, Span
from bot.jobs.lifecycle import JobLifecycle
from bot.jobs.queue import RunningJob
from bot.jobs.relay import Relay
from bot.transfer.pool import finish

log = structlog.stdlib.get_logger(__name__)

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
MOST_FAILURES = 12
"""Most attempts for transient errors: with waits that double up to 15 minutes, about an hour and a
half.
"""
FEW_FAILURES = 3
"""Most attempts for errors that time seldom cures, such as a file with a size that differs from
the announced one.
"""


class JobRunner:
    """Runs attempts for the queue."""

    def __init__(
        self,
        relay: Relay,
        jobs: JobLedger,
        lifecycle: JobLifecycle,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._relay = relay
        self._jobs = jobs
        self._lifecycle = lifecycle
        self._clock = clock
        self._metrics = metrics or NoMetrics()

    async def run(self, running: RunningJob) -> datetime | None:
        """Run one attempt; return when the next is due, or `None` if there will be none."""
        # To its end, because a cancel in between would leave a running job without a runner.
        job = await finish(self._jobs.acquire(running.job_id, self._clock.now()))
        if job is None:
            return await finish(self._not_acquired(running))
        if job.attempt == 1:
            self._metrics.took(Span.WAIT, (self._clock.now() - job.created_at).total_seconds())
        try:
            _raise_if_stopped(running)
            stored, result = await self._relay.relay(job, running.meter)
            await finish(self._lifecycle.done(job, stored, result))
        except asyncio.CancelledError:
            await finish(self._stopped(job, running.stop or StopReason.SHUTDOWN))
        except Exception as error:  # noqa: BLE001 -- every failure of a job is handled here.
            again_at = await finish(self._failed(job, error))
            if again_at is None or running.stop is not StopReason.USER:
                return again_at
            # The cancel came while the failure was being stored.
            await finish(self._lifecycle.cancel_waiting(job.id))
        finally:
            moved = running.meter.snapshot()
            self._metrics.moved(downloaded=moved.downloaded, uploaded=moved.uploaded)
        return None

    async def _not_acquired(self, running: RunningJob) -> datetime | None:
        job = await self._jobs.get(running.job_id)
        if job is None or job.state is not JobState.QUEUED:
            return None
        if running.stop is StopReason.USER:
            await self._lifecycle.cancel_waiting(job.id)
            return None
        # The job is not due in the ledger though it was in the queue: the system's clock was set.
        return job.run_at

    async def _stopped(self, job: Job, reason: StopReason) -> None:
        if reason is StopReason.USER:
            await self._lifecycle.cancelled(job)
        else:
            await self._jobs.give_back(job)

    async def _failed(self, job: Job, error: Exception) -> datetime | None:
        known = error if isinstance(error, RelayError) else Unexpected(repr(error))
        failures = job.failures + 1
        if known.permanent or failures >= _most_failures(known):
            await self._lifecycle.failed(job, known, cause=error)
            return None
        now = self._clock.now()
        again_at = now + wait_before(failures)
        # The parts of a useless upload are given up; the next attempt has a key of its own.
        abandon_at = now if isinstance(known, UploadGone | Corrupted) else None
        if not await self._jobs.retry_later(job, again_at, known.code, abandon_at=abandon_at):
            return None
        log.warning(
            "attempt failed", job=job.id, code=known.code, failures=failures, why=str(known)
        )
        self._metrics.attempt_failed(known.code)
        if abandon_at is not None:
            self._lifecycle.signals.deletions.set()
        return again_at


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
