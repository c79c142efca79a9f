"""Links end while the ledger cannot be written."""

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import StoreUnavailable
from bot.core.files import LinkMode
from bot.core.jobs import ObjectState, Placement
from bot.jobs.audit import LinkGuard
from tests.fakes.samples import LIFETIME, NOW, a_result, accept, acquire
from tests.fakes.store import FakeStore, Trouble
from tests.jobs.reaper_fixture import Graveyard

SECOND = timedelta(seconds=1)


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper with nothing to do."""
    return Graveyard(database)


def guard_of(yard: Graveyard, in_trouble: asyncio.Event) -> LinkGuard:
    """Return a guard for which the ledger is in trouble while the event is set."""
    return LinkGuard(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        yard.clock,
        in_trouble,
    )


async def test_link_ends_without_the_ledger(yard: Graveyard) -> None:
    """Not before its deadline, and once; the reaper stores the end when the ledger works."""
    stored = await yard.live()
    in_trouble = asyncio.Event()
    guard = guard_of(yard, in_trouble)
    await guard.look()
    in_trouble.set()
    await guard.look()
    before = list(yard.store.objects)
    yard.clock.advance(LIFETIME)
    for _ in range(3):
        await guard.look()
        yard.clock.advance(SECOND)
    deletions = yard.store.count("delete")
    is_known = (await yard.read(stored)).state
    in_trouble.clear()
    await yard.reaper.sweep()

    assert (before, yard.store.objects) == ([stored.key], {})
    assert (deletions, is_known) == (1, ObjectState.LIVE)
    assert (await yard.read(stored)).state is ObjectState.GONE


async def test_ledger_that_cannot_be_read(yard: Graveyard, database: Database) -> None:
    """What was read last counts."""
    await yard.live()
    in_trouble = asyncio.Event()
    guard = guard_of(yard, in_trouble)
    await guard.look()
    await database.close()
    in_trouble.set()
    yard.clock.advance(LIFETIME)
    await guard.look()

    assert yard.store.objects == {}


async def test_nothing_while_the_ledger_works(yard: Graveyard) -> None:
    """The reaper ends links then, and alone."""
    stored = await yard.live()
    guard = guard_of(yard, asyncio.Event())
    yard.clock.advance(LIFETIME)
    await guard.look()

    assert list(yard.store.objects) == [stored.key]


async def test_deletion_fails(yard: Graveyard) -> None:
    """It is repeated at the next look."""
    await yard.live()
    in_trouble = asyncio.Event()
    in_trouble.set()
    guard = guard_of(yard, in_trouble)
    yard.clock.advance(LIFETIME)

    def fail() -> None:
        raise StoreUnavailable("reset")

    yard.store.trouble(Trouble("delete", fail))
    await guard.look()
    left = len(yard.store.objects)
    await guard.look()

    assert (left, len(yard.store.objects)) == (1, 0)


async def test_unexpected_error_of_one_bucket_concerns_no_other(yard: Graveyard) -> None:
    """The links of the other bucket end in the same look."""
    earlier = Placement("earlier", "cn-hongkong", LinkMode.PUBLIC)
    job = await acquire(yard.ledger, await accept(yard.ledger))
    planned = await yard.ledger.objects.plan(job, f"{yard.prefix}t/a", NOW, earlier)
    assert await yard.ledger.jobs.finish(job, planned, a_result(NOW), NOW)
    await yard.live()
    in_trouble = asyncio.Event()
    in_trouble.set()

    def fail() -> None:
        raise ZeroDivisionError

    broken = FakeStore()
    broken.trouble(Trouble("delete", fail))
    guard = LinkGuard(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        yard.clock,
        in_trouble,
        store_of=lambda placement: broken if placement == earlier else yard.store,
    )
    yard.clock.advance(LIFETIME)
    await guard.look()

    assert yard.store.objects == {}
