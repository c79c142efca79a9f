"""How an event loop and its process fare: lag, memory and CPU, window by window."""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

TICK: Final = 0.002
"""Seconds between two looks at the loop."""
TICKS_PER_LOOK: Final = 5
"""Memory is read less often than the loop is looked at, because reading it costs more."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two moments: seconds, seconds of CPU of the process, the most bytes of
    memory it had, and the lag of its event loop in seconds.

    The percentiles of the lag are over time, not over looks: a loop that is held up for 100 ms
    delays whatever becomes due meanwhile, and not just the one tick that noticed.
    """

    seconds: float
    cpu: float
    memory: int
    lag_p50: float
    lag_p99: float
    lag_max: float


class Gauge:
    """Watches the running loop from `__aenter__` on, from inside."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._memory: list[int] = []
        self._begun = self._cpu = 0.0
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    def cut(self) -> Window:
        """End a window and begin the next one."""
        lags = sorted(over_time(self._lags)) or [0.0]
        window = Window(
            seconds=time.perf_counter() - self._begun,
            cpu=time.process_time() - self._cpu,
            memory=max(self._memory, default=resident()),
            lag_p50=percentile(lags, 50),
            lag_p99=percentile(lags, 99),
            lag_max=lags[-1],
        )
        self._begin()
        return window

    def _begin(self) -> None:
        self._lags, self._memory = [], []
        self._begun, self._cpu = time.perf_counter(), time.process_time()

    async def _tick(self) -> None:
        count = 0
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK)
            self._lags.append(max(time.perf_counter() - begun - TICK, 0.0))
            count += 1
            if count % TICKS_PER_LOOK == 0:
                self._memory.append(resident())


def over_time(lags: Sequence[float]) -> Iterator[float]:
    """Yield the lag that ticks would have had if none had waited for the one before it."""
    for lag in lags:
        yield lag
        missed = lag - TICK
        while missed > 0:
            yield missed
            missed -= TICK


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of ascending figures, of which there is at least one."""
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def resident() -> int:
    """Return how many bytes of memory this process has now; where the system does not say so, the
    most it ever had.
    """
    with suppress(OSError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes everywhere but on macOS.
    return most if sys.platform == "darwin" else most * 1024
