"""Groups that become supergroups."""

import os

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import EventKind, User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import fetch, link_of

MIB = 1 << 20


async def test_move_in_the_middle(stage: LocalStack, anna: User, ben: User) -> None:
    """The answer to a file of the old group comes in the new one, and the status message that
    stayed behind is left alone.
    """
    room = open_room(stage, anna, ben, supergroup=False)
    await stage.start_bot()
    stage.telegram.shape.down_total = 3.0 * MIB
    content = os.urandom(8 * MIB)
    await room.share(ben, await room.send(anna, content, "plan.pdf"))
    await room.until(lambda: bool(room.status_messages))
    successor = Room(stage, await room.group.migrate(anna))
    status = await successor.answered(await successor.write(anna, "/status"))
    await successor.until(lambda: any(said.id != status.id for said in successor.said))
    answer = next(said for said in successor.said if said.id != status.id)
    fetched = await fetch(link_of(answer))
    query = await successor.press(ben, answer, "立即删除")
    await successor.until(lambda: not successor.shown(answer).buttons)

    assert "plan.pdf" in status.text
    assert answer.reply_to is None
    assert fetched == (200, content, "plan.pdf")
    assert query.answer is not None
    assert not [event for event in successor.group.history if event.what is EventKind.DELETED]


async def test_progress_after_the_move(stage: LocalStack, anna: User) -> None:
    """A status message that is first sent into the new group is brought up to date there, and goes
    with the answer.
    """
    room = open_room(stage, anna, supergroup=False)
    await stage.start_bot()
    stage.telegram.shape.down_total = 1.5 * MIB
    await room.share(anna, await room.send(anna, os.urandom(8 * MIB), "plan.pdf"))
    await room.until(lambda: bool(stage.telegram.log.of("getFile")))
    successor = Room(stage, await room.group.migrate(anna))
    await successor.until(lambda: bool(successor.status_messages))
    await successor.until(lambda: any(m.edited for m in successor.status_messages))
    await successor.until(lambda: bool(successor.said))
    await successor.until(lambda: not successor.status_messages)

    assert not room.status_messages


async def test_only_a_refusal_tells(stage: LocalStack, anna: User) -> None:
    """A migration that was not announced is learnt from the refusal, and kept over a restart."""
    room = open_room(stage, anna, supergroup=False)
    await stage.start_bot()
    stage.telegram.shape.down_total = 1.0 * MIB
    await room.share(anna, await room.send(anna, os.urandom(2 * MIB)))
    await room.until(lambda: bool(stage.telegram.log.of("getFile")))
    stage.telegram.world.updates.allow(["message"])
    successor = Room(stage, await room.group.migrate(anna))
    await successor.until(lambda: bool(successor.said))
    await stage.stop_bot()
    await stage.start_bot()
    again = await successor.answered(await successor.share(anna, await successor.send(anna)))

    assert (await fetch(link_of(again)))[0] == 200


async def test_rules_go_along(stage: LocalStack, anna: User) -> None:
    """The settings of the old group hold in the new one, and so does the permission."""
    room = open_room(stage, anna, supergroup=False, bot="administrator")
    await stage.start_bot()
    await room.answered(await room.write(anna, "/auto on"))
    successor = Room(stage, await room.group.migrate(anna))
    answer = await successor.answered(await successor.send(anna, b"auto"))

    assert await fetch(link_of(answer)) == (200, b"auto", "a.bin")
