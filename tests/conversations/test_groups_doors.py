"""Groups that the bot comes into, leaves, and is thrown out of."""

import os
from collections import Counter

import pytest

from bot.core.jobs import JobState
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, ledger_of, open_room
from tests.conversations.people import Person, fetch, link_of

MIB = 1 << 20


async def invited(room: Room, by: User) -> str:
    """Let a user add the bot, and return the first thing that it says."""
    await room.group.invite_bot(by)
    await room.until(lambda: bool(room.said))
    return room.said[0].text


@pytest.mark.parametrize("reads_all", [False, True])
async def test_greeting(stage: LocalStack, anna: User, reads_all: bool) -> None:  # noqa: FBT001 -- pytest hands parameters over by position or name.
    """A group that is allowed is told in one message how to use the bot and what it sees."""
    stage.telegram.privacy.reads_all = reads_all
    room = open_room(stage, anna, bot="left")
    await stage.start_bot()
    text = await invited(room, anna)
    asked = await room.answered(await room.write(anna, "/help"))

    assert f"/share@{stage.telegram.username}" in text or reads_all
    assert ("/auto" in text) == reads_all
    assert text == asked.text


async def test_foreign_group_is_left(stage: LocalStack, anna: User, room: Room) -> None:
    """A group that is not allowed gets one line with its id, and the bot goes."""
    foreign = Room(stage, stage.telegram.add_group("Foreign", anna, bot="left"))
    text = await invited(foreign, anna)
    await foreign.until(lambda: not foreign.group.roster.is_present(stage.telegram.world.bot))
    await foreign.group.invite_bot(anna)
    await foreign.until(lambda: not foreign.group.roster.is_present(stage.telegram.world.bot))

    assert str(foreign.id) in text
    assert len(foreign.said) == 1
    assert room.group.roster.is_present(stage.telegram.world.bot)


async def test_foreign_group_is_left_at_the_first_command(stage: LocalStack, anna: User) -> None:
    """A group that the bot is in without being allowed is left at the first command; a file alone
    is no reason.
    """
    await stage.start_bot()
    foreign = Room(stage, stage.telegram.add_group("Foreign", anna))
    file = await foreign.send(anna)
    asked = await foreign.share(anna, file)
    answer = await foreign.answered(asked)
    await foreign.until(lambda: not foreign.group.roster.is_present(stage.telegram.world.bot))

    assert str(foreign.id) in answer.text
    assert not stage.telegram.log.of("getFile")


async def test_channel_is_left_without_a_word(stage: LocalStack, anna: User) -> None:
    """In a channel nothing is published; the bot leaves it."""
    await stage.start_bot()
    channel = stage.telegram.add_channel("News", anna)
    bot = stage.telegram.world.bot
    before = {"user": bot.json(), "status": "left"}
    channel.tell_membership(anna, before, channel.roster.json(bot))
    await stage.telegram.world.touch()
    await stage.telegram.wait_for(lambda: not channel.roster.is_present(bot))

    assert not channel.bot_messages


async def test_admin_allows_a_group(stage: LocalStack, anna: User) -> None:
    """An admin's permission for a group outweighs the settings."""
    room = open_room(stage, anna)
    foreign = Room(stage, stage.telegram.add_group("Foreign", anna))
    await stage.start_bot()
    async with ledger_of(stage) as ledger:
        await ledger.chats.set_chat(foreign.id, allowed=True)
        await ledger.chats.set_chat(room.id, allowed=False)
    welcome = await foreign.answered(await foreign.share(anna, await foreign.send(anna)))
    refused = await room.answered(await room.write(anna, "/status"))

    assert (await fetch(link_of(welcome)))[0] == 200
    assert str(room.id) in refused.text


async def test_thrown_out(stage: LocalStack, room: Room, anna: User) -> None:
    """Removing the bot ends its jobs for the group; no object and no upload is left."""
    stage.telegram.shape.down_total = 2.0 * MIB
    file = await room.send(anna, os.urandom(12 * MIB))
    await room.share(anna, file)
    await room.until(lambda: bool(room.status_messages))
    await room.group.kick_bot(anna)

    assert await _ended(stage) == [JobState.CANCELLED]
    assert not stage.bucket.objects
    assert not stage.bucket.uploads


async def test_only_sending_tells(stage: LocalStack, room: Room, anna: User) -> None:
    """The update about the removal may be lost; the refusal of a message tells the same."""
    stage.telegram.shape.down_total = 2.0 * MIB
    file = await room.send(anna, os.urandom(12 * MIB))
    await room.share(anna, file)
    await room.until(lambda: bool(room.status_messages))
    room.group.delete_chat()

    assert await _ended(stage) == [JobState.CANCELLED]


async def test_old_news_of_being_thrown_out(stage: LocalStack, room: Room, anna: User) -> None:
    """A bot that was removed and added again goes on serving the group."""
    stage.telegram.shape.down_total = 2.0 * MIB
    file = await room.send(anna, os.urandom(4 * MIB))
    asked = await room.share(anna, file)
    bot = room.group.roster.json(stage.telegram.world.bot)
    room.group.tell_membership(anna, bot, {**bot, "status": "left"})
    await stage.telegram.world.touch()

    assert (await fetch(link_of(await room.answered(asked))))[0] == 200


async def test_blocked(stage: LocalStack, alice: Person) -> None:
    """A user who blocks the bot ends the user's jobs, and can come back."""
    stage.telegram.shape.down_total = 2.0 * MIB
    await alice.send(os.urandom(12 * MIB))
    await alice.until(lambda: bool(alice.status_messages))
    await stage.telegram.private_chat(alice.user).block()
    states = await _ended(stage)
    await stage.telegram.private_chat(alice.user).unblock()
    stage.telegram.shape.down_total = None
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(b"back"))

    assert states == [JobState.CANCELLED]
    assert (await fetch(link_of(answer)))[0] == 200


async def _ended(stage: LocalStack) -> list[JobState]:
    """Wait until the bot has tried to send how it ended, stop it, and return how jobs ended. It
    must have tried each message only once: a message that cannot be sent is not repeated.
    """
    log = stage.telegram.log

    def refused() -> list[str]:
        return [entry.operation for entry in log if entry.status == 403]

    await stage.telegram.wait_for(lambda: bool(refused()), timeout=20.0)
    await stage.stop_bot()
    assert max(Counter(refused()).values()) <= 2

    # What could not be removed before the end is removed at the next start.
    await stage.start_bot()
    await stage.stop_bot()
    async with ledger_of(stage) as ledger:
        assert not await ledger.answers.unanswered(10)
        assert not await ledger.answers.resumable()
        return [job.state for job in await ledger.jobs.get_many(range(1, 10))]
