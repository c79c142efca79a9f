"""Latency and bandwidth of a stand-in, in real time."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Shape:
    """Latency and bandwidth limits. Rates are bytes per second; `None` means unlimited. Fields may
    change while the stand-in runs.

    `latency` (seconds) is added once per request; `per_connection` limits one transfer, `total`
    all of them together. `up` is what clients send, `down` what they receive.
    """

    latency: float = 0.0
    up_per_connection: float | None = None
    up_total: float | None = None
    down_per_connection: float | None = None
    down_total: float | None = None


class Throttle:
    """Lets bytes pass at a rate, first come, first served; holds 50 ms of credit."""

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


@dataclass
class Bandwidth:
    """The shape of one server, and the throttles that all its transfers share."""

    shape: Shape = field(default_factory=Shape)
    up: Throttle = field(default_factory=Throttle)
    down: Throttle = field(default_factory=Throttle)
