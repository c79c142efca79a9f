"""Jobs wait a short time for the messages that arrive with them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from bot.jobs import queue
from bot.jobs.queue import JobQueue, RunningJob
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW


class Shop:
    """A queue that runs, and remembers which jobs have started; each ends when it is told."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.gates = {job_id: asyncio.Event() for job_id in range(10)}
        self.queue = JobQueue(self._work, SandboxClock(NOW, running=False), at_once=2, per_owner=2)

    async def _work(self, running: RunningJob) -> datetime | None:
        self.started.append(running.job_id)
        await self.gates[running.job_id].wait()
        return None

    def add(self, *job_ids: int) -> None:
        """Enqueue jobs of one owner."""
        for job_id in job_ids:
            self.queue.enqueue(job_id, 1, NOW)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Run a queue."""
    shop = Shop()
    task = asyncio.create_task(shop.queue.run())
    yield shop
    task.cancel()
    for gate in shop.gates.values():
        gate.set()
    await asyncio.wait([task])


async def settled() -> None:
    """Let everything happen that needs no time."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_nothing_starts_while_held(shop: Shop) -> None:
    """What is enqueued meanwhile starts at the end of the block, in its order."""
    with shop.queue.hold():
        shop.add(1, 2, 3)
        await settled()
        before = list(shop.started)
    await settled()

    assert before == []
    assert shop.started == [1, 2]


async def test_running_jobs_are_not_held_up(shop: Shop) -> None:
    """A job that runs goes on and may end; its place is given away afterwards."""
    shop.add(1, 2, 3)
    await settled()
    with shop.queue.hold():
        shop.gates[1].set()
        await settled()
        during = shop.queue.counts
    await settled()

    assert during == (1, 1)
    assert shop.started == [1, 2, 3]


async def test_hold_does_not_last(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that cannot be taken in for a long time do not keep jobs from starting."""
    monkeypatch.setattr(queue, "LONGEST_HOLD", 0.0)
    with shop.queue.hold():
        shop.add(1)
        await settled()
        during = list(shop.started)

    assert during == [1]
