"""The bucket is compared with the ledger; unknown objects go, those with an owner stay."""

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import StoreError, StoreForbidden, StoreUnavailable
from bot.jobs.reaper import LOOK_EVERY, RECONCILE_EVERY, UNKNOWN_AFTER
from tests.fakes.samples import LIFETIME, NOW, accept, acquire, plan
from tests.fakes.store import LONG_AGO, Trouble
from tests.jobs.reaper_fixture import META, Graveyard


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper with nothing to do."""
    return Graveyard(database)


async def test_unknown_object_that_is_old_is_deleted(yard: Graveyard) -> None:
    """No promise can cover it any more."""
    yard.put(f"{yard.prefix}stray")
    await yard.reaper.reconcile(yard.prefix)

    assert yard.store.objects == {}


@pytest.mark.parametrize(
    ("age", "stays"), [(UNKNOWN_AFTER, True), (UNKNOWN_AFTER + timedelta(seconds=1), False)]
)
async def test_unknown_object_is_deleted_after_a_day(
    database: Database, age: timedelta, *, stays: bool
) -> None:
    """Another process may have made it: no link lives longer than that."""
    yard = Graveyard(database, LONG_AGO + age)
    yard.put(f"{yard.prefix}stray")
    await yard.reaper.reconcile(yard.prefix)

    assert bool(yard.store.objects) is stays


async def test_known_objects_stay(yard: Graveyard) -> None:
    """Live ones until their deadline, planned ones while their job works on them."""
    live = await yard.live()
    planned = await plan(yard.ledger, await acquire(yard.ledger, await accept(yard.ledger)))
    yard.put(planned.key)
    await yard.reaper.reconcile(yard.prefix)

    assert set(yard.store.objects) == {live.key, planned.key}


async def test_object_that_should_be_gone_is_deleted(yard: Graveyard) -> None:
    """A request that was applied after the last removal has made it."""
    stored = await yard.live()
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()
    yard.put(stored.key)
    await yard.reaper.reconcile(yard.prefix)

    assert yard.store.objects == {}


async def test_objects_of_others_are_never_touched(yard: Graveyard) -> None:
    """The bucket is not ours alone."""
    yard.put("relay/43/other-bot")
    yard.put("backup.tar")
    upload_id = yard.store.initiate("relay/43/other-bot", META)
    await yard.reaper.reconcile(yard.prefix)

    assert set(yard.store.objects) == {"relay/43/other-bot", "backup.tar"}
    assert yard.store.upload_ids == [upload_id]


async def test_upload_that_nobody_owns_is_aborted(yard: Graveyard) -> None:
    """Its parts are billed and cannot be seen."""
    yard.store.initiate(f"{yard.prefix}stray", META)
    await yard.reaper.reconcile(yard.prefix)

    assert yard.store.upload_ids == []


async def test_upload_of_an_unfinished_job_stays(yard: Graveyard) -> None:
    """Even if its id is not in the ledger yet."""
    stored = await plan(yard.ledger, await accept(yard.ledger))
    upload_id = yard.store.initiate(stored.key, META)
    await yard.reaper.reconcile(yard.prefix)

    assert yard.store.upload_ids == [upload_id]


async def test_more_strays_than_a_page_are_all_deleted(yard: Graveyard) -> None:
    """And what is known among them stays."""
    live = await yard.live()
    for n in range(2500):
        yard.put(f"{yard.prefix}stray-{n}")
    await yard.reaper.reconcile(yard.prefix)

    assert set(yard.store.objects) == {live.key}


@pytest.mark.parametrize("name", ["list_objects", "list_uploads", "delete"])
@pytest.mark.parametrize("error", [StoreUnavailable("reset"), StoreForbidden("AccessDenied")])
async def test_bucket_that_cannot_be_compared_is_tried_again_an_hour_later(
    yard: Graveyard, name: str, error: StoreError
) -> None:
    """Deadlines are kept all the same: they are in the ledger."""

    def fail() -> None:
        raise error

    yard.put(f"{yard.prefix}stray")
    trouble = yard.store.trouble(Trouble(name, fail))
    async with yard.running():
        await yard.clock.until_waits(2, within=RECONCILE_EVERY)
        assert trouble.hits == 1
        yard.clock.advance(RECONCILE_EVERY)
        await yard.clock.until_waits(4, within=RECONCILE_EVERY)

        assert yard.store.objects == {}


async def test_long_comparison_delays_no_deadline(yard: Graveyard) -> None:
    """While the bucket is listed, links end on time."""
    await yard.live(NOW - LIFETIME + timedelta(seconds=3))
    yard.threads.gates[1] = asyncio.Event()
    async with yard.running():
        await yard.clock.until_waits(1, within=LOOK_EVERY)
        yard.clock.advance(timedelta(seconds=3))
        await yard.clock.until_waits(2, within=LOOK_EVERY)

        assert yard.store.objects == {}
        assert yard.store.count("list_objects") == 0
