"""Whose clock ends links."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.oss.client import OssTime
from bot.clock import CorrectedClock, StoreClockKeeper
from bot.core.errors import StoreUnavailable
from bot.core.jobs import ObjectState
from bot.jobs.reaper import Reaper
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import LIFETIME, NOW
from tests.fakes.store import Trouble
from tests.jobs.reaper_fixture import Graveyard

HOUR = timedelta(hours=1)


class SettableClock:
    """A clock that can be set to any time: so much ahead of the true one."""

    def __init__(self, true: SandboxClock) -> None:
        self.ahead = timedelta(0)
        self._true = true

    def now(self) -> datetime:
        """Return the time as it is set."""
        return self._true.now() + self.ahead

    async def sleep_until(self, when: datetime) -> None:
        """Wait by this clock."""
        await self._true.sleep_until(when - self.ahead)

    def monotonic(self) -> float:
        """Return seconds that are never set."""
        return (self._true.now() - NOW).total_seconds()


@dataclass
class World:
    """A reaper that decides by the clock of OSS; each answer of the store tells the time."""

    yard: Graveyard
    system: SettableClock
    true: SandboxClock
    time: OssTime
    reaper: Reaper
    keeper: StoreClockKeeper

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.true.advance(by)

    def set_system_clock(self, ahead: timedelta) -> None:
        """Set the system's clock, as a person or NTP does."""
        self.system.ahead = ahead

    def learn(self) -> None:
        """Take the time from an answer."""
        date = self.true.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        self.time.learn(date, self.time.local())


def make(database: Database) -> World:
    """Put a world together in which both clocks are right."""
    yard = Graveyard(database)
    true = SandboxClock(NOW, running=False)
    system = SettableClock(true)
    time = OssTime(system, monotonic=system.monotonic)
    keeper = StoreClockKeeper(
        time, yard.ledger.offset, yard.store, yard.threads, prefix=yard.prefix
    )
    reaper = Reaper(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        CorrectedClock(system, lambda: time.offset),
        yard.signals,
        time=keeper,
    )
    world = World(yard, system, true, time, reaper, keeper)
    yard.store.trouble(Trouble("head", world.learn, times=0))
    yard.store.trouble(Trouble("delete", world.learn, times=0))
    return world


@pytest.fixture
def world(database: Database) -> World:
    """Return a world in which both clocks are right."""
    return make(database)


async def test_clock_that_is_ahead_at_boot_ends_no_link_early(world: World) -> None:
    """Eight hours ahead, nothing known yet: OSS is asked before anything is deleted."""
    stored = await world.yard.live()
    world.set_system_clock(8 * HOUR)
    world.advance(LIFETIME - HOUR)
    await world.reaper.end_links()
    early = (await world.yard.read(stored)).state
    world.advance(HOUR)
    await world.reaper.end_links()

    assert early is ObjectState.LIVE
    assert (await world.yard.read(stored)).state is ObjectState.GONE


async def test_clock_that_is_corrected_later_ends_no_link_late(world: World) -> None:
    """Two hours ahead at the upload; then the system's clock is set right."""
    world.set_system_clock(2 * HOUR)
    world.learn()
    stored = await world.yard.live(world.system.now() + world.time.offset)
    world.advance(HOUR)
    world.set_system_clock(timedelta(0))
    world.advance(LIFETIME - HOUR)
    await world.keeper.correct()
    await world.reaper.end_links()

    assert (await world.yard.read(stored)).state is ObjectState.GONE


async def test_unknown_time_ends_nothing(world: World) -> None:
    """While OSS cannot be asked, what a wrong clock says is no reason to delete."""

    def fall() -> None:
        raise StoreUnavailable("down")

    stored = await world.yard.live()
    world.set_system_clock(30 * HOUR)
    world.yard.store.trouble_first(Trouble("head", fall))
    await world.reaper.end_links()

    assert (await world.yard.read(stored)).state is ObjectState.LIVE
    assert list(world.yard.store.objects) == [stored.key]


async def test_offset_outlives_the_process(database: Database) -> None:
    """The next process knows it before any answer."""
    world = make(database)
    world.set_system_clock(2 * HOUR)
    assert await world.keeper.is_known()
    kept = await world.yard.ledger.offset.oss_offset()
    later = OssTime(world.system)
    later.start_with(kept)

    assert abs(later.now() - world.true.now()) < timedelta(seconds=2)
    assert not later.is_current


async def test_time_that_is_known_is_not_asked_for(world: World) -> None:
    """One answer a minute is enough."""
    world.learn()
    assert await world.keeper.is_known()
    assert world.yard.threads.calls == 0
    world.advance(timedelta(minutes=2))
    assert await world.keeper.is_known()
    assert world.yard.threads.calls == 1
