"""Several files at once: an album is answered together."""

import os

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, links_of

MIB = 1 << 20


async def _album(person: Person, count: int, size: int) -> list[bytes]:
    contents = [os.urandom(size) for _ in range(count)]
    for number, content in enumerate(contents):
        await person.send(content, f"photo {number}.bin", media_group_id="77")
    return contents


async def test_album_has_one_answer(alice: Person) -> None:
    """Ten files of an album are one answer with ten links, in their order."""
    contents = await _album(alice, 10, 20_000)
    await alice.until(lambda: bool(alice.said))
    answer = alice.said[0]
    bodies = [(await fetch(url))[1] for url in links_of(answer)]

    assert contents == bodies
    assert len(alice.said) == 1
    assert not alice.status_messages or len(alice.status_messages) == 1


async def test_album_has_one_status_message(stage: LocalStack, alice: Person) -> None:
    """A slow album shows one status message with a line per file, which goes after the answer."""
    stage.telegram.shape.down_total = 1.0 * MIB
    await _album(alice, 3, MIB)
    await alice.until(lambda: bool(alice.status_messages))
    await alice.until(lambda: all(f"photo {n}" in alice.status_messages[0].text for n in range(3)))
    count = len(alice.status_messages)
    await alice.until(lambda: bool(alice.said) and not alice.status_messages)

    assert count == 1
    assert len(links_of(alice.said[0])) == 3


async def test_failures_of_an_album_are_listed(alice: Person) -> None:
    """A file of an album that cannot be relayed is listed with its reason beside the links."""
    await alice.send(b"x" * 1000, "good.bin", media_group_id="78")
    await alice.send(b"", "empty.bin", media_group_id="78", announced_size=None)
    await alice.until(lambda: any("good.bin" in m.text for m in alice.said))
    answer = next(m for m in alice.said if "good.bin" in m.text)

    assert "empty.bin" in answer.text
    assert len(links_of(answer)) == 1
