"""Cancelling jobs and deleting links, also while they change."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlJobs, SqlLedger
from bot.core.jobs import Ending, Job, JobState, StopReason
from bot.inbound.actions import JobAction, JobActions
from bot.jobs.runner import JobLifecycle, Signals
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW, accept, acquire, at, finish, get, make_file, make_origin, plan
from tests.inbound.inbound_fixture import QueueOfStops


class RacingJobs(SqlJobs):
    """Jobs to which something happens right after a cancel was requested."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def request_cancel(self, job_id: int) -> None:
        """Store the request, then let it happen."""
        await super().request_cancel(job_id)
        if self.meanwhile is not None:
            await self.meanwhile()


class Desktop:
    """Job actions with a queue that starts nothing by itself."""

    def __init__(self, database: Database) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.jobs = RacingJobs(database)
        self.ledger.jobs = self.jobs
        self.queue = QueueOfStops(self.clock)
        self.signals = Signals()
        self.lifecycle = JobLifecycle(self.ledger.jobs, self.clock, self.signals)
        self.actions = JobActions(self.ledger, self.queue, self.clock, self.lifecycle)

    async def waiting(self) -> Job:
        """Accept a file; its job waits for its turn."""
        job = await accept(self.ledger)
        self.queue.enqueue(job.id, job.origin.owner_id, NOW)
        return job

    async def comes_back(self, running: Job) -> None:
        """Let the attempt of a running job fail; it waits for the next."""
        assert await self.jobs.retry_later(running, at(5), "store_unavailable")
        self.queue.enqueue(running.id, running.origin.owner_id, at(5))


@pytest.fixture
def desk(database: Database) -> Desktop:
    """Return job actions without jobs."""
    return Desktop(database)


async def test_waiting_job_is_cancelled_at_once(desk: Desktop) -> None:
    """It leaves the queue, ends in the ledger, and is to be answered."""
    job = await desk.waiting()

    assert await desk.actions.cancel(job) == "cancelling"
    assert (await get(desk.ledger, job)).state is JobState.CANCELLED
    assert desk.queue.counts == (0, 0)
    assert desk.signals.outbox.is_set()


async def test_upload_of_a_waiting_job_is_abandoned(desk: Desktop) -> None:
    """What an earlier attempt has uploaded is due at once."""
    job = await desk.waiting()
    await plan(desk.ledger, job)
    await desk.actions.cancel(job)

    assert [stored.ending for stored in await desk.ledger.objects.due(NOW, 10)] == [Ending.UNDONE]
    assert desk.signals.deletions.is_set()


async def test_running_job_is_stopped_by_its_user(desk: Desktop) -> None:
    """Its runner undoes everything; pressing again does no harm."""
    running = await acquire(desk.ledger, await desk.waiting())
    desk.queue.runs.add(running.id)
    names = [await desk.actions.cancel(running) for _ in range(2)]

    assert names == ["cancelling", "cancelling"]
    assert desk.queue.stopped == [(running.id, StopReason.USER)] * 2


async def test_request_is_in_the_ledger_before_the_job_is_stopped(desk: Desktop) -> None:
    """A crash in between does not forget it."""
    running = await acquire(desk.ledger, await desk.waiting())
    desk.queue.runs.add(running.id)
    await desk.actions.cancel(running)
    recovered = await desk.ledger.jobs.recover(at(60))

    assert recovered.unfinished == []
    assert (await get(desk.ledger, running)).state is JobState.CANCELLED


async def test_ended_job_cannot_be_cancelled(desk: Desktop) -> None:
    """The press came too late, and the link lives."""
    job, stored = await finish(desk.ledger, await accept(desk.ledger))

    assert await desk.actions.cancel(job) == "press-too-late"
    assert await get(desk.ledger, job) == job
    assert await desk.ledger.objects.of_jobs([job.id]) == {job.id: stored}


async def test_job_that_ends_meanwhile_cannot_be_cancelled(desk: Desktop) -> None:
    """It was running when it was looked at."""
    job = await desk.waiting()
    running = await acquire(desk.ledger, job)
    desk.jobs.meanwhile = lambda: desk.jobs.fail(running, "disk_full", {}, NOW)

    assert await desk.actions.cancel(running) == "press-too-late"
    assert (await get(desk.ledger, job)).state is JobState.FAILED


