"""The acts of the demo, where the order of events is not the usual one."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from bot.demo.local_stack import LocalStack, Screen
from bot.demo.story import Scene, be_refused, move_to_deadline
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


@pytest.mark.parametrize(
    ("size", "told"), [(0, "the file is empty"), (25 << 20, "the limit is 20 MB")]
)
async def test_a_file_that_is_refused(tmp_path: Path, size: int, told: str) -> None:
    """The refusal of the bot is shown as what it is; a large file is told another way."""
    path = tmp_path / 'it\'s "odd" $HOME.bin'
    with path.open("wb") as file:
        file.truncate(size)
    async with LocalStack(tmp_path) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        output = io.StringIO()
        screen = Screen(stage.telegram, alice.chat, Console(file=output, width=200))
        scene = Scene(stage, alice.user, alice.chat, screen)
        await be_refused(scene, path, size)

    assert scene.checks.all_hold
    assert told in scene.checks.lines[0][1]
    assert ("demo --local --file" in output.getvalue()) == (size > 0)


@pytest.mark.long
@pytest.mark.parametrize("name", ["a b.bin", 'it\'s "odd" $HOME `x`.bin', "latin-\udce9.bin"])
def test_any_name(tmp_path: Path, name: str) -> None:
    """The demo holds with a file of any name, and offers local mode for what is too large."""
    path = tmp_path / name
    path.write_bytes(os.urandom(100_000))
    command = [sys.executable, "-m", "bot", "demo", "--file", str(path), "--local"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def _screen(stage: LocalStack, person: Person) -> Screen:
    return Screen(stage.telegram, person.chat, Console(file=io.StringIO()))
