"""Mutated updates through the real application: each costs itself at most."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
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

EACH: Final = 88
"""Mutations in one bot's life."""
BATCH: Final = 22
"""Mutations that one poll brings, together with one valid update."""
PATIENCE: Final = 20.0
"""Real seconds until what is still missing is called missing."""
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


@dataclass
class Case:
    """A mutation that a person of its own sends."""

    mutation: Mutation
    person: Person
    ids: Ids
    update_id: int = 0

    @property
    def duty(self) -> Duty:
        """Return what the bot owes to it."""
        return self.mutation.duty(self.ids)


@dataclass
class Neighbour:
    """A valid update among a batch of mutations."""

    person: Person
    request: Message
    update_id: int
    batch: list[Case]


@dataclass
class Look:
    """Sees which duties are done, from outside: in chats, requests, and rows set aside."""

    stage: LocalStack
    rows: sqlite3.Connection
    read: int = 0
    addressed: set[str] = field(default_factory=set)

    def missing(self, cases: list[Case]) -> list[Case]:
        """Return those whose duty is not done (yet)."""
        self._read_log()
        left = [case for case in cases if not _has_link(case) and case.duty is not Duty.NOTHING]
        if not left:
            return []
        found = {row[0] for row in self.rows.execute("select update_id from dead_updates")}
        return [case for case in left if not self._is_done(case, found)]

    def _is_done(self, case: Case, rows: set[int]) -> bool:
        return case.duty is Duty.TOLD and (
            case.update_id in rows or not self.addressed.isdisjoint(_chats(case))
        )

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
        case.update_id = queue.add_raw(case.mutation.update(case.ids))
    request = person.chat.new_message(person.user)
    person.chat.place(request, by_bot=True)
    update_id = queue.add_raw({"message": {**request.json(), **HELP}})
    for case in batch[middle:]:
        case.update_id = queue.add_raw(case.mutation.update(case.ids))
    return Neighbour(person, request, update_id, batch)


async def all_done(look: Look, cases: list[Case], neighbours: list[Neighbour]) -> list[Case]:
    """Wait until everything is done, or for so long as makes sense; return what is missing."""
    telegram = look.stage.telegram

    def is_done() -> bool:
        return (
            not telegram.world.updates.waiting
            and all(map(_is_answered, neighbours))
            and not look.missing(cases)
        )

    with suppress(TimeoutError):
        await telegram.wait_for(is_done, timeout=PATIENCE)
    return look.missing(cases)


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


def _chats(case: Case) -> Iterator[str]:
    """Yield the chats in which a sentence about the update can be tried."""
    yield str(case.person.id)
    message = case.mutation.update(case.ids).get("message")
    chat = message.get("chat") if isinstance(message, dict) else None
    if isinstance(chat, dict):
        yield str(chat.get("id"))


@pytest.mark.parametrize("seed", range(5))
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
        missing = await all_done(Look(stage, rows), cases, neighbours)
    await last.answered(await last.write("/help"))
    await stage.stop_bot()

    assert [it.update_id for it in neighbours if not _is_answered(it)] == []
    assert [it.update_id for it in neighbours if not comes_first(it, tries)] == []
    assert [f"{case.duty} for {case.mutation}" for case in missing] == []
