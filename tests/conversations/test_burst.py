"""Fifty files at once from one person, under flood control."""

import asyncio
import os
import time
from collections import Counter

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import EventKind, FloodMode, VisibleMessage
from tests.conversations.leftovers import let_time_pass
from tests.conversations.people import Person, fetch, links_of

MB = 1_000_000
FILES = 50


@pytest.mark.parametrize("mode", [FloodMode.REFUSE, FloodMode.DELAY])
async def test_fifty_files_at_once(stage: LocalStack, alice: Person, mode: FloodMode) -> None:
    """All links are right, every job is in exactly one answer, no limit is hit, and `/status` is
    answered within a second meanwhile.
    """
    stage.telegram.flood.mode = mode
    files = {f"file {number:02}.bin": os.urandom(MB) for number in range(FILES)}
    began = time.monotonic()
    await asyncio.gather(*(alice.send(content, name) for name, content in files.items()))
    await alice.until(lambda: any(links_of(answer) for answer in alice.said))
    overview, latency = await _ask_for_status(alice)
    answers = await _all_answers(alice, overview, hurried=mode is FloodMode.DELAY)
    seconds = time.monotonic() - began
    await alice.until(lambda: not alice.status_messages)
    fetched = await _fetch_all(answers)
    print(_figures(alice, mode, answers, seconds, latency))  # noqa: T201 -- shown by `pytest -s`.

    assert files == fetched
    assert dict.fromkeys(files, 1) == _mentions(answers, files)
    assert max(len(answer.text) for answer in answers) < 4096
    assert stage.telegram.flood.hits == 0
    assert latency < 1.0
    assert not stage.bucket.uploads
    assert not list((stage.folder / "spool").glob("*"))


async def _ask_for_status(alice: Person) -> tuple[VisibleMessage, float]:
    """Ask while transfers run; return what was said and the real seconds it took."""
    asked = time.monotonic()
    overview = await alice.answered(await alice.write("/status"))
    return overview, time.monotonic() - asked


async def _all_answers(
    alice: Person, overview: VisibleMessage, *, hurried: bool
) -> list[VisibleMessage]:
    """Wait until every file has its link, and return the messages that have them. `hurried` lets
    the clock run ahead, by which both sides measure what a chat can take.
    """

    def answers() -> list[VisibleMessage]:
        return [said for said in alice.said if said.id != overview.id]

    def are_complete() -> bool:
        return sum(len(links_of(answer)) for answer in answers()) >= FILES

    await (let_time_pass(alice, are_complete) if hurried else alice.until(are_complete))
    return answers()


async def _fetch_all(answers: list[VisibleMessage]) -> dict[str | None, bytes]:
    urls = [url for answer in answers for url in links_of(answer)]
    opened = await asyncio.gather(*(fetch(url) for url in urls))
    return {name: body for status, body, name in opened if status == 200}


def _mentions(answers: list[VisibleMessage], names: dict[str, bytes]) -> Counter[str]:
    return Counter(name for name in names for answer in answers if name in answer.text)


def _figures(
    alice: Person, mode: FloodMode, answers: list[VisibleMessage], seconds: float, latency: float
) -> str:
    happened = Counter(event.what for event in alice.chat.history if event.by_bot)
    longest = max(len(answer.text) for answer in answers)
    return (
        f"{FILES} files of {MB} bytes, flood control {mode.value}: {seconds:.1f} s,"
        f" {len(answers)} answers (longest {longest} characters), /status after {latency:.3f} s,"
        f" {happened[EventKind.SENT]} messages sent, {happened[EventKind.EDITED]} edited,"
        f" {happened[EventKind.DELETED]} deleted"
    )
