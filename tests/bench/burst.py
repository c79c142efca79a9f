"""A burst of small files, and single ones on an idle bot, in terms of the straightforward bot."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.sandbox.telegram.flood import FloodMode
from tests.bench.report import Sheet, bar, spread
from tests.bench.rivals import AT_ONCE, OURS, STRAIGHTFORWARD, Rival, running_rival

FILES: Final = 300
BURSTS: Final = 4
"""Bursts of so many files in each run. How many writes of the ledger share a commit in one burst
is a matter of chance, by a third, and CPU follows the commits; over several it evens out.
"""
PEOPLE: Final = 50
SIZE: Final = 100_000
SINGLES: Final = 3
LATENCIES: Final = (0.0, 0.020)
"""Seconds that the stand-ins take for each request while single files are sent."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one bot took: CPU and wall time of a file of the bursts, commits, visits and statements
    of a file of them, and the time of a single file by latency; all times in seconds.
    """

    cpu: float
    wall: float
    commits: float
    visits: float
    statements: float
    single: Sequence[float]


def measure(pairs: int = 9) -> Sheet:
    """Let both bots relay the same files in turn, `pairs` times."""
    ours, others = list[Run](), list[Run]()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        for number in range(pairs):
            for who, runs in ((OURS, ours), (STRAIGHTFORWARD, others)):
                runs.append(asyncio.run(measure_one(who, Path(name) / f"{who}{number}")))
    columns = ("figure", "ours", "straightforward", "ratio", "bar")
    notes = [
        f"{BURSTS} times {FILES} files of {SIZE // 1000} kB from {PEOPLE} people, {AT_ONCE} at"
        f" once; {SINGLES}"
        " single files on the same bot. Medians and extremes of"
        f" {pairs} interleaved pairs, ratios of pairs; every bot has stand-ins of its own.",
    ]
    return Sheet("burst: many small files, and one", columns, _rows(ours, others), notes)


def _rows(ours: Sequence[Run], others: Sequence[Run]) -> list[Sequence[str]]:
    rows = [
        _row("CPU per file", [r.cpu for r in ours], [r.cpu for r in others], 1.2),
        _row("wall time per file", [r.wall for r in ours], [r.wall for r in others], 1.3),
    ]
    for index, (latency, most) in enumerate(zip(LATENCIES, (2.0, 1.1), strict=True)):
        name = f"one file, {latency * 1000:.0f} ms"
        rows.append(
            _row(name, [r.single[index] for r in ours], [r.single[index] for r in others], most)
        )
    for name, figures, most in (
        ("commits per file", [r.commits for r in ours], 3.0),
        ("visits to ledger threads per file", [r.visits for r in ours], 8.0),
    ):
        rows.append((name, spread(figures, "{:.2f}"), "", "", bar(figures, most, "{:.0f}")))
    statements = [r.statements for r in ours]
    rows.append(("statements per file", spread(statements, "{:.1f}"), "", "", ""))
    return rows


def _row(name: str, ours: Sequence[float], others: Sequence[float], most: float) -> Sequence[str]:
    ratios = [one / other for one, other in zip(ours, others, strict=True)]
    milli = "{:.1f} ms"
    return (
        name,
        spread([one * 1000 for one in ours], milli),
        spread([one * 1000 for one in others], milli),
        spread(ratios, "{:.2f} ×"),
        bar(ratios, most, "{:.1f} ×"),
    )


async def measure_one(who: str, folder: Path, *, ledger: Path | None = None) -> Run:
    """Run one bot and let it relay everything."""
    await asyncio.to_thread(folder.mkdir)
    path = folder / "sent.bin"
    await asyncio.to_thread(path.write_bytes, os.urandom(SIZE))
    async with running_rival(who, folder, people=PEOPLE, ledger=ledger) as rival:
        await rival.sandbox.telegram.set_flood(FloodMode.OFF)
        await rival.relay(path, 1)
        # What follows a single file is over before the burst begins.
        await asyncio.sleep(0.5)
        before, cpu, begun = await rival.counts(), rival.cpu(), time.perf_counter()
        for _ in range(BURSTS):
            await rival.relay(path, FILES)
        wall = time.perf_counter() - begun
        cpu, after = rival.cpu() - cpu, await rival.counts()
        # Figures of what is not counted would hold every bar.
        assert who != OURS or after.visits > before.visits
        count = BURSTS * FILES
        return Run(
            cpu=cpu / count,
            wall=wall / count,
            commits=(after.commits - before.commits) / count,
            visits=(after.visits - before.visits) / count,
            statements=(after.statements - before.statements) / count,
            single=[await _single(rival, path, latency) for latency in LATENCIES],
        )


async def _single(rival: Rival, path: Path, latency: float) -> float:
    await rival.sandbox.telegram.set_shape(latency=latency)
    await rival.sandbox.oss.set_shape(latency=latency)
    took = []
    for number in range(SINGLES):
        await asyncio.sleep(1.2)
        begun = time.perf_counter()
        person = rival.people[number]
        await rival.relay_one(person, path)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)
