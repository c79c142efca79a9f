"""Ten chats with twenty files each at once, and people who send one small file meanwhile."""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import EventKind, FloodMode, VisibleMessage
from tests.conversations.people import Person, fetch, links_of
from tests.fakes.ledger import is_in_a_file

CHATS = 10
FILES = 20
AT_ONCE = 8
SIZE = 200_000
RATE = 400_000.0
"""Bytes of the crowd's files on average, and bytes per second of each download: how long one
transfer takes is then no matter of the machine.
"""
SMALL = 2_000
OTHERS = 5


@dataclass
class Waits:
    """Real seconds: of a small file on an idle bot, of one transfer, of small files meanwhile."""

    idle: float
    transfer: float
    meanwhile: list[float]

    @property
    def bound(self) -> float:
        """What the worst wait may be."""
        return 2 * self.idle + self.transfer


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [FloodMode.REFUSE, FloodMode.DELAY])
async def test_ten_chats_with_twenty_files_each(stage: LocalStack, mode: FloodMode) -> None:
    """No flood limit is hit, every file is in exactly one answer, its link is right, and another
    user who sends a small file waits for one transfer at most.
    """
    stage.telegram.flood.mode = mode
    stage.telegram.shape.down_per_connection = RATE
    stage.more["RELAY_TRANSFER__AT_ONCE"] = str(AT_ONCE)
    crowd = [Person(stage, f"Sender {number}") for number in range(CHATS)]
    others = [Person(stage, f"Other {number}") for number in range(OTHERS)]
    early = [Person(stage, f"Early {number}") for number in range(3)]
    await stage.start_bot(*(person.id for person in [*crowd, *others, *early]))
    idle = await _usual_time(early, SMALL)
    transfer = await _usual_time(early, SIZE)
    began = time.monotonic()
    sent = await asyncio.gather(*(_send_all(person, n) for n, person in enumerate(crowd)))
    waits = Waits(idle, transfer, await _meanwhile(crowd, others))
    for person in crowd:
        await person.until(lambda person=person: len(_links(person)) >= FILES)  # type: ignore[misc]
    seconds = time.monotonic() - began
    fetched = await asyncio.gather(*(_fetch_all(person) for person in crowd))
    print(_figures(stage, crowd, mode, seconds, waits))  # noqa: T201 -- shown by `pytest -s`.

    assert sent == fetched
    assert [dict.fromkeys(files, 1) for files in sent] == [
        _mentions(person, files) for person, files in zip(crowd, sent, strict=True)
    ]
    assert stage.telegram.flood.hits == 0
    # In one process with a worker, and beside a server, the front is not alone with its time.
    assert max(waits.meanwhile) <= waits.bound * (1 if is_in_a_file(stage) else 3)


async def _send_all(person: Person, number: int) -> dict[str, bytes]:
    # Each of another size, or all transfers would begin and end together.
    size = SIZE * (15 + number) // (15 + CHATS // 2)
    files = {f"file {number:02}.bin": os.urandom(size) for number in range(FILES)}
    await asyncio.gather(*(person.send(content, name) for name, content in files.items()))
    return files


async def _time_of(person: Person, size: int) -> float:
    """Send a file and return the real seconds until its answer."""
    began = time.monotonic()
    await person.answered(await person.send(os.urandom(size), "single.bin"))
    return time.monotonic() - began


async def _usual_time(people: list[Person], size: int) -> float:
    """The middle one of several times, because the first file finds everything cold."""
    return median([await _time_of(person, size) for person in people])


async def _meanwhile(crowd: list[Person], others: list[Person]) -> list[float]:
    """Let people send one small file each, one after the other, while the crowd is served."""
    times = []
    for number, person in enumerate(others, 1):
        # Spread over the time that the crowd takes: each begins when so much of it is done.
        done = number * CHATS * FILES // (2 * len(others))
        await person.until(lambda done=done: sum(map(len, map(_links, crowd))) >= done)  # type: ignore[misc]
        times.append(await _time_of(person, SMALL))
    return times


def _links(person: Person) -> list[str]:
    return [url for answer in person.said for url in links_of(answer)]


async def _fetch_all(person: Person) -> dict[str | None, bytes]:
    opened = await asyncio.gather(*(fetch(url) for url in _links(person)))
    return {name: body for status, body, name in opened if status == 200}


def _mentions(person: Person, names: dict[str, bytes]) -> Counter[str]:
    answers: list[VisibleMessage] = [said for said in person.said if links_of(said)]
    return Counter(name for name in names for answer in answers if name in answer.text)


def _figures(
    stage: LocalStack, crowd: list[Person], mode: FloodMode, seconds: float, waits: Waits
) -> str:
    happened = Counter(e.what for p in crowd for e in p.chat.history if e.by_bot)
    meanwhile = ", ".join(f"{wait:.2f}" for wait in waits.meanwhile)
    return (
        f"{CHATS} chats x {FILES} files of about {SIZE} bytes, flood control {mode.value}:"
        f" {seconds:.1f} s, {happened[EventKind.SENT]} messages sent,"
        f" {happened[EventKind.EDITED]} edited, {happened[EventKind.DELETED]} deleted,"
        f" {stage.telegram.flood.hits} over a limit; a small file: {waits.idle:.2f} s idle,"
        f" {meanwhile} s meanwhile, at most {waits.bound:.2f} s allowed"
    )


STRANGERS = 1_500
MOST_LATER = 3.0
"""Real seconds that a crowd of strangers may cost a member."""


@pytest.mark.long
@pytest.mark.alone
async def test_strangers_write_once_each(stage: LocalStack, alice: Person) -> None:
    """A member who sends a file right after them waits hardly longer than alone, and few of them
    are told that they are strangers.
    """
    alone = await _usual_time([alice] * 3, SMALL)
    crowd = await stage.telegram.add_crowd(STRANGERS)
    crowded = await _time_of(alice, SMALL)
    told = sum(1 for chat in crowd if chat.bot_messages)
    print(f"alone {alone:.2f} s, behind {STRANGERS} strangers {crowded:.2f} s, {told} told")  # noqa: T201 -- shown by `pytest -s`.

    assert crowded <= alone + MOST_LATER
    assert 0 < told <= 30
