"""One runner owns a job; writes of others change nothing."""

from collections.abc import Awaitable, Callable

import pytest

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Job
from tests.fakes.samples import (
    NOW,
    a_result,
    accept,
    acquire,
    at,
    cancel,
    get,
    plan,
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


async def test_fenced_finish_leaves_the_object_planned(ledger: SqlLedger) -> None:
    """Without the job no link begins."""
    job = await accept(ledger)
    running = await acquire(ledger, job)
    stored = await plan(ledger, running)
    await cancel(ledger, running)
    await ledger.jobs.finish(running, stored, a_result(), NOW)

    assert await ledger.objects.planned_for(job.id) == stored
