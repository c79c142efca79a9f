"""What a front does for jobs that run on workers, with runs in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from bot.adapters.ledger.database import Database
from bot.clock import end
from bot.core.jobs import Job
from bot.core.ports.runs import Engine
from bot.jobs.queue import JobQueue
from bot.jobs.remote import RemoteRunner
from tests.fakes.runs import FakeRuns, a_run
from tests.jobs.queue_fixture import settled
from tests.jobs.runner_fixture import RunnerFixture

LONG_AGO = time.monotonic() - 60


class SilentEngine(Engine):
    """An engine that says nothing."""

    async def known(self) -> Collection[int]:
        """It has all."""
        return range(1000)

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Wait for ever."""
        del heard
        await asyncio.Event().wait()

    async def work(
        self,
        slots: int,
        place: str,
        handle: Callable[[int], Awaitable[None]],
        aborted: Callable[[], None],
    ) -> None:
        """Bring nothing."""
        del slots, place, handle, aborted
        await asyncio.Event().wait()


async def _ready() -> None:
    """A key that needs no renewal."""


def front(
    runs: FakeRuns, shop: RunnerFixture, *, per_owner: int = 1
) -> tuple[RemoteRunner, JobQueue]:
    """Return a front that has stood by, and its queue."""
    remote = RemoteRunner(
        runs,
        SilentEngine(),
        shop.lifecycle,
        shop.clock,
        place="cloud",
        root="",
        sees_since=LONG_AGO,
        learn=lambda _: None,
        prepare_links=_ready,
    )
    return remote, JobQueue(remote.run, shop.clock, at_once=per_owner, per_owner=per_owner)


async def test_adopted_right_before_its_worker_is_judged(database: Database) -> None:
    """A front that takes over judges at once, maybe while an adopted job begins to be watched:
    that one goes on before those that have not begun, all the same.
    """
    shop = RunnerFixture(database)
    waits, begun = [await shop.accept() for _ in range(2)]
    runs = FakeRuns({job.id: job for job in (waits, begun)})
    remote, queue = front(runs, shop)
    runs.runs[begun.id] = a_run(begun, worker="dead")
    first = await remote.look(queue)
    remote.resume(queue, [waits, begun], first)
    runs.lost = 1
    runs.may_look.clear()
    judging = asyncio.create_task(remote.look(queue))
    await settled()
    runs.may_look.set()
    await judging
    await remote.look(queue)
    await settled()

    assert runs.runs == {}
    assert [queue.position(job.id) for job in (begun, waits)] == [1, 2]
    await queue.stop()


@asynccontextmanager
async def running(
    remote: RemoteRunner, queue: JobQueue, jobs: Sequence[Job]
) -> AsyncIterator[None]:
    """Let a front begin with these jobs, and hand over what fits, until the end of the block."""
    remote.resume(queue, jobs, await remote.look(queue))
    task = asyncio.create_task(queue.run())
    await settled()
    yield
    await end([task])
    await queue.stop()


async def test_those_that_crashed_again_run_one_at_a_time(database: Database) -> None:
    """They go on behind others: no file crashes with the same other one again and again."""
    shop = RunnerFixture(database)
    first, second, third, waits = jobs = [await shop.accept() for _ in range(4)]
    runs = FakeRuns({job.id: job for job in jobs}, slots=3)
    remote, queue = front(runs, shop, per_owner=3)
    async with running(remote, queue, jobs):
        begun = [*runs.runs]
        runs.jobs |= {job.id: replace(job, crashes=2) for job in (first, second, third)}
        runs.runs.clear()
        await remote.look(queue)
        await settled()

    assert begun == [first.id, second.id, third.id]
    assert [*runs.runs] == [waits.id, first.id]


async def test_front_that_begins_knows_those_that_crashed_again(database: Database) -> None:
    """Also one that a worker runs; once is no reason to wait."""
    shop = RunnerFixture(database)
    accepted = [await shop.accept() for _ in range(4)]
    jobs = [
        replace(job, attempt=2, crashes=crashes)
        for job, crashes in zip(accepted, (2, 2, 1, 1), strict=True)
    ]
    runs = FakeRuns({job.id: job for job in jobs}, slots=3)
    runs.runs = {jobs[1].id: a_run(jobs[1], worker="one")}
    remote, queue = front(runs, shop, per_owner=3)
    async with running(remote, queue, jobs):
        found = [*runs.runs]

    assert found == [jobs[1].id, jobs[2].id, jobs[3].id]
