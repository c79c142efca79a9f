"""The time that a link takes, relative to the two halves of the way."""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.sandbox.telegram import ChatEvent, EventKind
from tests.bench.halves import Halves, measure_halves
from tests.bench.report import Sheet, bar, spread
from tests.bench.stage import (
    FILE_SIZE,
    Sandbox,
    answers,
    links,
    make_file,
    running_bot,
    running_sandbox,
)

LINES: Final = {
    "alike": (5_000_000, 5_000_000),
    "download 4 × slower": (6_000_000, 24_000_000),
    "upload 4 × slower": (24_000_000, 6_000_000),
}
"""Bytes per second of all downloads together, and of all uploads together."""
LIMIT: Final = 1.08
"""Times the slower half alone, from the message to the link."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An event on the way of the file, `at` seconds after the message."""

    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Run:
    """One file, and the halves of its way alone right before."""

    halves: Halves
    moments: Sequence[Moment]

    @property
    def ratio(self) -> float:
        """The time to the link in terms of the slower half alone."""
        return self.moments[-1].at / self.halves.slower


def measure(pairs: int = 9) -> Sheet:
    """Relay a file `pairs` times over each line, and compare the time with that of its halves."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), pairs))
    rows = [_row(line, runs) for line, runs in found.items()]
    notes = [
        f"{FILE_SIZE / 1e6:.0f} MB. The halves alone, right before each file: a plain GET, and our"
        " upload from disk. The stand-ins and the bot are processes of their own.",
        _course(found["alike"]),
    ]
    columns = ("line", "the slower half", "to the link", "ratio", "bar")
    return Sheet("overlap: one file, download and upload at the same time", columns, rows, notes)


def _row(line: str, runs: Sequence[Run]) -> Sequence[str]:
    ratios = [run.ratio for run in runs]
    return (
        line,
        spread([run.halves.slower for run in runs], "{:.2f} s"),
        spread([run.moments[-1].at for run in runs], "{:.2f} s"),
        spread(ratios, "{:.3f} ×"),
        bar(ratios, LIMIT, "{:.2f} ×"),
    )


def _course(runs: Sequence[Run]) -> str:
    """Return when what happened, in the run in the middle."""
    run = sorted(runs, key=lambda run: run.ratio)[len(runs) // 2]
    moments = [f"{moment.what} {moment.at:.2f} s" for moment in run.moments]
    return f"Alike, the run in the middle: {', '.join(moments)}."


async def _measure(folder: Path, pairs: int) -> dict[str, list[Run]]:
    path = await asyncio.to_thread(make_file, folder)
    found: dict[str, list[Run]] = {line: [] for line in LINES}
    async with running_sandbox(folder / "sandbox") as sandbox:
        for _ in range(pairs):
            for line, (down, up) in LINES.items():
                await sandbox.telegram.set_shape(down_total=down)
                await sandbox.oss.set_shape(up_total=up)
                found[line].append(await _run(sandbox, path))
    return found


async def _run(sandbox: Sandbox, path: Path) -> Run:
    halves = await measure_halves(sandbox, path)
    async with running_bot(sandbox):
        sent = await sandbox.chat.send_file(sandbox.user, content=path, name="both.bin")
        await answers(sandbox.chat, 1, after=sent)
        return Run(halves, await _moments(sandbox, sent))


async def _moments(sandbox: Sandbox, sent: int) -> list[Moment]:
    history = await sandbox.chat.history()
    begun = next(event.at for event in history if event.message.id == sent)
    asked = [entry for entry in await sandbox.telegram.log() if _at(entry) >= begun]
    stored = [entry for entry in await sandbox.oss.log() if _at(entry) >= begun]
    told = next(event.at for event in history if _is_answer(event, sent))
    found = {
        "the question for the file": _first(asked, "getFile"),
        "the first part on its way": _first(stored, "UploadPart"),
        "the last part on its way": _first(reversed(stored), "UploadPart"),
        "the end of the upload": _first(stored, "CompleteMultipartUpload"),
        "the link": told,
    }
    return [Moment(what, (at - begun).total_seconds()) for what, at in found.items()]


def _is_answer(event: ChatEvent, sent: int) -> bool:
    message = event.message
    return (
        event.what is EventKind.SENT
        and event.by_bot
        and message.id > sent
        and links(message) != []
    )


def _at(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(entry["at"]))


def _first(entries: Iterable[dict[str, Any]], operation: str) -> datetime:
    return next(_at(entry) for entry in entries if entry["operation"] == operation)
