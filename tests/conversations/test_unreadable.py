"""Updates and answers that the library cannot read: the bot goes on, and loses nothing else."""

import json
import os
import re
import sqlite3
from typing import Any

import pytest

from bot.adapters.telegram import errors
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person

CONTENT = os.urandom(3_000)
SECRET = "a text that no log may have"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Telegram again at once; these waits are real seconds."""
    monkeypatch.setattr(errors, "LONGEST_WAIT", 0.01)


def odd(stage: LocalStack, method: str, result: str) -> Fault:
    """Let the next call of a method be answered with something else."""
    return stage.telegram.faults.add(Fault(method, Effect.ODD, args={"result": result}))


def dead_updates(stage: LocalStack) -> list[int]:
    """Return the ids of the updates that were set aside."""
    with sqlite3.connect(stage.folder / "relay.sqlite3") as ledger:
        rows = ledger.execute("select update_id from dead_updates").fetchall()
    ledger.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "message",
    [
        {"entities": [None]},
        {"date": 10**30},
        {"date": -(10**14)},
        {"from": {"id": 1}},
        {"document": [1]},
        SECRET,
        [],
    ],
    ids=str,
)
async def test_unreadable_update(
    stage: LocalStack, alice: Person, caplog: pytest.LogCaptureFixture, message: Any
) -> None:
    """It is put aside at once, with one line in the log; the updates beside it are served."""
    if isinstance(message, dict):
        message = {**alice.chat.new_message(alice.user).json(), "text": SECRET, **message}
    first = await alice.send(CONTENT)
    update_id = await stage.telegram.send_raw_update({"message": message})
    second = await alice.send(CONTENT)
    await alice.answered(first)
    await alice.answered(second)
    await alice.until(lambda: not stage.telegram.world.updates.waiting)
    logged = caplog.text
    (line,) = [line for line in logged.splitlines() if "unreadable update stored" in line]

    assert dead_updates(stage) == [update_id]
    assert f"'update': {update_id}" in line
    assert SECRET not in logged
    assert not {"Traceback", "exc_info"} & set(re.split(r"\W+", logged))


async def test_update_with_nothing_in_it(stage: LocalStack, alice: Person) -> None:
    """An update whose message is null is ignored like any other unsupported update."""
    await stage.telegram.send_raw_update({"message": None})
    await alice.answered(await alice.write("/help"))
    await alice.until(lambda: not stage.telegram.world.updates.waiting)

    assert dead_updates(stage) == []


@pytest.mark.parametrize("method", ["getMe", "getMyCommands", "getMyDescription", "getUpdates"])
@pytest.mark.parametrize("result", ["null", "{}", "[1]", "true"])
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
    odd(stage, "getUpdates", json.dumps([{}, 1, {"update_id": 10**30}, dead, whole]))
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
    await alice.answered(await alice.send(CONTENT))
    await alice.answered(await alice.write("/help"))

    assert fault.hits == 1


@pytest.mark.parametrize("result", ["null", "{}", "[1]"])
async def test_unreadable_answer_to_an_edit(stage: LocalStack, alice: Person, result: str) -> None:
    """The message was changed but the answer to the edit is unreadable; the bot goes on."""
    answer = await alice.answered(await alice.send(CONTENT))
    fault = odd(stage, "editMessageText", result)
    await alice.press(answer, "Delete now")
    await alice.until(lambda: fault.hits == 1)
    await alice.answered(await alice.write("/help"))

    assert not alice.shown(answer).buttons
