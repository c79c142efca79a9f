"""Files that cannot be relayed, each refused in one clear sentence."""

import os

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.transfer.body import BLOCK
from tests.conversations.fault_causes import for_ever, hired, says
from tests.conversations.leftovers import assert_nothing_left, let_time_pass, until_given_up
from tests.conversations.people import Person, fetch, link_of

pytestmark = pytest.mark.usefixtures("impatient")

CONTENT = os.urandom(30_000)

EMPTY = "Not accepted: the file is empty; check it and send it again."
UNKNOWN = "Telegram no longer has this file; upload it to the chat again."
NO_ROOM = (
    "Not accepted: the file is larger than the disk space of this bot; send a smaller one or tell"
    " the bot’s admin."
)
FULL = "The bot’s disk is full; send the file again later or tell the bot’s admin."


async def test_announced_as_empty(stage: LocalStack, alice: Person) -> None:
    """A file that is announced with 0 bytes is refused at once, without a `getFile`."""
    request = alice.chat.new_message(alice.user)
    alice.chat.place(request, by_bot=True)  # So that the bot is told only what follows.
    document = {"file_id": "x", "file_unique_id": "y", "file_name": "no.txt", "file_size": 0}
    await stage.telegram.send_raw_update({"message": {**request.json(), "document": document}})
    answer = await alice.answered(request)

    assert answer.text == EMPTY
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)


async def test_turns_out_empty(alice: Person) -> None:
    """A file without an announced size that turns out to be empty is refused."""
    answer = await alice.answered(await alice.send(b"", "a.bin"))

    assert says(answer, EMPTY)
    await assert_nothing_left(alice)


@pytest.mark.parametrize(("announced", "told"), [(40_000, "39.1 KB"), (20_000, "19.5 KB")])
async def test_other_size_than_announced(alice: Person, announced: int, told: str) -> None:
    """A file that is shorter or longer than announced is tried three times, then given up."""
    message = await alice.send(CONTENT, announced_size=announced)
    waits, answer = await until_given_up(alice, message)

    assert waits == 2
    assert says(answer, f"Telegram announced {told} but sent 29.3 KB; send the file again.")
    await assert_nothing_left(alice)


async def test_unknown_file(stage: LocalStack, alice: Person) -> None:
    """A file id that Telegram does not know is given up at once."""
    stage.telegram.faults.add(
        for_ever("getFile", status=400, description="Bad Request: invalid file_id")
    )
    answer = await alice.answered(await alice.send(CONTENT))

    assert len(stage.telegram.log.of("getFile")) == 1
    assert says(answer, UNKNOWN)
    await assert_nothing_left(alice)


async def test_file_that_is_unavailable_for_now(stage: LocalStack, alice: Person) -> None:
    """What Telegram cannot give just now is waited for, as in an outage."""
    text = "Bad Request: wrong file_id or the file is temporarily unavailable"
    args: dict[str, str | int | float] = {"status": 400, "description": text}
    stage.telegram.faults.add(Fault("getFile", Effect.ERROR, times=3, args=args))
    sent = await alice.send(CONTENT)
    await let_time_pass(alice, lambda: alice.answer_to(sent) is not None)
    answer = await alice.answered(sent)

    assert len(stage.telegram.log.of("getFile")) == 4
    assert (await fetch(link_of(answer)))[1] == CONTENT


async def test_file_is_larger_than_the_spool(stage: LocalStack) -> None:
    """A file that can never fit into the spool is refused before anything is fetched."""
    alice = await hired(stage, RELAY_SPOOL__QUOTA="20000")
    answer = await alice.answered(await alice.send(CONTENT))

    assert says(answer, NO_ROOM)
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)


async def test_disk_stays_too_full(stage: LocalStack) -> None:
    """Below the floor of free space nothing is fetched, and in the end the sender is told."""
    alice = await hired(stage, RELAY_SPOOL__KEEP_FREE="1000TB")
    # A smaller file is kept in memory.
    waits, answer = await until_given_up(alice, await alice.send(bytes(BLOCK + 1)))

    assert waits == 11
    assert says(answer, FULL)
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)
