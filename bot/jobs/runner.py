"""The attempt of a job, and its end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from bot.clock import is_asked_to_end
from bot.core.errors import (
    Corrupted,
    FileEmpty,
    FileTooLarge,
    Rejected,
    RelayError,
    SizeMismatch,
    SourceGone,
    Unexpected,
    UploadGone,
)
from bot.core.jobs import Job, JobState, StopReason, StoredObject
from bot.core.ports import Clock
from bot.core.ports.jobs import Claim, Finished, JobLedger
from bot.core.ports.metrics import SENDERS_MISTAKES, JobOutcome, Metrics, NoMetrics, Span
from bot.jobs.queue import RunningJob
from bot.jobs.relay import Relay
from bot.supervision import Unit, UnitEdge
from bot.transfer.pool import finish

log = structlog.stdlib.get_logger(__name__)

_EVENT: Final = "job ended"
_SOON: Final = timedelta(minutes=1)
"""A link that ends later is found by the reaper's regular look at the ledger."""
_OF_THE_FILE: Final = (FileEmpty, FileTooLarge, SourceGone)


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
        # An earlier attempt may have left an object that is given up now.
        if job.attempt > 1 or result.expires_at - self._clock.now() < _SOON:
            self.signals.deletions.set()
        return True

    async def failed(self, job: Job, error: RelayError, *, cause: BaseException) -> bool:
        """Fail a job with the code of `error`. The log has the traceback of `cause`, except for
        files that cannot be relayed, which get one line. Return `False` if the job has been ended
        or taken over meanwhile.
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
        self.note_ended(found.ended)
        return found.unfinished

    async def unfinished(self) -> list[Job]:
        """Return the unfinished jobs of chats, oldest first."""
        return await self._jobs.unfinished()

    async def end_left_by_shells(self) -> None:
        """Cancel the jobs of commands that have exited; only while no command runs."""
        self.note_ended(await self._jobs.end_left_by_shells(self._clock.now()))

    def note_ended(self, jobs: Sequence[Job]) -> None:
        """Count, log and signal jobs that the ledger has ended."""
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
        cause: BaseException | None = None,
    ) -> None:
        is_mistake = state is JobState.FAILED and code in SENDERS_MISTAKES
        self._metrics.job_ended(
            JobOutcome.REJECTED if is_mistake else JobOutcome(state.value), code
        )
        fields = {
            "job": job.id,
            "state": state.value,
            "code": code,
            "bytes": size,
            "seconds": round(self._age(job), 2),
            "attempt": job.attempt,
        }
        if isinstance(cause, _OF_THE_FILE):
            # What was sent cannot be relayed; nothing is wrong with the bot.
            log.info(_EVENT, **fields, why=str(cause))
        elif isinstance(cause, Rejected):
            log.warning(_EVENT, **fields, why=str(cause))
        elif state is JobState.FAILED:
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


FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
MOST_FAILURES = 12
"""Most attempts for transient errors: with waits that double up to 15 minutes, about an hour and a
half.
"""
MOST_UNEXPECTED = 3
"""Attempts in all that end with an exception that the program does not know by name: of a library
below, of the system, or a defect of ours. Such as want of memory or threads pass.
"""
FEW_FAILURES = 3
"""Most attempts for errors that time seldom cures, such as a file with a size that differs from
the announced one.
"""


Outcome = Callable[[], Coroutine[Any, Any, datetime | None]]
"""Stores how an attempt ended; returns when the next is due, or `None`."""


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
        self._edge = UnitEdge(metrics)
        # What could not be stored about attempts that have ended, by job: in the ledger they
        # still run, so nothing else can be done with them before.
        self._unstored: dict[int, Outcome] = {}
        self.is_of_this_machine: Callable[[RelayError], Awaitable[bool]] = _is_of_every_machine
        """Whether another machine may relay a file that failed so here; asked of each failure."""

    async def run(self, running: RunningJob) -> datetime | None:
        """Run one attempt; return when the next is due, or `None` if there will be none.

        Raises:
            Exception: the outcome could not be stored. Call it again: that is done first.
        """
        if running.job_id in self._unstored:
            outcome = self._unstored[running.job_id]
            return await finish(self._store(running.job_id, outcome))
        # To its end, because a cancel in between would leave a running job without a runner.
        now = self._clock.now()
        claim = await finish(self._jobs.claim(running.job_id, now, self._relay.plan))
        if claim is None:
            return await finish(self._not_acquired(running))
        job = claim.job
        if job.attempt == 1:
            self._metrics.took(Span.WAIT, (self._clock.now() - job.created_at).total_seconds())
        again_at = await finish(self._store(job.id, await self._attempt(claim, running)))
        if again_at is not None and running.stop is StopReason.USER:
            # The cancel came while the failure was being stored.
            await finish(self._lifecycle.cancel_waiting(job.id))
            return None
        return again_at

    async def _attempt(self, claim: Claim, running: RunningJob) -> Outcome:
        """Relay the file of a claimed job; return what is to be stored about the attempt."""
        job = claim.job
        try:
            _raise_if_stopped(running)
            stored, result = await self._relay.relay(job, running.meter, claim.prepared)
        except asyncio.CancelledError as error:
            if running.stop is None and not is_asked_to_end():
                return partial(self._failed, job, error)
            return partial(self._stopped, job, running.stop or StopReason.SHUTDOWN)
        except Exception as error:  # noqa: BLE001 -- every failure of a job is handled here.
            return partial(self._failed, job, error)
        finally:
            moved = running.meter.snapshot()
            self._metrics.moved(downloaded=moved.downloaded, uploaded=moved.uploaded)
        return partial(self._done, job, stored, result)

    async def _done(self, job: Job, stored: StoredObject, result: Finished) -> datetime | None:
        await self._lifecycle.done(job, stored, result)
        return None

    async def _store(self, job_id: int, outcome: Outcome) -> datetime | None:
        """Store the outcome of an attempt; it is kept for the next run if that fails. Return when
        the next attempt is due, if there is one.
        """
        self._unstored[job_id] = outcome
        again_at = await outcome()
        del self._unstored[job_id]
        return again_at

    async def _not_acquired(self, running: RunningJob) -> datetime | None:
        job = await self._jobs.get(running.job_id)
        if job is None or job.state is not JobState.QUEUED:
            return None
        if running.stop is StopReason.USER:
            await self._lifecycle.cancel_waiting(job.id)
            return None
        # The job is not due in the ledger though it was in the queue: the system's clock was set.
        return job.run_at

    async def _stopped(self, job: Job, reason: StopReason) -> datetime | None:
        if reason is StopReason.USER:
            await self._lifecycle.cancelled(job)
        else:
            await self._jobs.give_back(job)
        return None

    async def _failed(self, job: Job, error: BaseException) -> datetime | None:
        known = error if isinstance(error, RelayError) else Unexpected(type(error).__name__)
        failures = job.failures + 1
        unexpected = job.unexpected_errors + (known is not error)
        # Asked of each failure: a full disk is none for good, but one of this machine.
        is_permanent = not await self.is_of_this_machine(known) and known.permanent
        is_last = is_permanent or failures >= _most_failures(known)
        if is_last or unexpected >= MOST_UNEXPECTED:
            await self._lifecycle.failed(job, known, cause=error)
            if known is not error:
                self._metrics.unexpected_error(Unit.ATTEMPT.value, type(error).__name__)
            return None
        now = self._clock.now()
        again_at = now + wait_before(failures)
        # The parts of a useless upload are given up; the next attempt has a key of its own.
        abandon_at = now if isinstance(known, UploadGone | Corrupted) else None
        if not await self._jobs.retry_later(
            job, again_at, known.code, abandon_at=abandon_at, unexpected=unexpected
        ):
            return None
        if known is error:
            log.warning(
                "attempt failed", job=job.id, code=known.code, failures=failures, why=str(known)
            )
        else:
            self._edge.failed(Unit.ATTEMPT, job.id, error)
        self._metrics.attempt_failed(known.code)
        if abandon_at is not None:
            self._lifecycle.signals.deletions.set()
        return again_at


async def _is_of_every_machine(_: RelayError) -> bool:
    return False


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
