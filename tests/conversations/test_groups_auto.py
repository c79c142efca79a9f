"""Groups that want every document relayed."""

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import Person, fetch, link_of


@pytest.fixture
async def open_eyed(stage: LocalStack, anna: User, ben: User) -> Room:
    """A group in which the bot sees all messages."""
    stage.telegram.privacy.reads_all = True
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    return room


async def test_every_document(open_eyed: Room, anna: User, ben: User) -> None:
    """Switched on, every document is relayed for its sender, and nothing else is; until it is
    switched off.
    """
    room = open_eyed
    on = await room.answered(await room.write(anna, "/auto on"))
    file = await room.send(ben, b"report", "report.pdf")
    answer = await room.answered(file)
    await room.send(ben, kind="photo")
    await room.send(ben, kind="animation")
    off = await room.answered(await room.write(anna, "/auto off"))
    await room.send(ben, b"unseen", "unseen.pdf")
    last = await room.answered(await room.write(anna, "/auto"))

    assert "every document" in on.text
    assert "report.pdf" in answer.text
    assert "/share" in off.text
    assert "off" in last.text
    assert len(room.stage.telegram.log.of("getFile")) == 1


async def test_blind_in_privacy_mode(room: Room, anna: User) -> None:
    """Where the bot cannot see files it tells exactly what to change; then it works."""
    blind = await room.answered(await room.write(anna, "/auto on"))
    await room.group.promote_bot(anna)
    seeing = await room.answered(await room.write(anna, "/auto on"))
    answer = await room.answered(await room.send(anna, b"report"))

    assert {"admin", "/setprivacy", "add me again"} == {
        word for word in ("admin", "/setprivacy", "add me again") if word in blind.text
    }
    assert "/setprivacy" not in seeing.text
    assert await fetch(link_of(answer)) == (200, b"report", "a.bin")


async def test_linked_channel(stage: LocalStack, open_eyed: Room, anna: User) -> None:
    """Posts of a linked channel start nothing, unless every document is wanted."""
    room = open_eyed
    channel = stage.telegram.add_channel("News", anna, bot="left")
    channel.discussion = room.group
    name = stage.telegram.username
    await channel.post(f"/share@{name}", content=b"one", name="one.pdf")
    await channel.post(f"/auto@{name} on")
    await room.answered(await room.write(anna, "/auto on"))
    await channel.post(content=b"two", name="two.pdf")
    await room.until(lambda: any("two.pdf" in said.text for said in room.said))

    assert not any("one.pdf" in said.text for said in room.said)
    assert len(room.said) == 2


async def test_switches_stay_in_order(room: Room, anna: User) -> None:
    """Of two switches in a row the last one counts."""
    for to in ("on", "off", "on", "off"):
        asked = await room.write(anna, f"/auto {to}")
    await room.answered(asked)
    state = await room.answered(await room.write(anna, "/auto"))

    assert "is off" in state.text


async def test_only_for_groups(alice: Person) -> None:
    """In private there is nothing to switch."""
    auto = await alice.answered(await alice.write("/auto on"))
    deliver = await alice.answered(await alice.write("/deliver private"))

    assert "groups" in auto.text
    assert "groups" in deliver.text
