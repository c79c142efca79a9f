"""How jobs end: counted once, logged in one line, signalled, with their objects."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlCliJobs
from bot.adapters.ledger.recovery import MOST_CRASHES_ALONE
from bot.core.errors import DiskFull, StoreForbidden
from bot.core.jobs import Ending, Job, JobState, StopReason, shell_file, shell_origin
from bot.inbound.actions import JobActions
from bot.jobs.queue import JobQueue
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import NOW, a_result, acquire, at, cancel, plan
from tests.jobs.runner_fixture import RunnerFixture


@pytest.fixture
def metrics() -> FakeMetrics:
    """Nothing has been counted."""
    return FakeMetrics()


@pytest.fixture
def shop(database: Database, metrics: FakeMetrics) -> RunnerFixture:
    """A relay whose attempts are counted."""
    return RunnerFixture(database, metrics=metrics)


def ends(lines: Sequence[Mapping[str, object]]) -> list[tuple[object, object, object]]:
    """Return job, state and code of each line that tells the end of a job."""
    return [
        (line["job"], line["state"], line["code"])
        for line in lines
        if line["event"] == "job ended"
    ]


async def crash(shop: RunnerFixture, job: Job, times: int) -> None:
    """Let the process die so often while the job runs; the last start is left to the test."""
    for _ in range(times - 1):
        await acquire(shop.ledger, job)
        await shop.lifecycle.recover()
    await acquire(shop.ledger, job)


async def test_cancel_of_three_files_ends_three_jobs(
    shop: RunnerFixture, metrics: FakeMetrics
) -> None:
    """One runs and two wait: all are counted and logged, each once."""
    queue = JobQueue(shop.attempts.run, shop.clock, at_once=1, per_owner=1)
    actions = JobActions(shop.ledger, queue, shop.clock, shop.lifecycle)
    shop.uploads.may_end.clear()
    jobs = [await shop.accept() for _ in range(3)]
    for job in jobs:
        queue.enqueue(job.id, job.origin.owner_id, NOW)
    loop = asyncio.create_task(queue.run())
    await shop.uploads.began.wait()
    with capture_logs() as lines:
        for job in reversed(jobs):
            assert await actions.cancel(job) == "cancelling"
        while queue.counts != (0, 0):
            shop.signals.outbox.clear()
            await asyncio.wait_for(shop.signals.outbox.wait(), 10)
            await asyncio.sleep(0)
    loop.cancel()

    assert metrics.ended == [("cancelled", "")] * 3
    assert sorted(ends(lines)) == [(job.id, "cancelled", "") for job in jobs]


async def test_job_that_crashed_too_often_is_counted(
    shop: RunnerFixture, metrics: FakeMetrics
) -> None:
    """A start parks it with a code, as any failure: counted, one line, an answer to be sent."""
    job = await shop.accept()
    await crash(shop, job, MOST_CRASHES_ALONE)
    stored = await plan(shop.ledger, job)
    before = list(metrics.ended)
    with capture_logs() as lines:
        unfinished = await shop.lifecycle.recover()
    [due] = await shop.ledger.objects.due(NOW, 10)

    assert (before, unfinished) == ([], [])
    assert metrics.ended == [("failed", "crashed")]
    assert ends(lines) == [(job.id, "failed", "crashed")]
    assert (due.id, due.ending) == (stored.id, Ending.UNDONE)
    assert shop.signals.outbox.is_set()
    assert shop.signals.deletions.is_set()


async def test_cancel_before_a_crash_is_counted_by_the_next_start(
    shop: RunnerFixture, metrics: FakeMetrics
) -> None:
    """The user asked, the process died, the start carries it out; the others go on."""
    cancelled, other = await shop.accept(), await shop.accept()
    waiting = await acquire(shop.ledger, cancelled)
    await shop.jobs.retry_later(waiting, at(5), "disk_full")
    await shop.jobs.request_cancel(cancelled.id)
    with capture_logs() as lines:
        unfinished = await shop.lifecycle.recover()

    assert unfinished == [other]
    assert metrics.ended == [("cancelled", "")]
    assert ends(lines) == [(cancelled.id, "cancelled", "")]


async def test_job_of_a_killed_command_is_counted(
    shop: RunnerFixture, database: Database, metrics: FakeMetrics
) -> None:
    """The next command, or the next start of a bot, ends it."""
    file = shell_file("a.bin", mime_type=None, size=5)
    job = await SqlCliJobs(database).accept(shell_origin(42), file, NOW)
    await acquire(shop.ledger, job)
    with capture_logs() as lines:
        await shop.lifecycle.end_left_by_shells()
        await shop.lifecycle.end_left_by_shells()

    assert metrics.ended == [("cancelled", "")]
    assert ends(lines) == [(job.id, "cancelled", "")]


async def test_end_that_comes_second_is_not_counted(
    shop: RunnerFixture, metrics: FakeMetrics
) -> None:
    """A job has one end, whichever comes first; an error that comes later is still logged."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await cancel(shop.ledger, job)
    error = StoreForbidden("AccessDenied")
    with capture_logs() as lines:
        applied = [
            await shop.lifecycle.done(job, stored, a_result()),
            await shop.lifecycle.failed(job, error, cause=error),
            await shop.lifecycle.cancelled(job),
            await shop.lifecycle.cancel_waiting(job.id),
        ]

    assert applied == [False] * 4
    assert metrics.ended == []
    assert ends(lines) == []
    assert [line["exc_info"] for line in lines] == [error]


@pytest.mark.parametrize(("seconds", "is_woken"), [(59, True), (61, False)])
async def test_a_link_that_ends_soon_wakes_the_reaper(
    shop: RunnerFixture, *, seconds: float, is_woken: bool
) -> None:
    """The end of a later one is found by the regular look at the ledger."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await shop.lifecycle.done(job, stored, replace(a_result(), expires_at=at(seconds)))

    assert shop.signals.deletions.is_set() is is_woken


async def test_cancel_that_meets_the_finish_is_no_cancel(
    shop: RunnerFixture, metrics: FakeMetrics
) -> None:
    """The ledger has the link already when the cancel comes: the job is done, and only that."""
    job = await shop.accept()
    shop.jobs.reached.clear()
    attempt = shop.begin(job)
    shop.jobs.hold_finish = True
    await shop.jobs.finished.wait()
    attempt.stop(StopReason.USER)
    await asyncio.sleep(0)
    shop.jobs.may_return.set()
    await attempt.task

    assert (await shop.read(job)).state is JobState.DONE
    assert metrics.ended == [("done", "")]


async def test_failed_job_is_told_with_its_code(shop: RunnerFixture) -> None:
    """The line says how long it took since the file was accepted."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.clock.advance(at(2.5) - at(0))
    error = DiskFull("no room")
    with capture_logs() as lines:
        assert await shop.lifecycle.failed(job, error, cause=error)

    assert lines == [
        {
            "event": "job ended",
            "log_level": "error",
            "job": job.id,
            "state": "failed",
            "code": "disk_full",
            "bytes": 0,
            "seconds": 2.5,
            "attempt": 1,
            "exc_info": error,
        }
    ]
