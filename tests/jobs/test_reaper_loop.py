"""The reaper wakes when it must, and nothing delays it."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.jobs.reaper import LOOK_EVERY
from tests.fakes.samples import LIFETIME, NOW, at
from tests.fakes.store import Trouble
from tests.jobs.reaper_fixture import Graveyard

SECOND = timedelta(seconds=1)
LATEST = timedelta(seconds=60)
"""The promise: bytes go at most this long after their deadline while the bot runs."""


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper with nothing to do."""
    return Graveyard(database)


async def test_reaper_wakes_exactly_when_something_falls_due(yard: Graveyard) -> None:
    """It sleeps until the next due date, not until its next look."""
    await yard.live(NOW - LIFETIME + 3 * SECOND)
    async with yard.running():
        waited_for = await yard.clock.until_waits(1, within=LOOK_EVERY)
        assert waited_for == [at(3)]
        yard.clock.advance(3 * SECOND)
        await yard.clock.until_waits(2, within=LOOK_EVERY)

        assert yard.store.objects == {}


async def test_reaper_looks_again_without_news(yard: Graveyard) -> None:
    """Other processes write the ledger too."""
    async with yard.running():
        assert await yard.clock.until_waits(1, within=LOOK_EVERY) == [NOW + LOOK_EVERY]
        await yard.live(NOW - LIFETIME)
        yard.clock.advance(LOOK_EVERY)
        await yard.clock.until_waits(2, within=LOOK_EVERY)

        assert yard.store.objects == {}


async def test_reaper_acts_on_news_at_once(yard: Graveyard) -> None:
    """A user who deletes a link does not wait for the next look."""
    stored = await yard.live()
    async with yard.running():
        await yard.clock.until_waits(1, within=LOOK_EVERY)
        await yard.ledger.objects.revoke(stored.job_id, NOW)
        yard.signals.deletions.set()
        await yard.clock.until_waits(2, within=LOOK_EVERY)

        assert yard.store.objects == {}
        assert not yard.signals.deletions.is_set()
        assert yard.clock.now() == NOW


async def test_overdue_links_go_first_thing_at_start(yard: Graveyard) -> None:
    """Before the bucket is listed, which may take long or fail."""
    await yard.live(NOW - 2 * LIFETIME)
    before = len(yard.store.calls)
    async with yard.running():
        await yard.clock.until_waits(1, within=LOOK_EVERY)
        names = [call.name for call in yard.store.calls[before:]]

        assert names[0] == "delete"
        assert yard.store.objects == {}


async def test_many_leftovers_delay_no_link(yard: Graveyard) -> None:
    """OSS takes a second for each request; a link that falls due meanwhile is not late."""
    for _ in range(70):
        await yard.left()
    stored = await yard.live(NOW - LIFETIME + 5 * SECOND)
    late: list[timedelta] = []
    yard.store.trouble(
        Trouble("delete", lambda: late.append(yard.clock.now() - stored.due_at), times=0)
    )
    yard.threads.each_takes = SECOND
    await yard.reaper.sweep()
    index = [call.key for call in yard.store.calls if call.name == "delete"].index(stored.key)

    assert late[index] <= LATEST
