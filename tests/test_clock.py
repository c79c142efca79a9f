"""The clock of production, and waiting for a time or for an event."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import SystemClock, wait_for_event
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW, at


@pytest.fixture
def clock() -> SandboxClock:
    """Return a clock that stands still."""
    return SandboxClock(NOW, running=False)


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_news_end_the_wait(clock: SandboxClock) -> None:
    """An event ends the wait, with a deadline or without; the event stays set."""
    for until in (None, at(60)):
        signals = asyncio.Event()
        waiting = asyncio.create_task(wait_for_event(signals, clock, until))
        await _settle()
        assert not waiting.done()
        signals.set()
        await waiting

        assert signals.is_set()


async def test_moment_ends_the_wait(clock: SandboxClock) -> None:
    """The wait ends exactly when the clock reaches the time."""
    waiting = asyncio.create_task(wait_for_event(asyncio.Event(), clock, at(5)))
    await _settle()
    clock.advance(timedelta(seconds=4.999999))
    await _settle()
    assert not waiting.done()
    clock.advance(timedelta(microseconds=1))
    await waiting

    assert clock.now() == at(5)


async def test_moment_that_has_passed_ends_the_wait_at_once(clock: SandboxClock) -> None:
    """A time that has passed ends the wait at once."""
    await wait_for_event(asyncio.Event(), clock, at(-1))

    assert clock.now() == NOW


async def test_cancelled_wait_leaves_nothing_behind(clock: SandboxClock) -> None:
    """A cancelled wait leaves neither a sleeper nor a waiter for the event."""
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(wait_for_event(asyncio.Event(), clock, at(5)))
    await _settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    await _settle()

    assert asyncio.all_tasks() == before


async def test_system_clock_tells_utc_and_wakes() -> None:
    """It is the system's time, aware; a time that has come is not waited for."""
    clock = SystemClock()
    before = datetime.now(UTC)
    now = clock.now()
    assert before <= now <= datetime.now(UTC)
    await clock.sleep_until(now)
    await clock.sleep_until(now + timedelta(milliseconds=20))

    assert clock.now() >= now + timedelta(milliseconds=20)
