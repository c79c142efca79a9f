"""Measuring the lag of an event loop."""

import asyncio
import time

from tests.bench.gauge import TICK, Gauge, over_time, percentile, resident


def test_a_stall_counts_for_everything_that_it_delays() -> None:
    """One tick that was three ticks late stands for three that would have been late."""
    lags = [round(lag / TICK, 3) for lag in over_time([3 * TICK, 0.0])]

    assert lags == [3.0, 2.0, 1.0, 0.0]


def test_percentiles_stay_inside() -> None:
    """The highest figure is every percentile that is higher."""
    figures = [1.0, 2.0, 3.0, 4.0]

    assert [percentile(figures, percent) for percent in (0, 50, 100)] == [1.0, 3.0, 4.0]


async def _turns() -> None:
    """Let all other tasks run a few times."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_window_sees_a_stall() -> None:
    """A loop that is held up for 50 ms shows it, in this interval and not in the next one."""
    async with Gauge() as gauge:
        await _turns()
        time.sleep(0.05)  # noqa: ASYNC251 -- holding up the loop is what is measured.
        await _turns()
        first = gauge.cut()
        second = gauge.cut()

    assert first.lag_max >= 0.04
    assert first.seconds >= 0.05
    assert second.lag_max == 0.0
    assert 0 < first.memory <= 2 * resident()
