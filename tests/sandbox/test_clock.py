"""The clock that tests move."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.sandbox.clock import SandboxClock

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_standing_clock_moves_only_when_told() -> None:
    """Without an advance it shows the same moment for ever."""
    clock = SandboxClock(START, running=False)
    before = clock.now()
    clock.advance(HOUR)

    assert (before, clock.now()) == (START, START + HOUR)


def test_running_clock_goes_on() -> None:
    """A running clock never shows an earlier moment, and an advance comes on top."""
    clock = SandboxClock(START)
    first = clock.now()
    clock.advance(HOUR)

    assert START <= first <= first + HOUR <= clock.now()


def test_never_back() -> None:
    """Deadlines that have passed stay passed."""
    with pytest.raises(ValueError, match="cannot go back"):
        SandboxClock(START).advance(-HOUR)


async def test_sleepers_wake_in_turn() -> None:
    """An advance wakes only the sleepers that are due."""
    clock = SandboxClock(START, running=False)
    early = asyncio.create_task(clock.sleep_until(START + HOUR))
    late = asyncio.create_task(clock.sleep_until(START + 2 * HOUR))
    await asyncio.sleep(0)
    clock.advance(HOUR)
    await asyncio.wait_for(early, 5)
    waiting = not late.done()
    clock.advance(HOUR)
    await asyncio.wait_for(late, 5)

    assert waiting


async def test_a_moment_that_has_passed() -> None:
    """Waiting for the past or the present returns at once."""
    clock = SandboxClock(START, running=False)

    await asyncio.wait_for(clock.sleep_until(START), 5)


async def test_an_advance_from_another_thread() -> None:
    """A clock may be shared between threads and loops."""
    clock = SandboxClock(START, running=False)
    sleeper = asyncio.create_task(clock.sleep_until(START + HOUR))
    await asyncio.sleep(0)
    await asyncio.to_thread(clock.advance, HOUR)

    await asyncio.wait_for(sleeper, 5)


async def test_a_cancellation_together_with_an_advance() -> None:
    """A sleeper that is cancelled in the moment in which the clock is moved ends."""
    clock = SandboxClock(START)
    sleeper = asyncio.create_task(clock.sleep_until(START + 2 * HOUR))
    await asyncio.sleep(0)
    clock.advance(HOUR)
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait([sleeper], timeout=5)

    assert sleeper.cancelled()
