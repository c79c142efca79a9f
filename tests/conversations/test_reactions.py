"""Reactions instead of words, where the settings want them."""

import os

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person

MIB = 1 << 20


async def test_message_of_a_file_shows_what_becomes_of_it(stage: LocalStack) -> None:
    """Eyes while the file is relayed, a thumb when the link is there."""
    stage.more["RELAY_TELEGRAM__REACTIONS"] = "true"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    stage.telegram.shape.down_total = 1.0 * MIB
    message = await alice.send(os.urandom(2 * MIB), "film.mkv")

    def reactions() -> tuple[str, ...]:
        return next(m.reactions for m in alice.chat.messages if m.id == message.id)

    await alice.until(lambda: reactions() == ("\N{EYES}",))
    await alice.answered(message)
    await alice.until(lambda: reactions() == ("\N{THUMBS UP SIGN}",))

    assert [r.status for r in stage.telegram.log.of("setMessageReaction")] == [200, 200]


async def test_no_reactions_by_default(stage: LocalStack, alice: Person) -> None:
    """Without the setting no reaction is sent."""
    await alice.answered(await alice.send(os.urandom(1000), "a.txt"))
    await alice.answered(await alice.write("/status"))

    assert stage.telegram.log.of("setMessageReaction") == []
