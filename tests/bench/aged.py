"""A bot with a million old files in its ledger, in terms of one whose ledger is empty."""

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.adapters.ledger.database import Database, migrate
from bot.adapters.ledger.ledger import SqlLedger
from bot.jobs.reaper import ENDED_IN_A_STEP
from bot.sandbox.telegram.flood import FloodMode
from tests.bench.report import Sheet, spread
from tests.bench.rivals import OURS, Rival, running_rival

OLD_FILES: Final = 1_000_000
DAYS: Final = 29
"""The time over which they are spread: younger than `ledger.keep`, so that they stay."""
PEOPLE: Final = 50
FILES: Final = 100
SIZE: Final = 100_000
IDLE: Final = 5.0
"""Seconds that an idle bot is watched."""
_STEP: Final = 50_000
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds: CPU of a file of a burst, CPU up to the first poll, CPU of a second of rest, and
    the times until `/status` and `/stats` were answered.
    """

    file: float
    start: float
    rest: float
    status: float
    stats: float


NAMES: Final = {
    "file": "burst, CPU per file",
    "start": "CPU to the first poll",
    "rest": "idle, CPU per second",
    "status": "/status",
    "stats": "/stats",
}


def measure(pairs: int = 9, old_files: int = OLD_FILES) -> Sheet:
    """Let both do the same in turn, `pairs` times."""
    new, old = list[Run](), list[Run]()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        ledger = Path(name) / "old.db"
        make_old_ledger(ledger, old_files)
        for number in range(pairs):
            for place, runs, given in (("new", new, None), ("old", old, ledger)):
                folder = Path(name) / f"{place}{number}"
                runs.append(asyncio.run(_measure(folder, given)))
        size = ledger.stat().st_size
    rows = [_row(field, title, new, old) for field, title in NAMES.items()]
    notes = [f"{old_files} old files of the last {DAYS} days: {size / 1e6:.0f} MB. Medians."]
    columns = ("figure", "empty", "old", "ratio", "difference", "bar")
    return Sheet("aged: a ledger with many old files", columns, rows, notes)


def _row(field: str, title: str, new: Sequence[Run], old: Sequence[Run]) -> Sequence[str]:
    before = [getattr(run, field) for run in new]
    after = [getattr(run, field) for run in old]
    pairs = list(zip(after, before, strict=True))
    ratios = [one / max(other, 1e-6) for one, other in pairs]
    more = [(one - other) * 1000 for one, other in pairs]
    holds = sorted(ratios)[len(ratios) // 2] <= 1.1 or sorted(more)[len(more) // 2] <= 5
    milli = "{:.1f} ms"
    return (
        title,
        spread([one * 1000 for one in before], milli),
        spread([one * 1000 for one in after], milli),
        spread(ratios, "{:.2f} ×"),
        spread(more, "{:+.1f} ms"),
        f"<= 1.1 × or + 5 ms: {'holds' if holds else 'MISSED'}",
    )


async def _measure(folder: Path, ledger: Path | None) -> Run:
    await asyncio.to_thread(folder.mkdir)
    path = folder / "sent.bin"
    await asyncio.to_thread(path.write_bytes, os.urandom(SIZE))
    async with running_rival(OURS, folder, people=PEOPLE, ledger=ledger) as rival:
        start = rival.cpu()
        await rival.sandbox.telegram.set_flood(FloodMode.OFF)
        await rival.relay(path, 1)
        await asyncio.sleep(1)
        cpu = rival.cpu()
        await asyncio.sleep(IDLE)
        rest = (rival.cpu() - cpu) / IDLE
        cpu = rival.cpu()
        await rival.relay(path, FILES)
        file = (rival.cpu() - cpu) / FILES
        status, stats = await _ask(rival, "/status"), await _ask(rival, "/stats")
    await asyncio.to_thread((folder / "ledger.db").unlink)
    return Run(file, start, rest, status, stats)


async def _ask(rival: Rival, command: str) -> float:
    """Return the seconds until a command of the admin was answered; the best of three."""
    took = []
    for _ in range(3):
        await asyncio.sleep(1)
        person = rival.people[0]
        chat = rival.sandbox.telegram.private_chat(person)
        begun = time.perf_counter()
        sent = await chat.send_text(person, command)
        await chat.wait_for(".", after=sent)
        took.append(time.perf_counter() - begun)
    return min(took)


def make_old_ledger(path: Path, count: int, *, people: int = PEOPLE) -> None:
    """Make a ledger at `path` with `count` files that were relayed, answered and deleted, spread
    over the last days; those of the people of the bench among them.
    """
    migrate(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    now = time.time_ns() // 1000
    owners = [1001 + number for number in range(people)] + list(range(5000, 6000))
    for first in range(1, count + 1, _STEP):
        ids = range(first, min(first + _STEP, count + 1))
        connection.execute("BEGIN")
        _insert(connection, _rows(ids, count, now, owners))
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _insert(connection: sqlite3.Connection, made: dict[str, list[dict[str, Any]]]) -> None:
    for table, rows in made.items():
        holes, names = ", ".join("?" * len(rows[0])), ", ".join(rows[0])
        connection.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({holes})",  # noqa: S608 -- our own names.
            (tuple(row.values()) for row in rows),
        )


SIMULATED_DAYS: Final = 400
FILES_PER_DAY: Final = 2000
KEEP: Final = timedelta(days=30)
LARGEST: Final = 60_000_000
"""Bytes that the file of the ledger may have."""


def measure_size(days: int = SIMULATED_DAYS, per_day: int = FILES_PER_DAY) -> Sheet:
    """Let so many days pass, each with so many files, and look at the size of the ledger."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        path = Path(name) / "ledger.db"
        migrate(path)
        sizes = asyncio.run(_simulate(path, days, per_day))
    marks = sorted({min(day, days) for day in (10, 30, 40, 100, 200, days)})
    rows = [(f"day {day}", f"{sizes[day - 1] / 1e6:.1f} MB") for day in marks]
    holds = "holds" if max(sizes) <= LARGEST else "MISSED"
    rows.append(("largest", f"{max(sizes) / 1e6:.1f} MB (<= {LARGEST / 1e6:.0f} MB: {holds})"))
    title = f"size: {per_day} files a day, kept for {KEEP.days} days"
    return Sheet(title, ("after", "the ledger has"), rows)


