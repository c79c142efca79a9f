"""The same file again: answered at once, by a copy inside OSS with a life of its own."""

import os
from datetime import timedelta

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, link_of

CONTENT = os.urandom(2_000_000)


async def _send_again(person: Person) -> tuple[str, str]:
    """Send a file, then the same file once more; return both links."""
    first = await person.send(CONTENT, "first.bin")
    one = link_of(await person.answered(first))
    stored = first.attachment
    assert stored is not None
    again = await person.chat.send_file(person.user, content=stored.file)
    return one, link_of(await person.answered(again))


async def test_same_file_is_not_moved_again(stage: LocalStack, alice: Person) -> None:
    """The second answer costs no download and no upload, and its link has another key."""
    one, two = await _send_again(alice)

    assert one.partition("?")[0] != two.partition("?")[0]
    assert len(stage.telegram.log.of("file")) == 1
    assert len(stage.oss.log.of("CopyObject")) == 1
    assert (await fetch(two))[1] == CONTENT


async def test_each_link_has_its_own_end(stage: LocalStack, alice: Person) -> None:
    """Deleting one link never kills the other, and each lives its full time."""
    first = await alice.send(CONTENT, "first.bin")
    answer = await alice.answered(first)
    stored = first.attachment
    assert stored is not None
    stage.clock.advance(timedelta(hours=12))
    again = await alice.chat.send_file(alice.user, content=stored.file)
    two = link_of(await alice.answered(again))
    await alice.press(answer, "Delete now")
    await alice.until(lambda: not alice.shown(answer).buttons)
    stage.clock.advance(timedelta(hours=23, minutes=50))

    assert (await fetch(two))[0] == 200


async def test_never_across_owners(stage: LocalStack) -> None:
    """A file that another owner has sent is relayed in full: the speed of an answer
    tells nothing.
    """
    alice, bob = Person(stage), Person(stage, "Bob")
    await stage.start_bot(alice.id, bob.id)
    first = await alice.send(CONTENT, "first.bin")
    await alice.answered(first)
    stored = first.attachment
    assert stored is not None
    await bob.answered(await bob.chat.send_file(bob.user, content=stored.file))

    assert not stage.oss.log.of("CopyObject")
    assert len(stage.telegram.log.of("file")) == 2


async def test_source_gone_meanwhile(stage: LocalStack, alice: Person) -> None:
    """When the earlier object has vanished, the file is relayed as usual."""
    first = await alice.send(CONTENT, "first.bin")
    await alice.answered(first)
    stored = first.attachment
    assert stored is not None
    stage.bucket.objects.clear()
    again = await alice.chat.send_file(alice.user, content=stored.file)
    answer = await alice.answered(again)

    assert (await fetch(link_of(answer)))[1] == CONTENT
    assert len(stage.telegram.log.of("file")) == 2
