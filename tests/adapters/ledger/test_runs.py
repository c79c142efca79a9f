"""Runs and workers in the ledger, on a real server, with the real engine's tables."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from bot.adapters.engine import defer, make_tables, withdraw
from bot.adapters.ledger import leases, postgresql
from bot.adapters.ledger.database import Database, open_alone, open_as_worker
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.postgresql import change
from bot.adapters.ledger.runs import (
    HELD_FOR,
    SqlFrontJobs,
    SqlRuns,
    SqlSharedObjects,
    SqlWorker,
    SqlWorkerJobs,
    begin_alone,
    list_workers,
)
from bot.adapters.ledger.schema import VERSION
from bot.clock import SystemClock
from bot.core.errors import LedgerLocked, LedgerUnusable
from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import Job, JobState, ObjectState, Origin, Phase, Placement, Snapshot
from bot.core.ports.jobs import Claim, Finished, NewObject
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import CLOUD
from bot.jobs import remote
from bot.jobs.queue import RunningJob
from bot.jobs.reaper import Reaper
from bot.jobs.runner import Signals
from bot.transfer.pool import to_the_end
from tests.fakes.clock import WatchedClock
from tests.fakes.ledger import execute
from tests.fakes.postgres import Databases
from tests.fakes.store import FakeStore

pytestmark = pytest.mark.long

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
T = TypeVar("T")


class Time:
    """What a worker knows of the clock of OSS."""

    offset = timedelta(0)
    is_current = True
    clock_was_set = False


@dataclass
class Worker:
    """A worker of a test. `run` is the run that it takes next."""

    database: Database
    ledger: SqlWorker
    jobs: SqlWorkerJobs
    time: Time
    run: int = 0


class Cluster:
    """A front and workers on one ledger; each has its connections and its lease."""

    def __init__(self, place: LedgerServer, stack: AsyncExitStack) -> None:
        self.place = place
        self.now = NOW
        self.oss_now = NOW
        self._stack = stack
        self._messages = 0

    async def open(self) -> "Cluster":
        """Open the front."""
        self.front = await self._stack.enter_async_context(open_alone(self.place))
        await asyncio.to_thread(change, self.place, make_tables)
        self.runs = SqlRuns(self.front, defer, withdraw, lambda: self.now)
        self.ledger = SqlLedger(self.front, jobs=SqlFrontJobs(self.front))
        return self

    async def worker(self, name: str, places: int = 2) -> Worker:
        """Open a worker."""
        opening = open_as_worker(self.place, name, waits=lambda _: None)
        database = await self._stack.enter_async_context(opening)
        time, lease = Time(), database.lease
        assert lease is not None
        ledger = SqlWorker(database, lease, time, lambda: self.oss_now, version="1")
        made = Worker(database, ledger, None, time)  # type: ignore[arg-type] # Set below.
        made.jobs = SqlWorkerJobs(
            database, lease, lambda _: made.run, ledger.tell_time, boot_id="b"
        )
        await ledger.register(places)
        return made

    async def accept(self) -> Job:
        """Accept a job."""
        self._messages += 1
        origin = Origin(1, 700, self._messages, 700)
        file = IncomingFile(
            f"id{self._messages}", f"u{self._messages}", FileKind.DOCUMENT, "a.bin", None, 5
        )
        job = await self.ledger.jobs.accept(origin, file, self.now)
        assert job is not None
        return job

    async def handed_over(self) -> Job:
        """Accept a job and hand it over."""
        job = await self.accept()
        await self.runs.hand_over(job.id, CLOUD, self.now)
        return job

    async def claimed(self, worker: Worker, job: Job, **more: Any) -> Claim:
        """Let a worker take the run of a job."""
        claim = await self.claim(worker, job, **more)
        assert claim is not None
        return claim

    async def claim(self, worker: Worker, job: Job, now: datetime | None = None) -> Claim | None:
        """Let a worker try to take the run of a job."""
        worker.run = (await self.runs.look([])).runs[job.id].id
        return await worker.jobs.claim(job.id, now or self.now, self.plan)

    def plan(self, job: Job) -> NewObject:
        """Plan an object."""
        return NewObject(f"key/{job.id}/{job.attempt}", self.now + timedelta(hours=1), Placement())

    def lose(self, name: str) -> None:
        """End the lease of a worker, as if it had stood still."""
        lease = f"name = 'worker-{name}'"
        execute(self.place, f"UPDATE leases SET expires_at = 0 WHERE {lease}")  # noqa: S608

    async def take_back(self) -> list[Job]:
        """Judge."""
        return list(await self.runs.take_back(self.now, [], judges=True))

    def deferred(self) -> list[Any]:
        """The jobs of the engine."""
        return execute(self.place, "SELECT args FROM procrastinate_jobs ORDER BY id")


@pytest.fixture
async def cluster(databases: Databases) -> AsyncIterator[Cluster]:
    """A front on a ledger of its own."""
    place = databases.make()
    async with AsyncExitStack() as stack:
        yield await Cluster(place, stack).open()
    databases.drop(place)


RESULT = Finished(5, "ab" * 32, NOW + timedelta(hours=24), NOW)


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


async def test_taken_by_one_worker(cluster: Cluster) -> None:
    """The first takes it, for one attempt; the others are refused, also for a run of before."""
    first, second = await cluster.worker("first"), await cluster.worker("second")
    job = await cluster.handed_over()
    claim = await cluster.claimed(first, job)
    refused = await cluster.claim(second, job)
    found = await second.ledger.find(first.run)
    look = await cluster.runs.look([job.id])

    assert (claim.job.attempt, refused, found) == (1, None, None)
    assert look.runs[job.id].worker == "first"
    assert [(worker.name, worker.running) for worker in look.workers] == [
        ("first", 1),
        ("second", 0),
    ]


async def test_taken_by_a_worker_with_a_slow_clock(cluster: Cluster) -> None:
    """The front decides when it is due, by its own clock."""
    worker = await cluster.worker("slow")
    claim = await cluster.claimed(worker, await cluster.handed_over(), now=NOW - timedelta(days=1))

    assert claim.job.state is JobState.RUNNING


async def test_retried_by_the_clock_of_the_front(cluster: Cluster) -> None:
    """A worker with another clock does not shorten the wait before the next attempt."""
    one, waits = await cluster.worker("one"), []
    for ahead in (timedelta(hours=1), -timedelta(hours=1), timedelta(seconds=1)):
        job, its_now = await cluster.handed_over(), cluster.now + ahead
        claim = await cluster.claimed(one, job, now=its_now)
        await one.jobs.retry_later(claim.job, its_now + timedelta(seconds=40), "test")
        waits.append((await cluster.runs.look([job.id])).others[job.id].run_at - cluster.now)

    assert waits == [timedelta(seconds=40), timedelta(seconds=40), timedelta(seconds=41)]


async def test_ends_with_its_attempt(cluster: Cluster) -> None:
    """The outcome and the end of the run are one transaction, for every outcome."""
    worker = await cluster.worker("first")
    states = []
    for number in range(5):
        job = await cluster.handed_over()
        claim = await cluster.claimed(worker, job)
        assert claim.prepared is not None
        assert claim.prepared.planned is not None
        later = NOW + timedelta(minutes=1)
        match number:
            case 0:
                await worker.jobs.finish(claim.job, claim.prepared.planned, RESULT, NOW)
            case 1:
                await worker.jobs.fail(claim.job, "source_gone", {}, NOW)
            case 2:
                await worker.jobs.cancel(claim.job, NOW)
            case 3:
                await worker.jobs.retry_later(claim.job, later, "source_unavailable")
            case _:
                await worker.jobs.give_back(claim.job)
        look = await cluster.runs.look([job.id])
        assert look.runs == {}
        states.append((look.others[job.id].state.value, look.others[job.id].run_at))

    assert states == [
        ("done", NOW),
        ("failed", NOW),
        ("cancelled", NOW),
        ("queued", NOW + timedelta(minutes=1)),
        ("queued", NOW),
    ]


async def test_progress(cluster: Cluster) -> None:
    """The front sees what a worker tells, and of no other than its own runs."""
    first, second = await cluster.worker("first"), await cluster.worker("second")
    job = await cluster.handed_over()
    await cluster.claimed(first, job)
    moved = Snapshot(3, 2, 5, Phase.MOVING, 1)
    await first.ledger.tell({job.id: moved})
    await second.ledger.tell({job.id: Snapshot(0, 0, None, Phase.ROOM)})
    look = await cluster.runs.look([])

    assert look.runs[job.id].snapshot == moved


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


async def test_run_that_its_worker_does_not_have(  # noqa: PLR0915 -- one story.
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes back, and costs no failure; one that runs there stays."""
    monkeypatch.setattr(remote, "COMPARED_EVERY", 0.05)
    here: list[int] = []
    one = await cluster.worker("one")
    strange, runs_here = await cluster.handed_over(), await cluster.handed_over()
    await cluster.claimed(one, strange)
    begun, worker = asyncio.Event(), remote.RunWorker(one.ledger, SystemClock())

    async def run(running: RunningJob) -> None:
        await cluster.claimed(one, runs_here)
        here.append(running.job_id)
        begun.set()
        await asyncio.Event().wait()

    worker.run = run
    run_id = (await cluster.runs.look([])).runs[runs_here.id].id
    handling = asyncio.create_task(worker.handle(run_id))
    await begun.wait()
    comparing = asyncio.create_task(worker.compare())
    async with asyncio.timeout(10):
        while strange.id in (look := await cluster.runs.look([strange.id])).runs:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    handling.cancel()
    comparing.cancel()
    await asyncio.wait({handling, comparing})

    back = (await cluster.runs.look([strange.id])).others[strange.id]
    assert (back.state, back.attempt, back.failures) == (JobState.QUEUED, 1, 0)
    assert list(look.runs) == here == [runs_here.id]


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