async def test_job_whose_attempt_fails_meanwhile_is_cancelled(desk: Desktop) -> None:
    """It ran when it was looked at and waits for its next attempt now: it must not be taken out
    of the queue and left waiting in the ledger.
    """
    running = await acquire(desk.ledger, await accept(desk.ledger))
    desk.jobs.meanwhile = lambda: desk.comes_back(running)

    assert await desk.actions.cancel(running) == "cancelling"
    assert (await get(desk.ledger, running)).state is JobState.CANCELLED
    assert desk.queue.counts == (0, 0)


async def test_job_that_ran_and_came_back_meanwhile_is_cancelled(desk: Desktop) -> None:
    """It waited when it was looked at, and waits again, one attempt later."""
    job = await accept(desk.ledger)

    async def run_and_come_back() -> None:
        await desk.comes_back(await acquire(desk.ledger, job))

    desk.jobs.meanwhile = run_and_come_back

    assert await desk.actions.cancel(job) == "cancelling"
    assert (await get(desk.ledger, job)).state is JobState.CANCELLED


async def test_link_is_deleted_once(desk: Desktop) -> None:
    """It is due at once; a second press comes too late."""
    job, _ = await finish(desk.ledger, await accept(desk.ledger))
    names = [await desk.actions.delete(job) for _ in range(2)]

    assert names == ["deleted", "press-too-late"]
    assert [stored.ending for stored in await desk.ledger.objects.due(NOW, 10)] == [Ending.DELETED]
    assert desk.signals.deletions.is_set()


@pytest.mark.parametrize("state", ["waiting", "cancelled"])
async def test_job_without_a_link_has_nothing_to_delete(desk: Desktop, state: str) -> None:
    """The press came too late: the job has no link."""
    job = await desk.waiting()
    if state == "cancelled":
        await desk.actions.cancel(job)

    assert await desk.actions.delete(job) == "press-too-late"


async def test_actions_of_buttons_do_what_they_say(desk: Desktop) -> None:
    """Cancel cancels, delete deletes."""
    waiting = await desk.waiting()
    done, _ = await finish(desk.ledger, await accept(desk.ledger))

    assert await desk.actions.apply(JobAction.CANCEL, waiting) == "cancelling"
    assert await desk.actions.apply(JobAction.DELETE, done) == "deleted"


async def album_of(desk: Desktop, album: str | None, count: int) -> list[Job]:
    """Accept files that came as one album."""
    jobs = []
    for _ in range(count):
        origin = replace(make_origin(), album=album)
        job = await desk.ledger.jobs.accept(origin, make_file(), NOW)
        assert job is not None
        jobs.append(job)
    return jobs


async def test_album_is_cancelled_as_far_as_it_is_left(desk: Desktop) -> None:
    """What has ended stays, other albums and single files go on; the job that is named may be one
    that has ended.
    """
    album, other = await album_of(desk, "a", 3), await album_of(desk, "b", 1)
    single = await desk.waiting()
    done, _ = await finish(desk.ledger, album[0])
    outcome = await desk.actions.apply(JobAction.CANCEL_ALL, done)
    left = [await get(desk.ledger, job) for job in [*album, *other, single]]
    queued, cancelled = JobState.QUEUED, JobState.CANCELLED

    assert outcome == "cancelling"
    assert [JobState.DONE, cancelled, cancelled, queued, queued] == [job.state for job in left]
    assert await desk.actions.apply(JobAction.CANCEL_ALL, done) == "press-too-late"


async def test_cancel_all_of_a_single_file_cancels_it_alone(desk: Desktop) -> None:
    """A job without an album is no album of all that have none."""
    first, second = await desk.waiting(), await desk.waiting()
    await desk.actions.apply(JobAction.CANCEL_ALL, first)

    assert (await get(desk.ledger, first)).state is JobState.CANCELLED
    assert (await get(desk.ledger, second)).state is JobState.QUEUED
