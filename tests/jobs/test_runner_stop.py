"""Attempts that are stopped, by their user or by the end of the process, at any time."""

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import (
    StoreUnavailable,
)
from bot.core.jobs import JobState, StopReason
from bot.core.objects import Ending, ObjectState
from tests.fakes.samples import LIFETIME, NOW
from tests.fakes.steps import counted_steps
from tests.jobs.runner_fixture import RunnerFixture


@pytest.fixture
def shop(database: Database) -> RunnerFixture:
    """Return a relay with fakes around it."""
    return RunnerFixture(database)


async def test_cancel_by_the_user_undoes_everything(shop: RunnerFixture) -> None:
    """The job has ended, what was uploaded is due at once, and an answer too."""
    job = await shop.accept()
    shop.uploads.may_end.clear()
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    attempt.stop(StopReason.USER)
    again_at = await attempt.task
    [due] = await shop.ledger.objects.due(NOW, 10)

    assert again_at is None
    assert (await shop.read(job)).state is JobState.CANCELLED
    assert (due.upload_id, due.ending) == ("upload-1", Ending.UNDONE)
    assert shop.source.closed == [job.id]
    assert shop.signals.outbox.is_set()
    assert shop.signals.deletions.is_set()


async def test_shutdown_keeps_everything(shop: RunnerFixture) -> None:
    """The job waits as before, and the next start goes on with the upload."""
    job = await shop.accept()
    shop.uploads.may_end.clear()
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    attempt.stop(StopReason.SHUTDOWN)
    await attempt.task
    waiting, stored = await shop.read(job), await shop.object_of(job)

    assert (waiting.state, waiting.failures, waiting.run_at) == (JobState.QUEUED, 0, job.run_at)
    assert (stored.state, stored.ending, stored.upload_id) == (
        ObjectState.PLANNED,
        None,
        "upload-1",
    )
    assert await shop.ledger.objects.due(NOW + timedelta(days=2), 10) == []


async def test_cancel_without_a_reason_is_a_shutdown(shop: RunnerFixture) -> None:
    """Nothing is undone unless a user said so."""
    job = await shop.accept()
    shop.uploads.may_end.clear()
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    attempt.task.cancel()
    await attempt.task

    assert (await shop.read(job)).state is JobState.QUEUED


async def test_second_cancel_does_not_skip_the_undo(shop: RunnerFixture) -> None:
    """An impatient user changes nothing."""
    job = await shop.accept()
    shop.uploads.may_end.clear()
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    shop.jobs.reached.clear()
    shop.jobs.gate.clear()
    attempt.stop(StopReason.USER)
    await shop.jobs.reached.wait()
    attempt.stop(StopReason.USER)
    await asyncio.sleep(0)
    attempt.stop(StopReason.USER)
    shop.jobs.gate.set()
    await attempt.task

    assert (await shop.read(job)).state is JobState.CANCELLED
    assert shop.signals.outbox.is_set()


@pytest.mark.parametrize(
    ("reason", "state"),
    [(StopReason.USER, JobState.CANCELLED), (StopReason.SHUTDOWN, JobState.QUEUED)],
)
async def test_cancel_while_the_job_is_acquired(
    shop: RunnerFixture, reason: StopReason, state: JobState
) -> None:
    """A job is never left running without a runner."""
    job = await shop.accept()
    shop.jobs.gate.clear()
    attempt = shop.begin(job)
    await shop.jobs.reached.wait()
    attempt.stop(reason)
    await asyncio.sleep(0)
    shop.jobs.gate.set()
    await attempt.task

    assert (await shop.read(job)).state is state
    assert shop.source.opened == []
    assert shop.signals.outbox.is_set() is (reason is StopReason.USER)


async def test_cancel_while_a_failure_is_written_down(shop: RunnerFixture) -> None:
    """The job does not come back, and what was uploaded is due at once."""
    job = await shop.accept()
    shop.uploads.failures.append(StoreUnavailable("reset"))
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    shop.jobs.reached.clear()
    shop.jobs.gate.clear()
    await shop.jobs.reached.wait()
    attempt.stop(StopReason.USER)
    await asyncio.sleep(0)
    shop.jobs.gate.set()
    again_at = await attempt.task

    assert again_at is None
    assert (await shop.read(job)).state is JobState.CANCELLED
    assert len(await shop.ledger.objects.due(NOW, 10)) == 1
    assert shop.signals.outbox.is_set()


async def test_shutdown_while_a_failure_is_written_down(shop: RunnerFixture) -> None:
    """The failure counts, and the job waits for its next attempt after the restart."""
    job = await shop.accept()
    shop.uploads.failures.append(StoreUnavailable("reset"))
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    shop.jobs.reached.clear()
    shop.jobs.gate.clear()
    await shop.jobs.reached.wait()
    attempt.stop(StopReason.SHUTDOWN)
    await asyncio.sleep(0)
    shop.jobs.gate.set()
    again_at = await attempt.task
    waiting = await shop.read(job)

    assert again_at == waiting.run_at
    assert (waiting.state, waiting.failures) == (JobState.QUEUED, 1)


async def test_user_who_cancels_too_late_gets_the_link(shop: RunnerFixture) -> None:
    """The upload has succeeded; the link can be deleted."""
    job = await shop.accept()
    shop.uploads.may_end.clear()
    shop.uploads.result_wins = True
    attempt = shop.begin(job)
    await shop.uploads.began.wait()
    attempt.stop(StopReason.USER)
    await asyncio.sleep(0)
    shop.uploads.may_end.set()
    await attempt.task
    stored = await shop.object_of(job)

    assert (await shop.read(job)).state is JobState.DONE
    assert (stored.state, stored.due_at) == (ObjectState.LIVE, NOW + LIFETIME)


@pytest.mark.parametrize("reason", StopReason)
async def test_cancel_at_any_moment_leaves_nothing_half_done(
    shop: RunnerFixture, reason: StopReason
) -> None:
    """For a cancel at each step, the job is done with a live object, or it is as its stop demands
    and its object has no job or belongs to the next attempt.
    """
    stopped = JobState.CANCELLED if reason is StopReason.USER else JobState.QUEUED
    with counted_steps() as steps:
        await shop.begin(await shop.accept()).task
        whole = steps.taken
    for moment in range(1, whole):
        job = await shop.accept()
        with counted_steps(until=moment) as steps:
            attempt = shop.begin(job)
            reached = asyncio.ensure_future(steps.reached.wait())
            await asyncio.wait([attempt.task, reached], return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            attempt.stop(reason)
            await asyncio.wait([attempt.task])
        state = (await shop.read(job)).state
        found = (await shop.ledger.objects.of_jobs([job.id])).get(job.id)
        if state is JobState.DONE:
            assert found is not None
            assert found.state is ObjectState.LIVE
            continue
        assert state is stopped
        if found is not None:
            assert found.state is ObjectState.PLANNED
            assert found.ending is (Ending.UNDONE if reason is StopReason.USER else None)