async def test_time_of_oss(cluster: Cluster) -> None:
    """The front learns it from a worker, even if the clocks of both machines are wrong."""
    worker = await cluster.worker("first")
    told = []
    for front_ahead, oss_ahead in ((0, 0), (3600, 0), (3600, 90)):
        now = datetime.now(UTC)
        cluster.now = now + timedelta(seconds=front_ahead)
        cluster.oss_now = now + timedelta(seconds=oss_ahead)
        worker.time.offset = timedelta(seconds=front_ahead * 2 + oss_ahead)
        await worker.ledger.tell_time()
        look = await cluster.runs.look([])
        assert look.oss_offset is not None
        told.append(look.oss_offset.total_seconds())

    # Some time passes between the clocks of the test and that of the server.
    assert told == pytest.approx([0, -3600, -3510], abs=20)


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


async def test_others(cluster: Cluster) -> None:
    """Another worker counts if it takes jobs of the same place, and is alive."""
    first, second = await cluster.worker("first"), await cluster.worker("second")
    found = [await first.ledger.has_others()]
    await second.ledger.register(0, "store_key_refused")
    found += [await first.ledger.has_others(), await second.ledger.has_others()]
    cluster.lose("first")
    found.append(await second.ledger.has_others())
    look = await cluster.runs.look([])

    assert found == [True, False, True, False]
    assert [(one.name, one.places, one.obstacle) for one in look.workers] == [
        ("second", 0, "store_key_refused")
    ]


async def test_listed(cluster: Cluster) -> None:
    """Those that run are listed, with what they say of themselves."""
    await cluster.worker("first", places=3)
    second = await cluster.worker("second")
    await second.ledger.register(0)
    found = await cluster.front.read(list_workers)

    assert [(one.name, one.places, one.version) for one in found] == [
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
