"""Links end while the ledger cannot be written."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import StoreUnavailable
from bot.core.jobs import ObjectState
from bot.jobs.deletion import LinkGuard
from tests.fakes.samples import LIFETIME
from tests.fakes.store import Trouble
from tests.jobs.reaper_fixture import Graveyard

SECOND = timedelta(seconds=1)


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper with nothing to do."""
    return Graveyard(database)


def guard_of(yard: Graveyard, trouble: list[str]) -> LinkGuard:
    """Return a guard for which the ledger is in trouble while there is a reason."""
    return LinkGuard(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        yard.clock,
        lambda: trouble[0] if trouble else "",
    )


async def test_link_ends_without_the_ledger(yard: Graveyard) -> None:
    """Not before its deadline, and once; the reaper stores the end when the ledger works."""
    stored = await yard.live()
    trouble: list[str] = []
    guard = guard_of(yard, trouble)
    await guard.look()
    trouble.append("database or disk is full")
    await guard.look()
    before = list(yard.store.objects)
    yard.clock.advance(LIFETIME)
    for _ in range(3):
        await guard.look()
        yard.clock.advance(SECOND)
    deletions = yard.store.count("delete")
    is_known = (await yard.read(stored)).state
    trouble.clear()
    await yard.reaper.sweep()

    assert (before, yard.store.objects) == ([stored.key], {})
    assert (deletions, is_known) == (1, ObjectState.LIVE)
    assert (await yard.read(stored)).state is ObjectState.GONE


async def test_ledger_that_cannot_be_read(yard: Graveyard, database: Database) -> None:
    """What was read last counts."""
    await yard.live()
    trouble: list[str] = []
    guard = guard_of(yard, trouble)
    await guard.look()
    await database.close()
    trouble.append("the file was deleted")
    yard.clock.advance(LIFETIME)
    await guard.look()

    assert yard.store.objects == {}


async def test_nothing_while_the_ledger_works(yard: Graveyard) -> None:
    """The reaper ends links then, and alone."""
    stored = await yard.live()
    guard = guard_of(yard, [])
    yard.clock.advance(LIFETIME)
    await guard.look()

    assert list(yard.store.objects) == [stored.key]


async def test_deletion_fails(yard: Graveyard) -> None:
    """It is repeated at the next look."""
    await yard.live()
    guard = guard_of(yard, ["locked"])
    yard.clock.advance(LIFETIME)

    def fail() -> None:
        raise StoreUnavailable("reset")

    yard.store.trouble(Trouble("delete", fail))
    await guard.look()
    left = len(yard.store.objects)
    await guard.look()

    assert (left, len(yard.store.objects)) == (1, 0)
