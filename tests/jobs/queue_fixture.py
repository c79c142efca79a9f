"""A queue that runs, its clock, and workers that end jobs when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from bot.core.jobs import StopReason
from bot.jobs.queue import JobQueue, RunningJob
from bot.sandbox.clock import SandboxClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import NOW


class Workers:
    """A runner that ends jobs when the test says so; knows what runs and what has run."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.stopped: dict[int, StopReason | None] = {}
        self.ended: list[int] = []
        self.again: dict[int, datetime] = {}
        """When a job shall come back, taken once."""
        self.error: Exception | None = None
        self._gates: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Condition()

    async def run(self, running: RunningJob) -> datetime | None:
        """Run a job until its gate opens."""
        gate = self._gates[running.job_id] = asyncio.Event()
        self.started.append(running.job_id)
        try:
            await self._tell()
            await gate.wait()
        except asyncio.CancelledError:
            self.stopped[running.job_id] = running.stop
            raise
        self.ended.append(running.job_id)
        if self.error is not None:
            raise self.error
        return self.again.pop(running.job_id, None)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def end(self, job_id: int) -> None:
        """Let a running job end."""
        self._gates[job_id].set()

    async def until_started(self, count: int) -> list[int]:
        """Wait until `count` jobs have started in all; return which."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.started) >= count)
        return self.started


class QueueFixture:
    """A queue that runs, its clock and its workers."""

    def __init__(self, *, at_once: int, per_owner: int, per_group: int | None) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.workers = Workers()
        self.metrics = FakeMetrics()
        self.queue = JobQueue(
            self.workers.run,
            self.clock,
            at_once=at_once,
            per_owner=per_owner,
            per_group=per_group,
            metrics=self.metrics,
        )

    def add(
        self, *job_ids: int, owner: int = 1, wait: float = 0, group: int | None = None
    ) -> None:
        """Enqueue jobs of an owner, to run in `wait` seconds."""
        for job_id in job_ids:
            not_before = self.clock.now() + timedelta(seconds=wait)
            self.queue.enqueue(job_id, owner, not_before, group_id=group)


@asynccontextmanager
async def open_hall(
    *, at_once: int = 1, per_owner: int = 1, per_group: int | None = None
) -> AsyncIterator[QueueFixture]:
    """Run a queue; stop everything at the end."""
    hall = QueueFixture(at_once=at_once, per_owner=per_owner, per_group=per_group)
    task = asyncio.create_task(hall.queue.run())
    try:
        yield hall
    finally:
        task.cancel()
        await hall.queue.stop()
        await asyncio.gather(task, return_exceptions=True)


async def settled() -> None:
    """Let everything happen that can happen without news, time or threads."""
    for _ in range(50):
        await asyncio.sleep(0)