async def _simulate(path: Path, days: int, per_day: int) -> list[int]:
    database, sizes = Database(path), list[int]()
    connection = sqlite3.connect(path, isolation_level=None)
    for day in range(1, days + 1):
        now = 20_000 * _DAY + day * _DAY
        ids = range((day - 1) * per_day + 1, day * per_day + 1)
        connection.execute("BEGIN")
        _insert(connection, _rows(ids, ids[-1], now, range(5000, 6000)))
        connection.execute("COMMIT")
        ledger, at = SqlLedger(database), datetime.fromtimestamp(now / 1e6, UTC)
        while await ledger.totals.remove_ended(at - KEEP, at, ENDED_IN_A_STEP):
            pass
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes.append(path.stat().st_size)
    connection.close()
    await database.close()
    return sizes


def _rows(
    ids: range, count: int, now: int, owners: Sequence[int]
) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {"answers": [], "jobs": [], "objects": []}
    for number, (answer, job, stored) in zip(ids, _files(ids, count, now, owners), strict=True):
        made["answers"].append({"id": number, **answer})
        made["jobs"].append({"id": number, "answer_id": number, **job})
        made["objects"].append({"id": number, "job_id": number, **stored})
    return made


def _files(
    ids: range, count: int, now: int, owners: Sequence[int]
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    for number in ids:
        at = now - _DAY - (count - number) * (DAYS - 1) * _DAY // count
        owner = random.choice(owners)  # noqa: S311 -- no secret.
        answer = {
            "chat_id": owner, "reply_to": number, "language": "en", "state": "sent", "tries": 0,
            "message_id": number, "changes": 1, "shown": 1, "attempts": 0,
        }  # fmt: skip
        job = {
            "bot_id": 1, "chat_id": owner, "message_id": number, "owner_id": owner,
            "file_unique_id": f"AgAD{number:012d}", "file_id": f"BQAC{number:060d}",
            "language": "en", "kind": "document", "name": f"report {number}.pdf",
            "mime_type": "application/pdf", "announced_size": SIZE, "state": "done", "attempt": 1,
            "failures": 0, "created_at": at - 1_000_000, "run_at": at - 1_000_000,
            "finished_at": at, "cancel_requested": 0, "crashes": 0, "boot_id": f"{1:036d}",
            "error_args": "{}", "size": SIZE, "sha256": f"{number:064x}",
        }  # fmt: skip
        stored = {
            "key": f"relay/1/{number:032x}/report.pdf", "state": "gone", "due_at": at + _DAY,
            "ending": "expired", "sweeps": 0, "gone_at": at + _DAY, "bucket": "relay-sandbox",
            "region": "cn-hongkong", "mode": "signed", "completed_at": at, "attempts": 1,
        }  # fmt: skip
        yield answer, job, stored
