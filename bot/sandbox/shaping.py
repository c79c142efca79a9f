"""Latency and bandwidth, in real time: what a network does to a transfer."""

import asyncio
import time
from dataclasses import dataclass


@dataclass
class Shape:
    """How slow a stand-in is. Rates are bytes per second; `None` means unlimited. May be changed
    while it runs.

    `latency` is added once per request; `per_connection` caps one transfer, `total` all of them
    together. `up` is what clients send, `down` what they receive.
    """

    latency: float = 0.0
    up_per_connection: float | None = None
    up_total: float | None = None
    down_per_connection: float | None = None
    down_total: float | None = None


class Gate:
    """Lets bytes through at a rate, first come, first served; holds 50 ms of credit."""

    CREDIT = 0.05

    def __init__(self) -> None:
        self._free_at = 0.0

    async def pass_through(self, count: int, rate: float | None) -> None:
        """Wait until `count` bytes may pass at `rate` bytes per second."""
        if not rate:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now - self.CREDIT) + count / rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
