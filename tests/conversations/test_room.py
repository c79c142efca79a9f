"""A spool that is full for a while: who waits for it is told so."""

import os

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, link_of

MIB = 1 << 20
WAITS = "Waiting for free disk space; continues automatically"


async def test_job_that_waits_for_room_says_so(stage: LocalStack) -> None:
    """A job that waits for space does not look stuck, can be cancelled, and goes on as soon as
    there is some.
    """
    stage.more["RELAY_SPOOL__QUOTA"] = "6MiB"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    stage.telegram.shape.down_total = 1.0 * MIB
    content = os.urandom(4 * MIB)
    first = await alice.send(os.urandom(4 * MIB), "first.bin")
    second = await alice.send(content, "second.bin")
    await alice.until(
        lambda: any(WAITS in status_message.text for status_message in alice.status_messages)
    )
    waiting = next(
        status_message for status_message in alice.status_messages if WAITS in status_message.text
    )
    stage.telegram.shape.down_total = None
    await alice.answered(first)
    answer = await alice.answered(second)

    assert waiting.text == f"second.bin\n{WAITS}"
    assert waiting.button("Cancel") is not None
    assert (await fetch(link_of(answer)))[1] == content
