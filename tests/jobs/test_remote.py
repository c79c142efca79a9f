"""What a front does for jobs that run on workers, with runs in memory."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from bot.adapters.ledger.database import Database
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


def front(runs: FakeRuns, shop: RunnerFixture) -> tuple[RemoteRunner, JobQueue]:
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
    return remote, JobQueue(remote.run, shop.clock, at_once=1, per_owner=1)


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
