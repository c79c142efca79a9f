"""Eight files at once: what it does to the event loop, to memory and to the processor."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.gauge import Gauge, Window
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
ROUNDS: Final = 3
"""The number of rounds, without a cap, in each of which all files are sent. One round takes two
seconds, which is too short for a percentile; and what happens in one of three must count.
"""
IDLE: Final = 2.0
"""Seconds that the bot is watched doing nothing."""
LAG_LIMIT: Final = 0.020
MEMORY_LIMIT: Final = 64 << 20
LAGS: Final = {
    "loop lag p50": "lag_p50",
    "loop lag max": "lag_max",
    "loop lag p99": "lag_p99",
    "… without waits for CPU": "own_p99",
}
MIB: Final = 1 << 20
GIB: Final = 1 << 30

Row = tuple[str, ...]
Windows = tuple[Window, Window]
"""That of the bot, and that of the idle loop beside it at the same time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The same bot idle, with files as fast as they come, and with files over a slow line; what an
    idle loop in this process had at the same time; and both halves of the same bytes without a
    bot.
    """

    idle: Window
    fast: Window
    slow: Window
    beside: tuple[Window, Window, Window]
    halves: Halves


def measure() -> Sheet:
    """Relay eight files at once, twice, and compare with the idle bot and with the limits."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        outcome = asyncio.run(_measure(Path(folder)))
    columns = ("figure", "no cap", f"{RATE / 1e6:.0f} MB/s in total", "limit", "reference")
    notes = [
        f"{FILES} files of {FILE_SIZE / 1e6:.0f} MB sent at once by one person, all relayed at"
        f" once. Idle: the same process after one file. No cap: {ROUNDS} rounds. Lag"
        " percentiles are over time, and the idle loop beside is one in another process.",
        "The stand-ins are a process of their own, but share the processors with the bot, and"
        " without a cap they take all that they get: part of the lag is a wait for a processor.",
    ]
    rows = [*_lag_rows(outcome), _memory_row(outcome), *_cost_rows(outcome)]
    return Sheet(f"load: {FILES} files at once", columns, rows, notes)


def _lag_rows(outcome: Outcome) -> Iterator[Row]:
    windows = (outcome.idle, outcome.fast, outcome.slow)
    for name, field in LAGS.items():
        idle, *lags = (getattr(window, field) for window in windows)
        limit = _lag_limit(outcome, max(lags)) if field == "lag_p99" else ""
        yield (name, *map(_ms, lags), limit, f"idle {_ms(idle)}")
    idle, *lags = (window.lag_p99 for window in outcome.beside)
    yield ("an idle loop beside, p99", *map(_ms, lags), "", f"then {_ms(idle)}")


def _lag_limit(outcome: Outcome, worst: float) -> str:
    references = (outcome.idle, *outcome.beside)
    if worst > LAG_LIMIT < max(window.lag_p99 for window in references):
        # A loop with nothing to do is late as well: the cause cannot be told.
        return f"≤ {_ms(LAG_LIMIT)}: idle loops miss it too"
    return _limit(LAG_LIMIT, worst, _ms)


def _memory_row(outcome: Outcome) -> Row:
    idle = outcome.idle.memory
    growth = [run.memory - idle for run in (outcome.fast, outcome.slow)]
    limit = _limit(MEMORY_LIMIT, max(growth), _mib)
    return ("memory over idle", *map(_mib, growth), limit, f"idle {_mib(idle)}")


def _cost_rows(outcome: Outcome) -> Iterator[Row]:
    alone, total = outcome.halves, FILES * FILE_SIZE
    fast, slow = outcome.fast.seconds / ROUNDS, outcome.slow.seconds
    times = (f"{fast / alone.together:.2f} ×", f"{slow / (total / RATE):.2f} ×")
    yield ("time to the last link", *times, "", "halves in turn; cap")
    # Watching costs too; the idle bot tells how much.
    idle = outcome.idle.cpu / outcome.idle.seconds
    spent = [run.cpu - idle * run.seconds for run in (outcome.fast, outcome.slow)]
    costs = [f"{cpu / total * GIB:.1f} s" for cpu in (spent[0] / ROUNDS, spent[1], alone.cpu)]
    yield ("CPU per GiB, over idle", *costs[:2], "", f"halves alone {costs[2]}")


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
        async with running_bot(sandbox, at_once) as bot, Gauge() as beside:
            run = Run(sandbox, bot, beside, path)
            await run.relay(1)
            idle = await run.idle()
            fast = await run.relay(FILES, rounds=ROUNDS)
            await sandbox.shape(RATE)
            slow = await run.relay(FILES)
    beside_them = (idle[1], fast[1], slow[1])
    return Outcome(idle[0], fast[0], slow[0], beside_them, halves)


@dataclass(frozen=True, slots=True)
class Run:
    """A bot at work, and an idle loop that is watched beside it."""

    sandbox: Sandbox
    bot: WatchedBot
    beside: Gauge
    path: Path

    async def idle(self) -> Windows:
        """Measure both doing nothing."""
        await self._cut()
        await asyncio.sleep(IDLE)
        return await self._cut()

    async def relay(self, count: int, *, rounds: int = 1) -> Windows:
        """Send so many files at once, and again when all have their links; return the windows that
        end with the last one.
        """
        await self._cut()
        for _ in range(rounds):
            await self._relay(count)
        return await self._cut()

    async def _relay(self, count: int) -> None:
        chat, user = self.sandbox.chat, self.sandbox.user
        sent = [
            await chat.send_file(user, content=self.path, name=f"{number}.bin")
            for number in range(count)
        ]
        await answers(chat, count, after=sent[0])

    async def _cut(self) -> Windows:
        return await self.bot.window(), self.beside.cut()
