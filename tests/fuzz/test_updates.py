"""Mutated updates through the real application: each costs itself at most."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import pytest
from telegram import Update
from telegram.ext import Application

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import Message
from tests.conversations.people import Person, links_of
from tests.fuzz.mutations import Duty, Mutation, mutations
from tests.fuzz.samples import Ids

EACH: Final = 220
"""Mutations in one bot's life."""
BATCH: Final = 22
"""Mutations that one poll brings, together with one valid update."""
PATIENCE: Final = 90.0
"""Real seconds until what is still missing is called missing."""
A_MOMENT: Final = 0.05
"""Real seconds between two steps of the clock."""
STEP: Final = timedelta(seconds=2)
DEAD: Final = "select update_id from dead_updates where state = 'dead'"
HELP: Final = {
    "text": "/help",
    "entities": [{"type": "bot_command", "offset": 0, "length": 5}],
}


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Record when the library begins and ends to handle each update: its id, and which."""
    events: list[tuple[int, str]] = []
    original = Application.process_update

    async def recorded(self: Any, update: Update) -> None:
        events.append((update.update_id, "begun"))
        await original(self, update)
        events.append((update.update_id, "ended"))

    monkeypatch.setattr(Application, "process_update", recorded)
    return events


class Case:
    """A mutation that a person of its own sends."""

    def __init__(self, mutation: Mutation, person: Person, ids: Ids) -> None:
        self.mutation = mutation
        self.person = person
        self.update = mutation.update(ids)
        self.duty = mutation.duty(ids)
        self.update_id = 0
        self._ids = ids

    @property
    def chats(self) -> set[str]:
        """Return the chats in which a sentence about the update can be tried."""
        return {str(self._ids.person), str(self._chat_id)}

    @property
    def can_be_told(self) -> bool:
        """Return whether it can still be read whom to tell, and about which message."""
        message_id = self.update["message"].get("message_id") if self._has_message else None
        return (self._chat_id, message_id) == (self._ids.person, self._ids.message)

    @property
    def _has_message(self) -> bool:
        return isinstance(self.update.get("message"), dict)

    @property
    def _chat_id(self) -> Any:
        chat = self.update["message"].get("chat") if self._has_message else None
        return chat.get("id") if isinstance(chat, dict) else None


@dataclass
class Neighbour:
    """A valid update among a batch of mutations."""

    person: Person
    request: Message
    update_id: int
    batch: list[Case]


@dataclass
class Look:
    """Sees which duties are not done yet, from outside: in chats, requests, and rows set aside."""

    stage: LocalStack
    rows: sqlite3.Connection
    left: list[Case]
    read: int = 0
    addressed: set[str] = field(default_factory=set)

    def is_done(self) -> bool:
        """Return whether no duty is left."""
        self._read_log()
        self.left = [case for case in self.left if not _has_link(case)]
        found: set[int] = set()
        if self.left:
            found = {row[0] for row in self.rows.execute(DEAD)}
            self.left = [case for case in self.left if not self._is_told(case, found)]
        return not self.left

    def _is_told(self, case: Case, rows: set[int]) -> bool:
        if case.duty is Duty.LINK:
            return False
        has_sentence = not self.addressed.isdisjoint(case.chats)
        return has_sentence or (case.update_id in rows and not case.can_be_told)

    def _read_log(self) -> None:
        fresh = list(self.stage.telegram.log)[self.read :]
        self.read += len(fresh)
        sent = (entry for entry in fresh if entry.operation == "sendMessage")
        self.addressed |= {str(entry.params.get("chat_id")) for entry in sent}


def make_case(stage: LocalStack, mutation: Mutation) -> Case:
    """Return the mutation with the ids of a person, a message and a file that are there."""
    person = Person(stage)
    message = person.chat.new_message(person.user)
    person.chat.place(message, by_bot=True)  # So that there is no update of its own.
    file = stage.telegram.add_file(b"bytes").file
    return Case(mutation, person, Ids(person.id, message.id, file.file_id, file.unique_id))


def send(stage: LocalStack, batch: list[Case], person: Person) -> Neighbour:
    """Put a batch into the queue, and a valid update in its middle."""
    queue, middle = stage.telegram.world.updates, len(batch) // 2
    for case in batch[:middle]:
        case.update_id = queue.add_raw(case.update)
    request = person.chat.new_message(person.user)
    person.chat.place(request, by_bot=True)
    update_id = queue.add_raw({"message": {**request.json(), **HELP}})
    for case in batch[middle:]:
        case.update_id = queue.add_raw(case.update)
    return Neighbour(person, request, update_id, batch)


async def all_done(look: Look, neighbours: list[Neighbour], tries: list[tuple[int, str]]) -> None:
    """Wait until the neighbours have been handled, and then, with a clock that runs faster, until
    everything is done.

    Raises:
        TimeoutError: it is not after so long.
    """
    telegram = look.stage.telegram
    ended = {neighbour.update_id for neighbour in neighbours}
    await telegram.wait_for(
        lambda: ended <= {id_ for id_, what in tries if what == "ended"}, timeout=PATIENCE
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(TimeoutError):
                await telegram.wait_for(
                    lambda: all(map(_is_answered, neighbours)) and look.is_done(), timeout=A_MOMENT
                )
                return
            look.stage.clock.advance(STEP)


def comes_first(neighbour: Neighbour, tries: list[tuple[int, str]]) -> bool:
    """Return whether it was handled before anything of its batch was tried a second time."""
    if (neighbour.update_id, "ended") not in tries:
        return False
    handled = tries.index((neighbour.update_id, "ended"))
    before = [update_id for update_id, what in tries[:handled] if what == "begun"]
    return all(before.count(case.update_id) < 2 for case in neighbour.batch)


def _is_answered(neighbour: Neighbour) -> bool:
    return neighbour.person.answer_to(neighbour.request) is not None


def _has_link(case: Case) -> bool:
    return any(map(links_of, case.person.said))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 10))],
)
async def test_mutated_updates(stage: LocalStack, tries: list[tuple[int, str]], seed: int) -> None:
    """The process lives, valid neighbours come before second tries, and duties are done."""
    cases = [make_case(stage, mutation) for mutation in islice(mutations(seed), EACH)]
    people = [Person(stage, "Neighbour") for _ in range(EACH // BATCH)]
    last = Person(stage, "Last")
    await stage.start_bot(*(who.id for who in (*(case.person for case in cases), *people, last)))
    batches = [cases[start : start + BATCH] for start in range(0, EACH, BATCH)]
    neighbours = [send(stage, *pair) for pair in zip(batches, people, strict=True)]
    await stage.telegram.world.touch()
    with closing(sqlite3.connect(stage.folder / "relay.sqlite3")) as rows:
        look = Look(stage, rows, [case for case in cases if case.duty is not Duty.NOTHING])
        with suppress(TimeoutError):
            await all_done(look, neighbours, tries)
    await last.answered(await last.write("/help"))
    await stage.stop_bot()

    assert [it.update_id for it in neighbours if not _is_answered(it)] == []
    assert [it.update_id for it in neighbours if not comes_first(it, tries)] == []
    assert [f"{case.duty} for {case.mutation}" for case in look.left] == []
