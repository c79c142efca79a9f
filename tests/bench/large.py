"""A file of gigabytes through a Bot API server of one's own."""

import asyncio
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.gauge import Gauge, Window
from tests.bench.report import Sheet
from tests.bench.stage import answers, links, running_bot, running_sandbox

SIZE: Final = 2 << 30
MIB: Final = 1 << 20
GIB: Final = 1 << 30
IDLE: Final = 2.0
LAG_LIMIT: Final = 0.020
MEMORY_LIMIT: Final = 64 << 20
GIGABIT: Final = 110_000_000.0
"""Bytes per second that a line of a gigabit leaves to those who send."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The idle bot, the bot at work, an idle loop beside it, and the SHA-256 of the received
    bytes.
    """

    idle: Window
    busy: Window
    beside: Window
    received: str


def measure() -> Sheet:
    """Relay 2 GiB in local mode over both lines, fetch them through their links, and compare with
    the limits, which hold on a real line.
    """
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        path = Path(folder) / "large.bin"
        sent = _make(path)
        line = asyncio.run(_measure(Path(folder) / "line", path, GIGABIT))
        uncapped = asyncio.run(_measure(Path(folder) / "uncapped", path, None))
    columns = [_figures(out, sent) for out in (line, uncapped)]
    limits = {
        "bytes through the link": "the same",
        "memory over idle": f"≤ {MEMORY_LIMIT // MIB} MiB",
        "loop lag p99": f"≤ {LAG_LIMIT * 1000:.0f} ms: {_holds(line.busy.lag_p99 <= LAG_LIMIT)}",
    }
    rows = [
        (figure, *(column[figure] for column in columns), limits.get(figure, ""))
        for figure in columns[0]
    ]
    notes = [
        "Without a cap the processors are what is full: both halves, the hash and the stand-ins"
        " share them, as the idle loop beside shows."
    ]
    head = ("figure", "1 Gbit/s", "no cap", "limit on the line")
    return Sheet("large: 2 GiB in local mode", head, rows, notes)


def _figures(out: Outcome, sent: str) -> dict[str, str]:
    busy, growth = out.busy, out.busy.memory - out.idle.memory
    return {
        "bytes through the link": "the same" if out.received == sent else "OTHERS",
        "memory over idle": f"{growth / MIB:.1f} MiB",
        "loop lag p99": f"{busy.lag_p99 * 1000:.1f} ms",
        "… without waits for a processor": f"{busy.own_p99 * 1000:.1f} ms",
        "… of an idle loop beside": f"{out.beside.lag_p99 * 1000:.1f} ms",
        "CPU per GiB": f"{busy.cpu / SIZE * GIB:.2f} s",
        "time to the link": f"{busy.seconds:.1f} s",
        "rate": f"{SIZE / busy.seconds / MIB:.0f} MiB/s",
    }


def _holds(holds: bool) -> str:  # noqa: FBT001 -- the one thing it is about.
    return "holds" if holds else "MISSED"


async def _measure(folder: Path, path: Path, rate: float | None) -> Outcome:
    async with (
        running_sandbox(folder, "--local") as sandbox,
        running_bot(sandbox) as bot,
        Gauge() as beside,
    ):
        await sandbox.oss.set_shape(up_total=rate)
        await bot.window()
        await asyncio.sleep(IDLE)
        idle = await bot.window()
        beside.cut()
        first = await sandbox.chat.send_file(sandbox.user, content=path, name="large.bin")
        found = await answers(sandbox.chat, 1, after=first)
        busy, other = await bot.window(), beside.cut()
        received = await _fetch(links(found[0])[0].replace("&amp;", "&"))
    return Outcome(idle, busy, other, received)


def _make(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(SIZE // (8 * MIB)):
            block = os.urandom(8 * MIB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


async def _fetch(url: str) -> str:
    digest = hashlib.sha256()
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        async for block in answer.content.iter_chunked(MIB):
            digest.update(block)
    return digest.hexdigest()
