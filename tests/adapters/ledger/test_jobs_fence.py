"""One runner owns a job; writes of others change nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Ending, Job, JobState
from tests.fakes.samples import (
    NOW,
    a_result,
    accept,
    acquire,
    at,
    cancel,
    get,
    plan,
    planned_for,
)

Write = Callable[[SqlLedger, Job], Awaitable[bool]]


async def _finish(ledger: SqlLedger, job: Job) -> bool:
    stored = await plan(ledger, job)
    return await ledger.jobs.finish(job, stored, a_result(), NOW)


WRITES: dict[str, Write] = {
    "give_back": lambda ledger, job: ledger.jobs.give_back(job),
    "retry_later": lambda ledger, job: ledger.jobs.retry_later(job, at(5), "disk_full"),
    "finish": _finish,
    "fail": lambda ledger, job: ledger.jobs.fail(job, "disk_full", {"size": 1}, NOW),
    "cancel": lambda ledger, job: ledger.jobs.cancel(job, NOW),
}


@pytest.mark.parametrize("name", WRITES)
async def test_write_of_an_older_attempt_changes_nothing(ledger: SqlLedger, name: str) -> None:
    """A writer that lost the job to a later attempt is told so, and the job is untouched."""
    job = await accept(ledger)
    old = await acquire(ledger, job)
    await ledger.jobs.give_back(old)
    new = await acquire(ledger, job)

    assert not await WRITES[name](ledger, old)
    assert await get(ledger, job) == new


@pytest.mark.parametrize("name", WRITES)
async def test_write_that_expects_another_state_changes_nothing(
    ledger: SqlLedger, name: str
) -> None:
    """A job that has ended meanwhile stays as it ended."""
    job = await accept(ledger)
    running = await acquire(ledger, job)
    ended = await cancel(ledger, running, at(1))

    assert not await WRITES[name](ledger, running)
    assert await get(ledger, job) == ended


@pytest.mark.parametrize("name", WRITES)
async def test_write_of_the_owner_succeeds_once(ledger: SqlLedger, name: str) -> None:
    """The runner's own write is applied; repeating it is not, because the state has changed."""
    running = await acquire(ledger, await accept(ledger))

    assert await WRITES[name](ledger, running)
    assert not await WRITES[name](ledger, running)


async def test_fenced_finish_abandons_the_object(ledger: SqlLedger) -> None:
    """Without the job no link begins, and what was uploaded is due at once."""
    job = await accept(ledger)
    running = await acquire(ledger, job)
    await cancel(ledger, running)
    stored = await plan(ledger, running)
    await ledger.jobs.finish(running, stored, a_result(), at(1))

    assert await ledger.objects.due(at(1), 10) == [
        replace(stored, due_at=at(1), ending=Ending.UNDONE)
    ]


@pytest.mark.parametrize("name", ["fail", "cancel"])
async def test_end_takes_the_planned_object_along(ledger: SqlLedger, name: str) -> None:
    """One transaction: a crash cannot leave an upload that belongs to an ended job until its
    distant due date.
    """
    running = await acquire(ledger, await accept(ledger))
    stored = await plan(ledger, running)

    assert await WRITES[name](ledger, running)
    assert await ledger.objects.due(NOW, 10) == [replace(stored, due_at=NOW, ending=Ending.UNDONE)]


@pytest.mark.parametrize("name", ["fail", "cancel", "retry_later"])
async def test_fenced_end_leaves_the_object_to_the_owner(ledger: SqlLedger, name: str) -> None:
    """The attempt that runs goes on with its upload."""
    old = await acquire(ledger, await accept(ledger))
    await ledger.jobs.give_back(old)
    new = await acquire(ledger, old)
    stored = await plan(ledger, new)

    assert not await WRITES[name](ledger, old)
    assert await planned_for(ledger, new.id) == stored


async def test_waiting_job_is_cancelled_whichever_its_attempt(ledger: SqlLedger) -> None:
    """Only a queued one; what it has begun to upload is due at once."""
    running = await acquire(ledger, await accept(ledger))
    stored = await plan(ledger, running)
    too_early = await ledger.jobs.cancel_waiting(running.id, at(1))
    await ledger.jobs.give_back(running)
    cancelled = await ledger.jobs.cancel_waiting(running.id, at(2))

    assert too_early is None
    assert cancelled == await get(ledger, running)
    assert cancelled.state is JobState.CANCELLED
    assert [due.id for due in await ledger.objects.due(at(2), 10)] == [stored.id]
    assert await ledger.jobs.cancel_waiting(running.id, at(3)) is None
