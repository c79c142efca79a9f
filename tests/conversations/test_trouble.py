"""Trouble between the bot and its people that needs more than one fault to show."""

import os
from datetime import timedelta
from typing import Any

import pytest

from bot.adapters.telegram.messenger import TelegramMessenger
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.leftovers import (
    assert_nothing_left,
    let_time_pass,
)
from tests.conversations.people import Person, fetch, link_of

pytestmark = pytest.mark.usefixtures("impatient")

MIB = 1 << 20
CONTENT = os.urandom(30_000)
ANSWER = {"disable_notification": "False"}


async def test_answer_whose_fate_is_unknown_is_sent_once_more(
    stage: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that Telegram applies after the bot's time-out is repeated once, and never a third
    time.
    """
    defaults: dict[str, Any] = TelegramMessenger.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "patience", 0.2)
    alice = Person(stage)
    await stage.start_bot(alice.id)
    late = {"seconds": 0.6}
    fault = stage.telegram.faults.add(
        Fault("sendMessage", Effect.LATE, where=ANSWER, args=dict(late))
    )
    message = await alice.send(CONTENT)
    await let_time_pass(alice, lambda: len(alice.said) == 2)
    assert fault.hits == 1
    stage.telegram.faults.clear()
    stage.clock.advance(timedelta(hours=1))
    await alice.answered(await alice.write("/help"))

    assert [said.reply_to for said in alice.said[:2]] == [message.id] * 2
    assert len(alice.said) == 3
    await assert_nothing_left(alice, links=1)


@pytest.mark.parametrize("effect", [Effect.HTML, Effect.LOST])
async def test_outage_while_a_file_ends(stage: LocalStack, alice: Person, effect: Effect) -> None:
    """Nothing is sent again before Telegram has answered something else; then the answer comes,
    with one copy at most.
    """
    first = stage.telegram.faults.add(Fault("sendMessage", effect, where=ANSWER))
    outage = stage.telegram.faults.add(Fault("*", Effect.HTML, times=0, skip=1_000_000))
    message = await alice.send(CONTENT)
    await alice.until(lambda: first.hits == 1)
    outage.skip = 0
    sent = len(stage.telegram.log.of("sendMessage"))
    probes = len(stage.telegram.log.of("getMe"))
    await let_time_pass(alice, lambda: len(stage.telegram.log.of("getMe")) > probes + 5)
    assert len(stage.telegram.log.of("sendMessage")) == sent
    stage.telegram.faults.clear()
    copies = 2 if effect is Effect.LOST else 1
    await let_time_pass(alice, lambda: len(alice.said) == copies)

    assert [said.reply_to for said in alice.said] == [message.id] * copies
    await assert_nothing_left(alice, links=1)


async def test_flood_wait_holds_up_one_chat(stage: LocalStack) -> None:
    """A chat with a flood wait is left alone until its end; others go on."""
    alice, bob = Person(stage), Person(stage, "Bob")
    await stage.start_bot(alice.id, bob.id)
    where = {"chat_id": str(alice.id)}
    fault = stage.telegram.faults.add(
        Fault("sendMessage", Effect.ERROR, where=where, args={"retry_after": 600})
    )
    waiting = await alice.send(CONTENT)
    await alice.until(lambda: fault.hits == 1)
    await bob.answered(await bob.send(CONTENT))
    stage.clock.advance(timedelta(seconds=590))
    await bob.answered(await bob.write("/help"))
    before = list(alice.said)
    stage.clock.advance(timedelta(seconds=11))
    await alice.answered(waiting)

    assert before == []
    assert len(alice.said) == 1


async def test_edit_that_telegram_holds_back(stage: LocalStack, alice: Person) -> None:
    """The answer comes, and the status message with its button goes, before the edit is let
    through.
    """
    stage.telegram.shape.down_total = 0.1 * MIB
    message = await alice.send(os.urandom(2 * MIB))
    stage.clock.advance(timedelta(seconds=2))
    await alice.until(lambda: bool(alice.status_messages))
    held = stage.telegram.faults.add(Fault("editMessageText", Effect.HELD, args={"seconds": 3600}))
    await let_time_pass(alice, lambda: held.hits == 1)
    stage.telegram.shape.down_total = None
    await let_time_pass(alice, lambda: alice.answer_to(message) is not None)
    await let_time_pass(alice, lambda: not alice.status_messages)
    stage.clock.advance(timedelta(hours=1))

    assert len(alice.said) == 1
    await assert_nothing_left(alice, links=1)


async def test_status_message_while_the_answer_is_held_back(
    stage: LocalStack, alice: Person
) -> None:
    """Once the file is done, the status message says so and has no Cancel, however long the
    answer takes.
    """
    stage.telegram.shape.down_total = 0.1 * MIB
    held = stage.telegram.faults.add(
        Fault("sendMessage", Effect.HELD, where=ANSWER, args={"seconds": 3600})
    )
    message = await alice.send(os.urandom(2 * MIB))
    stage.clock.advance(timedelta(seconds=2))
    await alice.until(lambda: bool(alice.status_messages))
    stage.telegram.shape.down_total = None
    await let_time_pass(alice, lambda: held.hits == 1)
    await let_time_pass(alice, lambda: "Done" in alice.status_messages[0].text)
    shown = alice.status_messages[0]
    stage.clock.advance(timedelta(hours=1))
    await alice.answered(message)

    assert "The answer follows as soon as Telegram accepts it." in shown.text
    assert shown.buttons == ()
    await assert_nothing_left(alice, links=1)


async def test_status_message_is_deleted_by_its_reader(stage: LocalStack, alice: Person) -> None:
    """The link comes all the same, and no second status message with it."""
    stage.telegram.shape.down_total = 1.5 * MIB
    content = os.urandom(2 * MIB)
    message = await alice.send(content)
    stage.clock.advance(timedelta(seconds=2))
    await alice.until(lambda: bool(alice.status_messages))
    await alice.chat.delete(alice.status_messages[0])
    await let_time_pass(alice, lambda: alice.answer_to(message) is not None)
    opened = [await fetch(link_of(answer)) for answer in alice.said]

    assert [(200, content, "a.bin")] == opened
    await assert_nothing_left(alice, links=1)


async def test_status_message_whose_call_was_cut(stage: LocalStack, alice: Person) -> None:
    """It stays when its file has long been answered; the press of its button removes it."""
    stage.telegram.shape.down_total = 1.5 * MIB
    silent = {"disable_notification": "True"}
    fault = stage.telegram.faults.add(Fault("sendMessage", Effect.LOST, where=silent))
    message = await alice.send(os.urandom(2 * MIB))
    stage.clock.advance(timedelta(seconds=2))
    await alice.until(lambda: fault.hits == 1)
    await let_time_pass(alice, lambda: alice.answer_to(message) is not None)
    (left,) = alice.status_messages
    pressed = await alice.press(left, "Cancel")
    await alice.until(lambda: not alice.status_messages)

    assert pressed.answer is not None
    assert len(alice.said) == 1
    await assert_nothing_left(alice, links=1)


async def test_request_is_deleted_by_its_sender(stage: LocalStack, alice: Person) -> None:
    """A file whose message is gone is answered without reference to it."""
    late = {"seconds": 0.3}
    fault = stage.telegram.faults.add(Fault("file", Effect.LATE, args=dict(late)))
    message = await alice.send(CONTENT)
    await alice.until(lambda: fault.hits == 1)
    await alice.chat.delete(message)
    await alice.until(lambda: bool(alice.said))

    assert [answer.reply_to for answer in alice.said] == [None]
    assert (await fetch(link_of(alice.said[0])))[:2] == (200, CONTENT)


async def test_telegram_is_away_when_the_file_is_done(stage: LocalStack, alice: Person) -> None:
    """A link that cannot be sent is sent once Telegram is back, exactly once."""
    late = {"seconds": 0.5}
    fault = stage.oss.faults.add(Fault("PutObject", Effect.LATE, args=dict(late)))
    message = await alice.send(CONTENT)
    await stage.oss.wait_for(lambda: fault.hits == 1)
    await stage.telegram.stop()
    await stage.oss.wait_for(lambda: bool(stage.bucket.objects))
    stage.clock.advance(timedelta(minutes=1))
    await stage.telegram.start()
    await let_time_pass(alice, lambda: alice.answer_to(message) is not None)

    assert len(alice.said) == 1
    assert (await fetch(link_of(alice.said[0])))[:2] == (200, CONTENT)
    await assert_nothing_left(alice, links=1)
