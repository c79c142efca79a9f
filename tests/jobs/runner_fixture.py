"""Everything that one job passes through, on a real ledger, without a queue."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlJobs, SqlLedger
from bot.core.files import LinkMode
from bot.core.jobs import Job, Placement, ProgressMeter, StopReason, StoredObject
from bot.core.ports.jobs import Claim, Finished, NewObject
from bot.core.ports.metrics import Metrics
from bot.jobs.queue import RunningJob
from bot.jobs.relay import Relay, UploadEngine
from bot.jobs.runner import JobLifecycle, JobRunner, Signals
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import LIFETIME, NOW, accept
from tests.fakes.source import FakeSource
from tests.fakes.uploads import FakeUploads

PLACEMENT = Placement("bucket", "cn-hongkong", LinkMode.SIGNED)


class GatedJobs(SqlJobs):
    """Jobs that hold each write at a gate after it has been committed."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        self.finished = asyncio.Event()
        self.may_return = asyncio.Event()
        self.hold_finish = False
        self.errors: list[Exception] = []

    async def _wait(self) -> None:
        self.reached.set()
        await self.gate.wait()

    async def claim(
        self, job_id: int, now: datetime, plan: Callable[[Job], NewObject] | None = None
    ) -> Claim | None:
        """Claim, then wait."""
        claim = await super().claim(job_id, now, plan)
        await self._wait()
        return claim

    async def retry_later(
        self,
        job: Job,
        run_at: datetime,
        code: str,
        *,
        abandon_at: datetime | None = None,
        unexpected: int = 0,
    ) -> bool:
        """Put back, then wait."""
        changed = await super().retry_later(
            job, run_at, code, abandon_at=abandon_at, unexpected=unexpected
        )
        await self._wait()
        return changed

    async def finish(
        self, job: Job, stored: StoredObject, result: Finished, now: datetime
    ) -> bool:
        """Finish, then wait if the test says so; or raise what the test says."""
        if self.errors:
            raise self.errors.pop(0)
        changed = await super().finish(job, stored, result, now)
        self.finished.set()
        if self.hold_finish:
            await self.may_return.wait()
        return changed

    async def cancel(self, job: Job, now: datetime) -> bool:
        """Cancel, then wait."""
        changed = await super().cancel(job, now)
        await self._wait()
        return changed


class RunnerFixture:
    """A relay with fakes around it; the test starts and stops attempts."""

    def __init__(
        self,
        database: Database,
        *,
        uploads: UploadEngine | None = None,
        metrics: Metrics | None = None,
        relay_metrics: Metrics | None = None,
    ) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.jobs = GatedJobs(database)
        self.ledger.jobs = self.jobs
        self.source = FakeSource()
        self.uploads = FakeUploads()
        self.signals = Signals()
        self.lifecycle = JobLifecycle(self.jobs, self.clock, self.signals, metrics)
        self.relay = Relay(
            self.source,
            uploads or self.uploads,
            self.ledger.objects,
            self.clock,
            lifetime=LIFETIME,
            placement=PLACEMENT,
            metrics=relay_metrics,
        )
        self.attempts = JobRunner(self.relay, self.jobs, self.lifecycle, self.clock, metrics)

    async def accept(self) -> Job:
        """Accept a file."""
        return await accept(self.ledger, now=self.clock.now())

    def begin(self, job: Job) -> "Attempt":
        """Begin an attempt."""
        running = RunningJob(job.id, job.origin.owner_id, self.clock.now())
        return Attempt(running, asyncio.create_task(self.attempts.run(running)))

    async def relay_and_end(self, job: Job) -> None:
        """Relay a running job and make it done."""
        await self.lifecycle.done(job, *await self.relay.relay(job, ProgressMeter()))

    async def attempt(self, job: Job) -> datetime | None:
        """Run an attempt to its end."""
        return await self.begin(job).task

    async def fail(self, job: Job, error: BaseException) -> datetime | None:
        """Run an attempt with an upload that fails."""
        self.uploads.failures.append(error)
        return await self.attempt(job)

    async def read(self, job: Job) -> Job:
        """Read a job again."""
        found = await self.jobs.get(job.id)
        assert found is not None
        return found

    async def object_of(self, job: Job) -> StoredObject:
        """Return the newest object of a job."""
        return (await self.ledger.objects.of_jobs([job.id]))[job.id]


class Attempt:
    """An attempt that runs."""

    def __init__(self, running: RunningJob, task: "asyncio.Task[datetime | None]") -> None:
        self.running = running
        self.task = task

    def stop(self, reason: StopReason) -> None:
        """Stop it as the queue does."""
        self.running.stop = self.running.stop or reason
        self.task.cancel()
