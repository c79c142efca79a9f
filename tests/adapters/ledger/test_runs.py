"""Runs and workers in the ledger as the front has them, and deletions that processes share, on a
real server, with the tables of the real engine.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypeVar

import pytest

from bot.adapters.ledger import leases, postgresql
from bot.adapters.ledger.database import open_as_worker
from bot.adapters.ledger.runs import (
    HELD_FOR,
    SqlSharedObjects,
    begin_alone,
    list_workers,
)
from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerLocked, LedgerUnusable
from bot.core.jobs import JobState, ObjectState, Phase, Snapshot
from bot.core.ports.runs import CLOUD
from bot.jobs.reaper import Reaper
from bot.jobs.runner import Signals
from bot.transfer.pool import to_the_end
from tests.adapters.ledger.runs_fixture import NOW, Cluster, Worker
from tests.fakes.clock import WatchedClock
from tests.fakes.ledger import execute
from tests.fakes.postgres import Databases
from tests.fakes.store import FakeStore

pytestmark = pytest.mark.long

T = TypeVar("T")


async def test_handed_over(cluster: Cluster) -> None:
    """A run and the job of the engine are made together, once, and only for what is queued."""
    job, other = await cluster.handed_over(), await cluster.accept()
    await cluster.runs.hand_over(job.id, CLOUD, NOW)
    await cluster.ledger.jobs.cancel_waiting(other.id, NOW)
    await cluster.runs.hand_over(other.id, CLOUD, NOW)
    look = await cluster.runs.look([job.id, other.id])

    assert [run.worker for run in look.runs.values()] == [""]
    assert cluster.deferred() == [({"run": look.runs[job.id].id},)]
    assert [one.state for one in look.others.values()] == [JobState.CANCELLED]


async def test_cancel(cluster: Cluster) -> None:
    """What no worker has is gone at once; what one has is asked for, and the worker sees it."""
    worker = await cluster.worker("first")
    waiting, running = await cluster.handed_over(), await cluster.handed_over()
    await cluster.claimed(worker, running)
    # As the engine has what a worker fetched.
    fetched = f"status = 'doing' WHERE args = '{{\"run\": {worker.run}}}'"
    execute(cluster.place, f"UPDATE procrastinate_jobs SET {fetched}")  # noqa: S608
    had = [await cluster.runs.cancel(job.id) for job in (waiting, running)]
    asked = await worker.ledger.cancelled([waiting.id, running.id])
    aborting = execute(cluster.place, "SELECT abort_requested FROM procrastinate_jobs")

    assert had == [False, True]
    assert set(asked) == {running.id}
    assert set((await cluster.runs.look([])).runs) == {running.id}
    assert aborting == [(True,)]


async def test_worker_that_lost_its_lease(cluster: Cluster) -> None:
    """Its jobs are another's at once, and it writes nothing any more, with its old fence, though
    no other worker has its name.
    """
    first, second = await cluster.worker("first"), await cluster.worker("second")
    job = await cluster.handed_over()
    before = await cluster.claimed(first, job)
    cluster.lose("first")
    ended = await cluster.take_back()
    await cluster.runs.hand_over(job.id, CLOUD, cluster.now)
    after = await cluster.claimed(second, job)
    with pytest.raises((LedgerLocked, LedgerUnusable)):
        await first.jobs.give_back(before.job)
    with pytest.raises((LedgerLocked, LedgerUnusable)):
        await first.ledger.tell({job.id: Snapshot(1, 1, 5, Phase.MOVING)})
    await asyncio.wait_for(first.database.lost.wait(), 10)
    look = await cluster.runs.look([job.id])

    assert ended == []
    assert after.job.attempt == before.job.attempt + 1
    assert look.runs[job.id].worker == "second"
    assert [worker.name for worker in look.workers] == ["second"]


async def test_live_worker_keeps_its_jobs(cluster: Cluster) -> None:
    """Nothing is taken from a worker that holds its lease."""
    worker = await cluster.worker("first")
    job = await cluster.handed_over()
    claim = await cluster.claimed(worker, job)
    await cluster.take_back()

    assert (await cluster.runs.look([])).lost == 0
    assert await worker.jobs.give_back(claim.job)


async def test_file_that_kills_workers(cluster: Cluster) -> None:
    """It is tried again later and later, and ends for good."""
    waits, ended = [], []
    job = await cluster.accept()
    for crash in range(10):
        worker = await cluster.worker(f"w{crash}")
        await cluster.runs.hand_over(job.id, CLOUD, cluster.now)
        await cluster.claimed(worker, job)
        cluster.lose(f"w{crash}")
        ended = await cluster.take_back()
        found = await cluster.ledger.jobs.get(job.id)
        assert found is not None
        if ended:
            break
        waits.append((found.run_at - cluster.now).total_seconds())
        cluster.now = found.run_at

    assert waits == [0, 5]
    assert [(one.state, one.error_code) for one in ended] == [(JobState.FAILED, "crashed")]


async def test_cancelled_and_its_worker_died(cluster: Cluster) -> None:
    """It ends as cancelled, and does not run again."""
    worker = await cluster.worker("first")
    job = await cluster.handed_over()
    await cluster.claimed(worker, job)
    await cluster.ledger.jobs.request_cancel(job.id)
    assert (await cluster.runs.look([])).runs[job.id].cancel_requested
    cluster.lose("first")
    ended = await cluster.take_back()

    assert [one.state for one in ended] == [JobState.CANCELLED]


async def test_lost_by_the_engine(cluster: Cluster) -> None:
    """What no worker took, and the engine does not know, is removed; what one took is not."""
    worker = await cluster.worker("first")
    untaken, taken = await cluster.handed_over(), await cluster.handed_over()
    await cluster.claimed(worker, taken)
    early = await cluster.runs.look([])
    execute(cluster.place, "UPDATE runs SET made_at = made_at - 60000000")
    late = await cluster.runs.look([])
    await cluster.runs.take_back(NOW, [run.id for run in late.runs.values()], judges=False)
    left = await cluster.runs.look([untaken.id])

    assert early.untaken == {}
    assert set(late.untaken) == {late.runs[untaken.id].id}
    assert set(left.runs) == {taken.id}
    assert left.others[untaken.id].state is JobState.QUEUED


async def test_one_process_for_all_beside_workers(cluster: Cluster) -> None:
    """A bot that does everything does not begin while workers run jobs, and then has them."""
    worker = await cluster.worker("first")
    job = await cluster.handed_over()
    claim = await cluster.claimed(worker, job)
    with pytest.raises(LedgerLocked, match="first runs jobs"):
        await cluster.front.write(begin_alone)
    cluster.lose("first")
    await cluster.front.write(begin_alone)
    look = await cluster.runs.look([job.id])

    assert look.runs == {}
    assert look.others[job.id] == claim.job


async def test_recovery_leaves_runs_alone(cluster: Cluster) -> None:
    """A front that begins takes back what a process ran itself, and nothing of workers."""
    worker = await cluster.worker("first")
    job, mine = await cluster.handed_over(), await cluster.accept()
    await cluster.claimed(worker, job)
    assert await cluster.ledger.jobs.claim(mine.id, NOW) is not None
    found = await cluster.ledger.jobs.recover(NOW)

    assert [(one.id, one.state.value) for one in found.unfinished] == [
        (job.id, "running"),
        (mine.id, "queued"),
    ]


async def test_two_workers_of_one_name(cluster: Cluster) -> None:
    """The second waits, and says for what, until the first is gone."""
    said: asyncio.Queue[str] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        opening = open_as_worker(cluster.place, "same", waits=lambda _: None)
        await stack.enter_async_context(opening)
        second = open_as_worker(cluster.place, "same", waits=said.put_nowait)
        waiting = asyncio.create_task(second.__aenter__())
        why = await asyncio.wait_for(said.get(), 10)
        await stack.aclose()
        await asyncio.wait_for(waiting, 10)
        await second.__aexit__(None, None, None)

    assert "another worker same runs" in why


async def test_worker_of_another_version(databases: Databases) -> None:
    """It waits while the ledger is of another version, and says so."""
    place = databases.make()
    said: asyncio.Queue[str] = asyncio.Queue()
    execute(place, "UPDATE alembic_version SET version_num = '9999'")
    opening = open_as_worker(place, "new", waits=said.put_nowait)
    waiting = asyncio.create_task(opening.__aenter__())
    newer = await asyncio.wait_for(said.get(), 10)
    execute(place, "UPDATE alembic_version SET version_num = '0006'")
    async with asyncio.timeout(10):
        while "has version 0006" not in (older := await said.get()):
            pass
    execute(place, f"UPDATE alembic_version SET version_num = '{VERSION}'")  # noqa: S608
    await asyncio.wait_for(waiting, 10)
    await opening.__aexit__(None, None, None)
    databases.drop(place)

    assert "newer version" in newer
    assert "a front migrates it" in older


async def test_migration_beside_workers(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front changes no tables that workers of another version use; it waits for their end."""
    await cluster.worker("old")
    monkeypatch.setattr(postgresql, "VERSION", "9998")
    with pytest.raises(LedgerLocked, match="workers of another version"):
        await asyncio.to_thread(postgresql.migrate, cluster.place, alone=True)


