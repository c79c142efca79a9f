"""The time that a link takes, relative to the two halves of the way."""

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.sandbox.telegram import ChatEvent, EventKind
from tests.bench.halves import Halves, measure_halves
from tests.bench.report import Sheet
from tests.bench.stage import (
    FILE_SIZE,
    Sandbox,
    answers,
    links,
    make_file,
    running_bot,
    running_sandbox,
)

RATE: Final = 4_000_000
"""Bytes per second of all downloads together, and of all uploads together."""
LIMIT: Final = 1.25
"""Times the slower half alone, from the message to the link."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An event on the way of the file, `at` seconds after the message."""

    what: str
    at: float


def measure() -> Sheet:
    """Relay one file and compare the time with that of its halves."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        halves, moments = asyncio.run(_measure(Path(folder)))
    rows = [_row(halves, moment) for moment in moments]
    took = moments[-1].at
    holds = "yes" if took <= LIMIT * halves.slower else "NO"
    rows.append(("limit for the link", f"≤ {LIMIT:.2f} ×", f"holds: {holds}"))
    notes = [
        f"{FILE_SIZE / 1e6:.0f} MB, downloads {RATE / 1e6:.0f} MB/s and uploads"
        f" {RATE / 1e6:.0f} MB/s in total. The halves alone, in the same run: a plain GET"
        f" {halves.download.seconds:.2f} s, our upload from disk {halves.upload.seconds:.2f} s.",
        "The stand-ins and the bot are processes of their own.",
    ]
    columns = ("from the message to …", "× the slower half alone", "× both halves in turn")
    return Sheet("overlap: one file, download and upload at the same time", columns, rows, notes)


def _row(halves: Halves, moment: Moment) -> tuple[str, str, str]:
    return (
        moment.what,
        f"{moment.at / halves.slower:.3f} ×",
        f"{moment.at / halves.together:.3f} ×",
    )


async def _measure(folder: Path) -> tuple[Halves, list[Moment]]:
    path = await asyncio.to_thread(make_file, folder)
    async with running_sandbox(folder / "sandbox") as sandbox:
        await sandbox.shape(RATE)
        halves = await measure_halves(sandbox, path)
        async with running_bot(sandbox):
            sent = await sandbox.chat.send_file(sandbox.user, content=path, name="both.bin")
            await answers(sandbox.chat, 1, after=sent)
            return halves, await _moments(sandbox, sent)


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
