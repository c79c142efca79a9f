"""Updates and answers that the library cannot read: the bot goes on, and loses nothing else."""

import json
import os
import re
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from telegram import Message

from bot.adapters.telegram import handlers, intake, request
from bot.adapters.telegram.contents import find_files
from bot.core.files import MessageFiles
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram.model import CallbackQuery
from tests.conversations.leftovers import answered_later
from tests.conversations.people import Person, link_of
from tests.fakes.ledger import execute, place_of

CONTENT = os.urandom(3_000)
SECRET = "a text that no log may have"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Telegram again at once; these waits are real seconds."""
    monkeypatch.setattr(request, "LONGEST_WAIT", 0.01)


def odd(stage: LocalStack, method: str, result: str) -> Fault:
    """Let the next call of a method be answered with something else."""
    return stage.telegram.faults.add(Fault(method, Effect.ODD, args={"result": result}))


def dead_updates(stage: LocalStack) -> list[int]:
    """Return the ids of the updates that were set aside."""
    return [row[0] for row in _rows(stage, "select update_id from dead_updates")]


def failing(stage: LocalStack) -> list[tuple[int, str, int]]:
    """Return id, state and tries of the updates that failed."""
    return _rows(stage, "select update_id, state, attempts from dead_updates")


def bodies(stage: LocalStack) -> str:
    """Return what is kept of the updates that failed."""
    return str(_rows(stage, "select body, error from dead_updates"))


def _rows(stage: LocalStack, statement: str) -> list[Any]:
    return execute(place_of(stage), statement)


async def fetched(url: str) -> bytes:
    """Fetch what a link opens."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.read()


