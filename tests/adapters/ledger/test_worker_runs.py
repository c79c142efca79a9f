"""Runs in the ledger as workers have them, on a real server, with the real engine's tables."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import SystemClock
from bot.core.jobs import JobState, Phase, Snapshot
from bot.jobs import remote
from bot.jobs.queue import RunningJob
from tests.adapters.ledger.runs_fixture import NOW, RESULT, Cluster

pytestmark = pytest.mark.long


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
    assert [(one.name, one.slots, one.obstacle) for one in look.workers] == [
        ("second", 0, "store_key_refused")
    ]
