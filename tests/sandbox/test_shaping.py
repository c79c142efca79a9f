"""Bandwidth and latency."""

import asyncio
import time

from bot.sandbox.shaping import Gate


async def test_no_rate_no_wait() -> None:
    """Without a rate bytes pass at once."""
    started = time.monotonic()
    await Gate().pass_through(1 << 30, None)

    assert time.monotonic() - started < 1


async def test_a_rate_is_shared() -> None:
    """Two at one gate take together as long as the rate says."""
    gate, started = Gate(), time.monotonic()
    await asyncio.gather(*(gate.pass_through(10_000, 100_000) for _ in range(2)))
    took = time.monotonic() - started

    assert 0.2 - Gate.CREDIT - 0.01 <= took < 1
