"""Mutated answers of the Bot API through the real application: it goes on, at the start too."""

from datetime import timedelta
from itertools import islice
from typing import Final

import pytest

from bot.adapters.telegram import request
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import Message
from tests.conversations.leftovers import answered_later
from tests.conversations.people import Person
from tests.fuzz.mutations import Change, answer_changes
from tests.fuzz.samples import POLLING, RUNNING, STARTING

A_WHILE: Final = timedelta(minutes=1)
"""Longer than a file waits for its second try."""
POLLS: Final = 18
SEEDS: Final = (0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2)))
"""Each changes one answer of every method."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Telegram again at once; these waits are real seconds."""
    monkeypatch.setattr(request, "LONGEST_WAIT", 0.01)


def change_next(stage: LocalStack, method: str, change: Change) -> Fault:
    """Let the next answer of a method be changed."""
    return stage.telegram.faults.add(Fault(method, Effect.CHANGED, args=change.fault_args()))


@pytest.mark.parametrize("seed", SEEDS)
async def test_changed_answers_at_the_start(stage: LocalStack, seed: int) -> None:
    """With any answer to one of its first calls, the bot starts, and serves."""
    changes = answer_changes(seed, STARTING)
    for method, change in islice(changes, len(STARTING)):
        person = Person(stage)
        profile = stage.telegram.world.profile
        profile.commands.clear()
        profile.texts.clear()
        fault = change_next(stage, method, change)
        await stage.start_bot(person.id)
        await person.answered(await person.write("/help"))
        await person.until(lambda fault=fault: fault.hits == 1)  # type: ignore[misc]
        await stage.stop_bot()


@pytest.mark.parametrize("seed", SEEDS)
async def test_changed_answers(stage: LocalStack, seed: int) -> None:
    """After any answer to a call, the next request is served, and a file has its answer."""
    stage.more["RELAY_TELEGRAM__REACTIONS"] = "true"
    changes = list(islice(answer_changes(seed, RUNNING), len(RUNNING)))
    people = [Person(stage) for _ in changes]
    await stage.start_bot(*(person.id for person in people))
    for (method, change), person in zip(changes, people, strict=True):
        fault, sent = await provoke(stage, person, method, change)
        await person.until(lambda fault=fault: fault.hits == 1)  # type: ignore[misc]
        stage.clock.advance(A_WHILE)
        await answered_later(person, await person.write("/help"))
        if sent is not None:
            await answered_later(person, sent)


async def test_changed_polls(stage: LocalStack) -> None:
    """After any answer to a poll, the next requests are served."""
    changes = list(islice(answer_changes(0, POLLING), POLLS))
    people = [Person(stage) for _ in changes]
    await stage.start_bot(*(person.id for person in people))
    for (method, change), person in zip(changes, people, strict=True):
        await person.until(lambda: _is_polled(stage))
        fault = change_next(stage, method, change)
        # The poll that waits already is answered as it is; the next one is changed.
        await person.answered(await person.write("/help"))
        await person.until(lambda fault=fault: fault.hits == 1)  # type: ignore[misc]
        await person.write("/status")  # May be what the changed answer loses.
        await person.answered(await person.write("/help"))


async def provoke(
    stage: LocalStack, person: Person, method: str, change: Change
) -> tuple[Fault, Message | None]:
    """Let the bot call a method, whose answer is changed; return the file that was sent for it."""
    if method == "leaveChat":
        fault = change_next(stage, method, change)
        stranger = stage.telegram.add_user("Stranger")
        await stage.telegram.add_group("Foreign", stranger, bot="left").invite_bot(stranger)
    elif method in {"editMessageText", "answerCallbackQuery"}:
        answer = await person.answered(await person.send(b"bytes"))
        fault = change_next(stage, method, change)
        await person.chat.press(person.user, answer, "Delete now")
    else:
        fault = change_next(stage, method, change)
        return fault, await person.send(b"bytes")
    return fault, None


def _is_polled(stage: LocalStack) -> bool:
    """Return whether a poll waits that no later fault applies to."""
    polls = stage.telegram.log.of("getUpdates")
    return bool(polls) and polls[-1].status == 0