async def test_listed(cluster: Cluster) -> None:
    """Those that run are listed, with what they say of themselves."""
    await cluster.worker("first", slots=3)
    second = await cluster.worker("second")
    await second.ledger.register(0)
    found = await cluster.front.read(list_workers)

    assert [(one.name, one.slots, one.version) for one in found] == [
        ("first", 3, "1"),
        ("second", 0, "1"),
    ]
    assert all(leases.this_process() == one.host for one in found)


async def leave(cluster: Cluster, worker: Worker, count: int) -> None:
    """Leave objects behind that are due."""
    for _ in range(count):
        job = await cluster.handed_over()
        claim = await cluster.claimed(worker, job)
        await worker.jobs.fail(claim.job, "source_gone", {}, NOW)


async def test_what_is_due_goes_to_one_process(cluster: Cluster) -> None:
    """Two that look at once have different objects; those of one that died are another's later."""
    worker = await cluster.worker("first")
    await leave(cluster, worker, 6)
    ours, theirs = SqlSharedObjects(cluster.front), SqlSharedObjects(worker.database)
    both = await asyncio.gather(
        *(one.take_due(NOW, ObjectState.PLANNED, 3) for one in (ours, theirs))
    )
    now_none = await ours.take_due(NOW, ObjectState.PLANNED, 10)
    later = await ours.take_due(NOW + HELD_FOR, ObjectState.PLANNED, 10)

    assert len({stored.id for some in both for stored in some}) == 6
    assert now_none == []
    assert len(later) == 6


