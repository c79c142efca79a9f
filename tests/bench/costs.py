"""What a file costs a bot on several machines: CPU of each kind of process, transactions, WAL and
rows of the database, requests of OSS and calls of Telegram. ARCHITECTURE.md calculates with these
figures what a million files a day take.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.bench.processes import PROCESSORS
from tests.bench.report import Sheet
from tests.bench.workers import DONE, Stage, running_stage

SMALL: Final = 100_000
LARGE: Final = 10_000_000
COUNTS: Final = {SMALL: 300, LARGE: 60}
"""Files of each size, each from another person, so that every file has an answer of its own."""
WORKERS: Final = 2
REST: Final = 15.0
"""Seconds in which nothing happens."""
GROUPS: Final = ("front", "workers", "PostgreSQL")
CALLS: Final = ("sendMessage", "editMessageText")
"""Those that count for Telegram's limit of a bot."""
_DATABASE: Final = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
  (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)::bigint
"""
"""Numbers given to transactions that write, bytes of WAL, and bytes of tables with indexes."""
_END: Final = "UPDATE objects SET due_at = {now} + id * 80000 WHERE state = 'live'"
"""They end one after the other, as many a second as of a million a day."""
_LEFT: Final = "SELECT -count(*) FROM objects WHERE state != 'gone'"
_UNSAID: Final = """
SELECT -count(*) FROM jobs LEFT JOIN answers ON answers.id = answer_id
WHERE answers.state IS DISTINCT FROM 'sent' OR changes > shown
"""
"""Below 0 while there are objects, and jobs whose answer does not show how they are."""


@dataclass(frozen=True, slots=True)
class Count:
    """What has been used so far, by name: milliseconds, bytes or numbers."""

    at: float
    used: Mapping[str, float]

    @classmethod
    async def take(cls, stage: Stage) -> Self:
        """Count now."""
        cluster = stage.cluster
        cpu = stage.reading().groups
        writes, wal, rows = (await cluster.ask(_DATABASE))[0]
        calls = [await cluster.sandbox.telegram.log(name) for name in CALLS]
        return cls(
            time.perf_counter(),
            {
                **{f"CPU: {group}, ms": cpu[group] * 1000 for group in GROUPS},
                "transactions that write": writes,
                "WAL, KB": wal / 1000,
                "tables and indexes, KB": rows / 1000,
                "requests of OSS": (await cluster.sandbox.oss.stats())["requests"],
                "calls that count for Telegram's limit": sum(map(len, calls)),
            },
        )

    def of_each(self, before: Self, files: int) -> dict[str, float]:
        """Return what each of so many files has used since."""
        return {name: (value - before.used[name]) / files for name, value in self.used.items()}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a file of each size used, the end of one, and the shares of a processor at rest."""

    relayed: Mapping[int, Mapping[str, float]]
    ended: Mapping[str, float]
    at_rest: Mapping[str, float]
    writes_at_rest: float


async def _relay(stage: Stage, path: Path, count: int) -> dict[str, float]:
    before = await Count.take(stage)
    await stage.send(path, count)
    await stage.until(DONE, stage.sent)
    await stage.until(_UNSAID, 0)
    return (await Count.take(stage)).of_each(before, count)


async def _end(stage: Stage) -> dict[str, float]:
    before = await Count.take(stage)
    await stage.cluster.ask(_END.format(now=int(time.time() * 1e6)))
    await stage.until(_LEFT, 0)
    await stage.until(_UNSAID, 0)
    return (await Count.take(stage)).of_each(before, stage.sent)


async def _measure(folder: Path) -> Costs:
    paths = {size: folder / f"{size}.bin" for size in COUNTS}
    for size, path in paths.items():
        await asyncio.to_thread(path.write_bytes, os.urandom(size))
    settings = {"RELAY_LOG__LEVEL": "warning"}
    async with running_stage(folder / "costs", settings, people=max(COUNTS.values())) as stage:
        await stage.add_workers(WORKERS, rate=None, at_once=8)
        # The first files load what the others find loaded.
        await _relay(stage, paths[SMALL], 20)
        relayed = {size: await _relay(stage, paths[size], COUNTS[size]) for size in COUNTS}
        ended = await _end(stage)
        before = await Count.take(stage)
        await asyncio.sleep(REST)
        after = await Count.take(stage)
    rest = after.of_each(before, 1)
    seconds = after.at - before.at
    shares = {group: rest[f"CPU: {group}, ms"] / 1000 / seconds for group in GROUPS}
    return Costs(relayed, ended, shares, rest["transactions that write"] / seconds)


def measure() -> Sheet:
    """Measure small files, large ones, the end of their links, and rest."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        found = asyncio.run(_measure(Path(name)))
    small, large = found.relayed[SMALL], found.relayed[LARGE]
    rows = [
        (
            what,
            f"{small[what]:.1f}",
            f"{(large[what] - small[what]) / (LARGE - SMALL) * 1e6:.2f}",
            f"{found.ended[what]:.1f}",
        )
        for what in small
    ]
    rest = ", ".join(f"{group} {share:.1%}" for group, share in found.at_rest.items())
    notes = [
        f"{COUNTS[SMALL]} files of {SMALL // 1000} kB and {COUNTS[LARGE]} of {LARGE // 10**6} MB,"
        f" a front, {WORKERS} workers, PostgreSQL and both stand-ins on {PROCESSORS} processors."
        " The server does not write whole pages to its WAL.",
        f"At rest, of one processor: {rest}; {found.writes_at_rest:.1f} transactions a second"
        " that write.",
    ]
    return Sheet(
        "costs: what a file takes on several machines",
        ("of a file", f"{SMALL // 1000} kB", "more for each MB", "its end"),
        rows,
        notes,
    )
