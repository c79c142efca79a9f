"""Eight files at once: what it does to the event loop, to memory and to the processor."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.gauge import Window
from tests.bench.halves import Halves, measure_halves
from tests.bench.report import Sheet
from tests.bench.stage import (
    FILE_SIZE,
    Sandbox,
    WatchedBot,
    answers,
    make_file,
    running_bot,
    running_sandbox,
)

FILES: Final = 8
RATE: Final = 10_000_000
"""Bytes per second of all downloads together, and of all uploads together, where they are
slowed down.
"""
IDLE: Final = 2.0
"""Seconds that the bot is watched doing nothing."""
LAG_LIMIT: Final = 0.020
MEMORY_LIMIT: Final = 64 << 20
MIB: Final = 1 << 20
GIB: Final = 1 << 30

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The same bot idle, with files as fast as they come, and with files over a slow line; and
    both halves of the same bytes without a bot.
    """

    idle: Window
    fast: Window
    slow: Window
    halves: Halves


def measure() -> Sheet:
    """Relay eight files at once, twice, and compare with the idle bot and with the limits."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        outcome = asyncio.run(_measure(Path(folder)))
    columns = ("figure", "no cap", f"{RATE / 1e6:.0f} MB/s in total", "limit", "reference")
    notes = [
        f"{FILES} files of {FILE_SIZE / 1e6:.0f} MB sent at once by one person, all relayed at"
        " once. Idle: the same process after one file. Lag percentiles are over time.",
        "The stand-ins are a process of their own, but share the processors with the bot: without"
        " a cap they take all that is left, so the lag there is that of a busy machine.",
    ]
    rows = [*_lag_rows(outcome), _memory_row(outcome), *_cost_rows(outcome)]
    return Sheet(f"load: {FILES} files at once", columns, rows, notes)


def _lag_rows(outcome: Outcome) -> Iterator[Row]:
    for name in ("p50", "p99", "max"):
        idle, *lags = (
            getattr(window, f"lag_{name}") for window in (outcome.idle, outcome.fast, outcome.slow)
        )
        limit = _limit(LAG_LIMIT, max(lags), _ms) if name == "p99" else ""
        yield (f"loop lag {name}", *map(_ms, lags), limit, f"idle {_ms(idle)}")


def _memory_row(outcome: Outcome) -> Row:
    idle = outcome.idle.memory
    growth = [run.memory - idle for run in (outcome.fast, outcome.slow)]
    limit = _limit(MEMORY_LIMIT, max(growth), _mib)
    return ("memory over idle", *map(_mib, growth), limit, f"idle {_mib(idle)}")


def _cost_rows(outcome: Outcome) -> Iterator[Row]:
    runs, alone, total = (outcome.fast, outcome.slow), outcome.halves, FILES * FILE_SIZE
    needed = (alone.together, total / RATE)
    times = [f"{run.seconds / by:.2f} ×" for run, by in zip(runs, needed, strict=True)]
    yield ("time to the last link", *times, "", "the halves in turn; what the cap allows")
    costs = [f"{cpu / total * GIB:.1f} s" for cpu in (*(run.cpu for run in runs), alone.cpu)]
    yield ("CPU per GiB", *costs[:2], "", f"the halves alone {costs[2]}")


def _limit(limit: float, worst: float, shown: Callable[[float], str]) -> str:
    return f"≤ {shown(limit)}: {'holds' if worst <= limit else 'MISSED'}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _mib(size: float) -> str:
    return f"{size / MIB:.1f} MiB"


async def _measure(folder: Path) -> Outcome:
    path = await asyncio.to_thread(make_file, folder)
    at_once = {"RELAY_TRANSFER__AT_ONCE": str(FILES), "RELAY_TRANSFER__PER_OWNER": str(FILES)}
    async with running_sandbox(folder / "sandbox") as sandbox:
        halves = await measure_halves(sandbox, path, times=FILES)
        async with running_bot(sandbox, at_once) as bot:
            await _relay(sandbox, bot, path, 1)
            await asyncio.sleep(IDLE)
            idle = await bot.window()
            fast = await _relay(sandbox, bot, path, FILES)
            await sandbox.shape(RATE)
            slow = await _relay(sandbox, bot, path, FILES)
    return Outcome(idle, fast, slow, halves)


async def _relay(sandbox: Sandbox, bot: WatchedBot, path: Path, count: int) -> Window:
    """Send so many files at once; return the window that ends with the last link."""
    await bot.window()
    sent = [
        await sandbox.chat.send_file(sandbox.user, content=path, name=f"{number}.bin")
        for number in range(count)
    ]
    await answers(sandbox.chat, count, after=sent[0])
    return await bot.window()