@pytest.mark.parametrize(
    "change",
    [
        {"forward_origin": {"type": "hidden_user", "date": 1}},
        {"caption_entities": [None]},
        {"date": 10**30},
        {"date": -(10**14)},
        {"from": {"id": 1 << 70}},
        {"from": None},
        {"reply_to_message": {"message_id": 1}},
        {"reply_markup": {"inline_keyboard": 5}},
        {"chat": {"type": None}},
        {"document": {"file_size": "many", "thumbnail": 1}},
        {"document": {"file_name": 5, "mime_type": []}},
        {"from": {"language_code": [1]}},
    ],
    ids=str,
)
async def test_file_with_a_part_that_cannot_be_read(
    stage: LocalStack, alice: Person, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """The part is not needed: the file gets its link."""
    monkeypatch.setattr(intake, "FIRST_WAIT", 0.001)
    whole = await alice.send(CONTENT)
    answer = await alice.answered(whole)
    again = alice.chat.new_message(alice.user)
    alice.chat.place(again, by_bot=True)  # So that the bot is told only what follows.
    message = whole.json() | {"message_id": again.id}
    for name, value in change.items():
        nested = (
            isinstance(value, dict) and name in {"chat", "document", "from"} and "id" not in value
        )
        message[name] = message[name] | value if nested else value
    await stage.telegram.send_raw_update({"message": message})
    other = await alice.answered(again)

    assert link_of(other) != link_of(answer)
    assert await fetched(link_of(other)) == CONTENT
    assert dead_updates(stage) == []


async def test_message_that_fails_while_it_is_handled(
    stage: LocalStack, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up no other, is tried five times across a restart, then set aside without its text;
    its sender is told.
    """
    update = alice.chat.new_message(alice.user).json() | {"text": SECRET}
    monkeypatch.setattr(intake, "FIRST_WAIT", 3600.0)

    def find(message: Message) -> MessageFiles:
        if message.text == SECRET:
            raise MemoryError("no room")
        return find_files(message)

    monkeypatch.setattr(handlers, "find_files", find)
    update_id = await stage.telegram.send_raw_update({"message": update})
    await alice.answered(await alice.send(CONTENT))
    await alice.until(lambda: not stage.telegram.world.updates.waiting)
    first = failing(stage)
    await stage.stop_bot()
    stage.clock.advance(timedelta(hours=1))
    monkeypatch.setattr(intake, "FIRST_WAIT", 0.001)
    await stage.start_bot(alice.id)
    await alice.until(lambda: any("could not process" in said.text for said in alice.said))
    await alice.answered(await alice.write("/help"))

    assert first == [(update_id, "failing", 1)]
    assert failing(stage) == [(update_id, "dead", 5)]
    assert SECRET not in bodies(stage)


@pytest.mark.parametrize("message", [{"document": [1]}, {"chat": 5}, SECRET, []], ids=str)
async def test_unreadable_update(
    stage: LocalStack, alice: Person, caplog: pytest.LogCaptureFixture, message: Any
) -> None:
    """It is put aside at once, with one line in the log; the updates beside it are served. Its
    sender is told if it can be read who that is.
    """
    if isinstance(message, dict):
        message = {**alice.chat.new_message(alice.user).json(), "text": SECRET, **message}
    await alice.send(CONTENT)
    update_id = await stage.telegram.send_raw_update({"message": message})
    await alice.send(CONTENT)
    # One message may answer both files: what the sender is told takes from the same rate limit.
    await alice.until(
        lambda: sum(len(re.findall(r"(?<!/)a\.bin", said.text)) for said in alice.said) == 2
    )
    await alice.until(lambda: not stage.telegram.world.updates.waiting)
    logged = caplog.text
    (line,) = [line for line in logged.splitlines() if "update set aside" in line]

    told = int(isinstance(message, dict) and "document" in message)
    await alice.until(lambda: len(alice.said) > told)
    await alice.until(lambda: sum("could not process" in said.text for said in alice.said) >= told)

    assert sum("could not process" in said.text for said in alice.said) == told
    assert dead_updates(stage) == [update_id]
    assert SECRET not in bodies(stage)
    assert f"'update': {update_id}" in line
    assert SECRET not in logged
    assert not {"Traceback", "exc_info"} & set(re.split(r"\W+", logged))


@pytest.mark.parametrize(
    ("change", "told"),
    [({"message": None}, True), ({"from": {"id": "x"}}, True), ({"id": 5}, False)],
    ids=str,
)
async def test_press_that_cannot_be_read(
    stage: LocalStack, alice: Person, change: dict[str, Any], *, told: bool
) -> None:
    """The app stops waiting and shows a sentence, where the query can be read."""
    answer = await alice.answered(await alice.send(CONTENT))
    query = CallbackQuery(alice.chat.require(answer.id), alice.user, "?", stage.clock.now())
    stage.telegram.world.queries[query.id] = query
    update_id = await stage.telegram.send_raw_update({"callback_query": query.json() | change})
    await alice.until(lambda: dead_updates(stage) == [update_id])
    await alice.answered(await alice.write("/help"))
    if told:
        await alice.until(lambda: query.answer is not None)

    assert told == (query.answer is not None and "could not process" in query.answer.text)


async def test_update_with_nothing_in_it(stage: LocalStack, alice: Person) -> None:
    """An update whose message is null is ignored like any other unsupported update."""
    await stage.telegram.send_raw_update({"message": None})
    await alice.answered(await alice.write("/help"))
    await alice.until(lambda: not stage.telegram.world.updates.waiting)

    assert dead_updates(stage) == []


AT_THE_START = ("getMe", "getMyCommands", "getMyDescription", "getUpdates")
ODD = ("null", "{}", "[1]", "true")


@pytest.mark.parametrize(
    ("method", "result"),
    [
        pytest.param(method, result, marks=[] if row == column else pytest.mark.long)
        for row, method in enumerate(AT_THE_START)
        for column, result in enumerate(ODD)
    ],
)
async def test_unreadable_answer_at_the_start(
    stage: LocalStack, caplog: pytest.LogCaptureFixture, method: str, result: str
) -> None:
    """The bot starts all the same, and listens."""
    fault = odd(stage, method, result)
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.write("/help"))

    assert fault.hits == 1
    assert not {"Traceback", "exc_info"} & set(re.split(r"\W+", caplog.text))


async def test_update_without_an_id(stage: LocalStack) -> None:
    """An update that cannot be confirmed is passed over; the one beside it is served."""
    alice = Person(stage)
    request = alice.chat.new_message(alice.user)
    alice.chat.place(request, by_bot=True)  # So that the bot is told only what follows.
    dead = {"update_id": 6, "message": "half a pair of surrogates: \ud800"}
    whole = {"update_id": 7, "message": request.json() | {"text": "/help"}}
    ids = [{"update_id": id_, "message": 5} for id_ in (10**30, 1 << 31, True, -1)]
    odd(stage, "getUpdates", json.dumps([{}, 1, *ids, dead, whole]))
    await stage.start_bot(alice.id)
    await stage.telegram.send_raw_update({})  # Ends the poll.
    await alice.answered(request)

    assert dead_updates(stage) == [6]


@pytest.mark.parametrize("result", ["null", "{}", "[1]", "true"])
async def test_unreadable_answer_to_a_message(
    stage: LocalStack, alice: Person, result: str
) -> None:
    """The message may have been placed; the bot goes on."""
    fault = odd(stage, "sendMessage", result)
    await answered_later(alice, await alice.send(CONTENT))
    await answered_later(alice, await alice.write("/help"))

    assert fault.hits == 1


@pytest.mark.parametrize("result", ["null", "{}", "[1]"])
async def test_unreadable_answer_to_an_edit(stage: LocalStack, alice: Person, result: str) -> None:
    """The message was changed but the answer to the edit is unreadable; the bot goes on."""
    answer = await alice.answered(await alice.send(CONTENT))
    fault = odd(stage, "editMessageText", result)
    await alice.press(answer, "Delete now")
    await alice.until(lambda: fault.hits == 1)
    await answered_later(alice, await alice.write("/help"))

    assert not alice.shown(answer).buttons
