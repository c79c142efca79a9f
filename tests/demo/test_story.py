"""The acts of the demo, where the order of events is not the usual one."""

import io
import os
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from bot.demo.local_stack import LocalStack
from bot.demo.screen import Screen
from bot.demo.story import Scene, move_to_deadline
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import EventKind
from tests.conversations.leftovers import let_time_pass
from tests.conversations.people import Person, link_of

HOUR = 3600


async def test_status_message_goes_after_the_deadline(tmp_path: Path) -> None:
    """The answer is seen to end, also when an edited status message vanishes just before."""
    async with LocalStack(tmp_path) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        stage.telegram.shape.down_total = 150_000.0
        hold = Fault("deleteMessage", Effect.HELD, times=0, args={"seconds": HOUR})
        stage.telegram.faults.add(hold)
        message = await alice.send(os.urandom(600_000))
        await alice.until(lambda: bool(alice.status_messages))
        status_message = alice.status_messages[0]
        # So far that an edit is due, once there is progress to show.
        await let_time_pass(alice, lambda: alice.shown(status_message).text != status_message.text)
        answer = await alice.answered(message)
        await alice.until(lambda: hold.hits > 0)
        asked_at = stage.telegram.log.of("deleteMessage")[0].at
        scene = Scene(stage, alice.user, alice.chat, _screen(stage, alice))
        await move_to_deadline(scene, link_of(answer), answer)
        await alice.until(lambda: not alice.status_messages)
        gone = next(event for event in alice.chat.history if event.what is EventKind.DELETED)

    assert scene.checks.all_hold
    assert gone.at - asked_at > timedelta(hours=23)


def _screen(stage: LocalStack, person: Person) -> Screen:
    return Screen(stage.telegram, person.chat, Console(file=io.StringIO()))
