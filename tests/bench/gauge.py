"""Lag, memory and CPU of an event loop and its process, interval by interval."""

import asyncio
import itertools
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

TICK: Final = 0.002
"""Seconds between two looks at the loop."""
TICKS_PER_LOOK: Final = 5
"""Memory is read less often than the loop is looked at, because reading it costs more."""


@dataclass(frozen=True, slots=True)
class Window:
    """Measurements between two times: seconds, seconds of CPU of the process, the most bytes of
    memory it had, and the lag of its event loop in seconds.

    The percentiles of the lag are over time, not over looks: a loop that is held up for 100 ms
    delays everything that becomes due meanwhile, and not just the one tick that noticed. `own_p99`
    leaves out what the loop's thread spent waiting for a processor while others had them.
    """

    seconds: float
    cpu: float
    memory: int
    lag_p50: float
    lag_p99: float
    lag_max: float
    own_p99: float


class Gauge:
    """Measures the running loop from `__aenter__` on, from inside."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._own: list[float] = []
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
        """End an interval and begin the next one."""
        lags, own = sorted(over_time(self._lags)), sorted(over_time(self._own))
        window = Window(
            seconds=time.perf_counter() - self._begun,
            cpu=time.process_time() - self._cpu,
            memory=max(self._memory, default=resident()),
            lag_p50=percentile(lags, 50),
            lag_p99=percentile(lags, 99),
            lag_max=percentile(lags, 100),
            own_p99=percentile(own, 99),
        )
        self._begin()
        return window

    def _begin(self) -> None:
        self._lags, self._own, self._memory = [], [], []
        self._begun, self._cpu = time.perf_counter(), time.process_time()

    async def _tick(self) -> None:
        for count in itertools.count():
            begun, waited = time.perf_counter(), waited_for_processor()
            await asyncio.sleep(TICK)
            lag = max(time.perf_counter() - begun - TICK, 0.0)
            self._lags.append(lag)
            self._own.append(max(lag - (waited_for_processor() - waited), 0.0))
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
    """Return a percentile of ascending figures; 0 if there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def resident() -> int:
    """Return how many bytes of memory this process has now; where the system does not say so, the
    most it ever had.
    """
    figures = _kernel("statm")
    if figures:
        return int(figures[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes everywhere but on macOS.
    return most if sys.platform == "darwin" else most * 1024


def waited_for_processor() -> float:
    """Return the seconds that the main thread was ready to run and did not; 0 where the system
    does not count them.

    Source: the Linux kernel's documentation, "Scheduler Statistics", /proc/<pid>/schedstat.
    """
    figures = _kernel("schedstat")
    return int(figures[1]) / 1e9 if figures else 0.0


def _kernel(name: str) -> list[bytes]:
    # Without Python's files, because looking must not cost more than what is looked at.
    try:
        file = os.open(f"/proc/self/{name}", os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(file, 256).split()
    finally:
        os.close(file)
