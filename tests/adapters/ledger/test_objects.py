"""Objects and their due dates in SQL."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import objects
from bot.core.files import LinkMode
from bot.core.jobs import Ending, ObjectState, Placement, StoredObject
from tests.fakes.samples import (
    NOW,
    OWNER,
    accept,
    at,
    finish,
    plan,
    planned_for,
)

DAY = timedelta(hours=24)


async def _read(ledger: SqlLedger, stored: StoredObject) -> StoredObject:
    return (await ledger.objects.of_jobs([stored.job_id]))[stored.job_id]


async def test_plan_is_what_was_intended(ledger: SqlLedger) -> None:
    """A planned object has a due date before anything of it exists."""
    job = await accept(ledger)
    stored = await ledger.objects.plan(job, "relay/42/t/a", at(5))

    assert stored == StoredObject(
        stored.id, job.id, "relay/42/t/a", ObjectState.PLANNED, due_at=at(5)
    )
    assert await planned_for(ledger, job.id) == stored


@pytest.mark.parametrize("missing", ["due_at", "key", "job_id"])
async def test_object_without_due_date_key_or_job_cannot_exist(
    ledger: SqlLedger, database: Database, missing: str
) -> None:
    """The database itself refuses such a row."""
    job = await accept(ledger)
    values = {"job_id": job.id, "key": "k", "state": "planned", "due_at": NOW, "sweeps": 0}
    values[missing] = None
    with pytest.raises(IntegrityError):
        await database.write(Connection.execute, insert(objects).values(values))


async def test_placement_is_kept(ledger: SqlLedger) -> None:
    """Bucket, region and mode are those of the plan, even when the settings change."""
    placement = Placement("earlier-bucket", "cn-hongkong", LinkMode.PUBLIC)
    job = await accept(ledger)
    stored = await ledger.objects.plan(job, "relay/42/t/a", at(5), placement)

    assert stored.placement == placement
    assert (await _read(ledger, stored)).placement == placement


async def test_earliest_moment_of_completion_stays(ledger: SqlLedger) -> None:
    """Neither a second Complete nor a later time of the store moves it; an earlier one does."""
    stored = await plan(ledger, await accept(ledger))
    told = [await ledger.objects.completing(stored.id, at(second)) for second in (5, 9, 3)]

    assert told == [at(5), at(5), at(3)]
    assert (await _read(ledger, stored)).completed_at == at(3)


async def test_failed_removals_are_kept(ledger: SqlLedger) -> None:
    """Attempts are counted, and the last reason is known; a deletion by the owner begins anew."""
    _, stored = await finish(ledger, await accept(ledger))
    for _ in range(2):
        await ledger.objects.removing([stored.id])
    await ledger.objects.postpone([stored.id], at(10), "store_forbidden")
    failed = await _read(ledger, stored)
    await ledger.objects.revoke(stored.job_id, NOW)

    assert (failed.attempts, failed.error_code) == (2, "store_forbidden")
    assert (await _read(ledger, stored)).attempts == 0


async def test_decided_end_is_due_by_any_clock(ledger: SqlLedger) -> None:
    """A clock that was ahead when a link was revoked, or an upload given up, delays nothing."""
    _, revoked = await finish(ledger, await accept(ledger))
    await ledger.objects.revoke(revoked.job_id, NOW + DAY)
    left = await plan(ledger, await accept(ledger))
    await ledger.objects.abandon(left.id, NOW + DAY)

    assert {found.id for found in await ledger.objects.due(NOW, 10)} == {revoked.id, left.id}


async def test_key_is_never_used_twice(ledger: SqlLedger) -> None:
    """A late request for an old key can then never touch a new object."""
    job = await accept(ledger)
    await ledger.objects.plan(job, "same", NOW)
    with pytest.raises(IntegrityError):
        await ledger.objects.plan(job, "same", NOW)

    assert len(await ledger.objects.owners_of_keys(["same"])) == 1


async def test_upload_id_is_kept_and_may_be_replaced(ledger: SqlLedger) -> None:
    """The last initiated upload counts."""
    stored = await plan(ledger, await accept(ledger))
    await ledger.objects.initiated(stored.id, "first", 1 << 20)
    await ledger.objects.initiated(stored.id, "second", 4 << 20)

    assert await planned_for(ledger, stored.job_id) == replace(
        stored, upload_id="second", part_size=4 << 20
    )


async def test_abandoned_object_is_not_gone_on_with(ledger: SqlLedger) -> None:
    """The next attempt plans one of its own."""
    job = await accept(ledger)
    await ledger.objects.abandon((await plan(ledger, job)).id, NOW)
    assert await planned_for(ledger, job.id) is None
    second = await plan(ledger, job)

    assert await planned_for(ledger, job.id) == second


async def test_live_object_cannot_be_abandoned(ledger: SqlLedger) -> None:
    """A link that was given keeps its deadline."""
    _, stored = await finish(ledger, await accept(ledger))
    await ledger.objects.abandon(stored.id, NOW)

    assert await _read(ledger, stored) == stored


async def test_newest_object_of_a_job_is_found(ledger: SqlLedger) -> None:
    """Objects that earlier attempts left behind do not hide it."""
    job = await accept(ledger)
    await ledger.objects.abandon((await plan(ledger, job)).id, NOW)
    _, stored = await finish(ledger, job)
    other = await accept(ledger)

    assert await ledger.objects.of_jobs([job.id, other.id]) == {job.id: stored}


async def test_revoked_link_stays_deleted_when_it_is_gone(ledger: SqlLedger) -> None:
    """The reason of its end is kept."""
    job, stored = await finish(ledger, await accept(ledger))
    await ledger.objects.revoke(job.id, at(5))
    await ledger.objects.gone([stored.id], at(6))
    gone = await _read(ledger, stored)

    assert (gone.state, gone.ending) == (ObjectState.GONE, Ending.DELETED)
    assert not await ledger.objects.revoke(job.id, at(7))


async def test_revoking_overrides_a_postponement(ledger: SqlLedger) -> None:
    """An object that its owner revokes is due at once."""
    job, stored = await finish(ledger, await accept(ledger))
    await ledger.objects.postpone([stored.id], NOW + DAY, "store_unavailable")
    await ledger.objects.revoke(job.id, at(5))

    assert len(await ledger.objects.due(at(5), 10)) == 1


async def test_nothing_but_a_live_link_can_be_revoked(ledger: SqlLedger) -> None:
    """An upload under way is cancelled, not revoked."""
    job = await accept(ledger)
    stored = await plan(ledger, job)

    assert not await ledger.objects.revoke(job.id, NOW)
    assert await _read(ledger, stored) == stored


async def test_live_links_of_an_owner_newest_first(ledger: SqlLedger) -> None:
    """Only what still works: not the planned, the revoked, the gone, and those of other owners."""
    kept = [await finish(ledger, await accept(ledger), at(n)) for n in range(2)]
    revoked, _ = await finish(ledger, await accept(ledger))
    await ledger.objects.revoke(revoked.id, NOW)
    _, gone = await finish(ledger, await accept(ledger))
    await ledger.objects.gone([gone.id], NOW)
    await plan(ledger, await accept(ledger))
    await finish(ledger, await accept(ledger, chat_id=101))

    assert await ledger.objects.live_of(OWNER) == kept[::-1]


async def test_owners_of_keys_are_those_that_are_not_gone(ledger: SqlLedger) -> None:
    """A key of a gone object has no owner any more."""
    planned = await plan(ledger, await accept(ledger))
    _, live = await finish(ledger, await accept(ledger))
    _, gone = await finish(ledger, await accept(ledger))
    await ledger.objects.gone([gone.id], NOW)
    keys = [planned.key, live.key, gone.key, "unknown"]

    assert await ledger.objects.owners_of_keys(keys) == {planned.key: planned, live.key: live}
