"""The gate: bytes per second, in real time."""

import asyncio
from time import monotonic

from bot.sandbox.shaping import Throttle


async def test_unlimited() -> None:
    """No rate means no waiting."""
    started = monotonic()
    await Throttle().pass_through(10**12, None)

    assert monotonic() - started < 0.5


async def test_rate() -> None:
    """Ten passes of 1,000 bytes at 50,000 bytes per second take 0.2 s, less the credit."""
    gate, started = Throttle(), monotonic()
    for _ in range(10):
        await gate.pass_through(1000, 50_000)
    elapsed = monotonic() - started

    assert 0.2 - Throttle.CREDIT - 0.01 <= elapsed < 1


async def test_shared() -> None:
    """Two users of one gate share its rate."""
    gate, started = Throttle(), monotonic()

    async def use() -> None:
        for _ in range(5):
            await gate.pass_through(1000, 50_000)

    await asyncio.gather(use(), use())

    assert 0.2 - Throttle.CREDIT - 0.01 <= monotonic() - started < 1


async def test_rate_may_change() -> None:
    """Lifting a rate lets all transfers pass again, waiting ones included."""
    gate, started = Throttle(), monotonic()
    await gate.pass_through(1000, 100_000)
    await gate.pass_through(10**9, None)

    assert monotonic() - started < 0.5