async def test_what_is_given_back(cluster: Cluster) -> None:
    """Only what was taken and is still held: nothing that was removed, waits for its second
    removal, was postponed, or was taken by another since.
    """
    worker = await cluster.worker("first")
    await leave(cluster, worker, 6)
    ours, others = SqlSharedObjects(cluster.front), SqlSharedObjects(worker.database)
    gone, swept, postponed, *left = await ours.take_due(NOW, ObjectState.PLANNED, 4)
    await others.take_due(NOW, ObjectState.PLANNED, 1)
    later = NOW + timedelta(minutes=1)
    await ours.gone([gone.id], NOW)
    await ours.swept([swept.id], later)
    await ours.postpone([postponed.id], later, "store_unavailable")
    unheld = await others.take_due(NOW, ObjectState.PLANNED, 10)
    await ours.release()
    free = await others.take_due(NOW, ObjectState.PLANNED, 10)
    await ours.release()
    none = await ours.take_due(NOW, ObjectState.PLANNED, 10)

    assert len(unheld) == 1
    assert [one.id for one in free] == [one.id for one in left]
    assert none == []


async def test_given_back_too_late(cluster: Cluster) -> None:
    """What another has taken meanwhile, because it was held for too long, stays with it."""
    worker = await cluster.worker("first")
    await leave(cluster, worker, 1)
    slow, quick = SqlSharedObjects(cluster.front), SqlSharedObjects(worker.database)
    assert await slow.take_due(NOW, ObjectState.PLANNED, 1)
    assert await quick.take_due(NOW + HELD_FOR, ObjectState.PLANNED, 1)
    await slow.release()

    assert await slow.take_due(NOW + HELD_FOR, ObjectState.PLANNED, 1) == []


class HangingThreads:
    """Fulfils `Threads`: a call cannot be interrupted, and ends when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def call(self, work: Callable[[], T]) -> T:
        """Begin a call; return once it is let go, also when cancelled meanwhile."""
        self.begun.set()
        await to_the_end(self._until_let_go())
        return work()

    async def _until_let_go(self) -> None:
        await self.let_go.wait()


async def test_stop_in_the_middle_of_a_deletion(cluster: Cluster) -> None:
    """What a process has taken and not removed is free as soon as it has stopped, and not before
    the call that was under way has ended.
    """
    worker = await cluster.worker("first")
    await leave(cluster, worker, 3)
    ours, others = SqlSharedObjects(worker.database), SqlSharedObjects(cluster.front)
    threads, clock = HangingThreads(), WatchedClock(NOW)
    reaper = Reaper(ours, FakeStore(), threads, clock, Signals())
    running = asyncio.create_task(reaper.run(None))
    await threads.begun.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=0.2)
    meanwhile = await others.take_due(NOW, ObjectState.PLANNED, 10)
    has_ended = running.done()
    threads.let_go.set()
    await asyncio.wait({running})
    after = await others.take_due(NOW, ObjectState.PLANNED, 10)

    assert not has_ended
    assert running.cancelled()
    assert meanwhile == []
    assert len(after) == 3


async def test_stop_without_the_server(cluster: Cluster) -> None:
    """It is not waited for: what is held is free by itself after a while."""
    worker = await cluster.worker("first")
    await leave(cluster, worker, 1)
    ours = SqlSharedObjects(worker.database)
    threads = HangingThreads()
    reaper = Reaper(ours, FakeStore(), threads, WatchedClock(NOW), Signals())
    running = asyncio.create_task(reaper.run(None))
    await threads.begun.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=0.2)
    await worker.database.close()
    threads.let_go.set()
    await asyncio.wait({running})

    assert running.cancelled()
