"""Objects that must be deleted, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Ending, StoredObject
from tests.fakes.samples import (
    LIFETIME,
    NOW,
    accept,
    acquire,
    at,
    cancel,
    finish,
    plan,
)

DAY = timedelta(hours=24)


async def _read(ledger: SqlLedger, stored: StoredObject) -> StoredObject:
    return (await ledger.objects.of_jobs([stored.job_id]))[stored.job_id]


async def test_live_object_is_due_at_its_deadline(ledger: SqlLedger) -> None:
    """Not a microsecond earlier."""
    _, stored = await finish(ledger, await accept(ledger))
    deadline = NOW + LIFETIME

    assert await ledger.objects.due(deadline - timedelta(microseconds=1), 10) == []
    assert await ledger.objects.due(deadline, 10) == [stored]


@pytest.mark.parametrize("runs", [False, True])
async def test_object_of_an_unfinished_job_is_never_due(ledger: SqlLedger, *, runs: bool) -> None:
    """A job that waits or runs goes on with its upload, however late it is."""
    job = await accept(ledger)
    await plan(ledger, await acquire(ledger, job) if runs else job)

    assert await ledger.objects.due(NOW + 2 * DAY, 10) == []
    assert await ledger.objects.next_due_at() is None


async def test_abandoned_object_of_an_unfinished_job_is_due_at_once(ledger: SqlLedger) -> None:
    """Its job goes on with another one."""
    stored = await plan(ledger, await acquire(ledger, await accept(ledger)))
    await ledger.objects.abandon(stored.id, at(1))

    assert await ledger.objects.due(at(1), 10) == [
        replace(stored, due_at=at(1), ending=Ending.UNDONE)
    ]


async def test_leftover_of_an_ended_job_is_due_at_its_date(ledger: SqlLedger) -> None:
    """An object that was not abandoned is due at its own date."""
    job = await acquire(ledger, await accept(ledger))
    await cancel(ledger, job)
    stored = await plan(ledger, job)

    assert await ledger.objects.due(NOW + DAY - timedelta(microseconds=1), 10) == []
    assert await ledger.objects.due(NOW + DAY, 10) == [stored]


async def test_longest_overdue_comes_first_and_no_more_than_asked(ledger: SqlLedger) -> None:
    """A batch takes the oldest dates."""
    stored = [(await finish(ledger, await accept(ledger), at(n)))[1] for n in (2, 0, 1)]

    assert await ledger.objects.due(at(10) + LIFETIME, 2) == [stored[1], stored[2]]


async def test_links_come_before_leftovers(ledger: SqlLedger) -> None:
    """A link that ends is in the next batch, with any number of older uploads left behind."""
    for _ in range(3):
        await ledger.objects.abandon((await plan(ledger, await accept(ledger))).id, NOW)
    _, live = await finish(ledger, await accept(ledger))

    assert await ledger.objects.due(NOW + LIFETIME, 1) == [live]


async def test_postponed_object_waits(ledger: SqlLedger) -> None:
    """It is due again at the time given, and so says the next due date."""
    _, stored = await finish(ledger, await accept(ledger))
    now = NOW + LIFETIME
    later = now + timedelta(seconds=10)
    await ledger.objects.postpone([stored.id], later, "store_unavailable")

    assert await ledger.objects.due(now, 10) == []
    assert await ledger.objects.next_due_at() == later
    assert await ledger.objects.due(later, 10) == [replace(stored, error_code="store_unavailable")]


async def test_next_due_date_is_the_earliest(ledger: SqlLedger) -> None:
    """Among deadlines, abandoned and postponed ones."""
    assert await ledger.objects.next_due_at() is None
    _, late = await finish(ledger, await accept(ledger), at(100))
    assert await ledger.objects.next_due_at() == late.due_at
    _, early = await finish(ledger, await accept(ledger), at(50))
    assert await ledger.objects.next_due_at() == early.due_at
    await ledger.objects.postpone([early.id], at(75) + LIFETIME, "store_unavailable")
    assert await ledger.objects.next_due_at() == at(75) + LIFETIME
    left = await plan(ledger, await accept(ledger))
    await ledger.objects.abandon(left.id, at(60))

    assert await ledger.objects.next_due_at() == at(60)


async def test_swept_object_is_due_once_more(ledger: SqlLedger) -> None:
    """A request that was under way may be applied after the first removal."""
    stored = await plan(ledger, await accept(ledger))
    await ledger.objects.abandon(stored.id, NOW)
    await ledger.objects.swept([stored.id], at(600))

    assert await ledger.objects.due(at(599), 10) == []
    assert [found.sweeps for found in await ledger.objects.due(at(600), 10)] == [1]


async def test_gone_object_is_never_due_again(ledger: SqlLedger) -> None:
    """A live one has expired, a planned one was undone."""
    _, live = await finish(ledger, await accept(ledger))
    left = await plan(ledger, await accept(ledger))
    await ledger.objects.abandon(left.id, NOW)
    await ledger.objects.gone([live.id, left.id], at(1))

    assert await ledger.objects.due(NOW + 2 * DAY, 10) == []
    assert await ledger.objects.next_due_at() is None
    assert [(await _read(ledger, stored)).ending for stored in (live, left)] == [
        Ending.EXPIRED,
        Ending.UNDONE,
    ]


async def test_revoked_link_is_due_at_once_and_only_once(ledger: SqlLedger) -> None:
    """The owner deletes it; a second press finds nothing to delete."""
    job, stored = await finish(ledger, await accept(ledger))
    assert await ledger.objects.revoke(job.id, at(5))
    assert not await ledger.objects.revoke(job.id, at(6))

    assert await ledger.objects.due(at(5), 10) == [
        replace(stored, due_at=at(5), ending=Ending.DELETED)
    ]
