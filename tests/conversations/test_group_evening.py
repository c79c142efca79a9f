"""An evening in a group, as it happens: privacy mode on, topics, an anonymous admin, members of
whom one never started the bot, a stranger, a move in the middle, and the end.
"""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User, VisibleMessage
from tests.conversations.groups import Room, open_room
from tests.conversations.people import fetch, link_of, links_of
from tests.conversations.transcript import Transcript

MIB = 1 << 20
WORDS = {"en": ("Delete now", "admin of the group"), "zh-hans": ("立即删除", "群管理员")}


@dataclass
class Evening:
    """The members of the group, and the messages so far."""

    stage: LocalStack
    room: Room
    anna: User
    ben: User
    carol: User
    delete: str
    """What the button says."""
    refusal: str
    """What a member sees who may not press it."""
    transcript: Transcript = field(default_factory=Transcript)
    first: VisibleMessage | None = None

    async def press(self, who: User, message: VisibleMessage, button: str) -> str:
        """Press a button; return what the person sees."""
        query = await self.room.press(who, message, button)
        self.transcript.pressed(query, button)
        assert query.answer is not None
        return query.answer.text

    async def ask(self, who: User, text: str, **where: Any) -> VisibleMessage:
        """Write something and wait for the answer."""
        return await self.room.answered(await self.room.write(who, text, **where))

    def enter(self, room: Room, name: str) -> None:
        """Go on in another group."""
        self.room = room
        self.transcript.listen(name, room.group)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
async def test_group_evening(stage: LocalStack, language: str) -> None:
    """Every member gets the links meant for that member and no others, which the acts assert; the
    whole evening can be read with `pytest -s`.
    """
    evening = _begin(stage, language)
    await stage.start_bot()
    for act in (
        _invite,
        _share,
        _press,
        _move_in_the_middle,
        _share_in_a_topic,
        _deliver_privately,
        _stranger,
        _status,
        _thrown_out,
    ):
        await act(evening)
        stage.clock.advance(timedelta(minutes=7))
    print(f"\n{evening.transcript.text()}")  # noqa: T201 -- shown by `pytest -s`.
    members = (evening.anna, evening.ben, evening.carol)
    chats = [stage.telegram.private_chat(member) for member in members]
    links = [[link for said in chat.bot_messages for link in links_of(said)] for chat in chats]

    assert [bool(found) for found in links] == [False, True, False]


def _begin(stage: LocalStack, language: str) -> Evening:
    add = stage.telegram.add_user
    anna, ben, carol = (add(name, language_code=language) for name in ("Anna", "Ben", "Carol"))
    room = open_room(stage, anna, ben, carol, supergroup=False, bot="left")
    evening = Evening(stage, room, anna, ben, carol, *WORDS[language])
    evening.transcript.listen("Friends", room.group)
    return evening


async def _invite(evening: Evening) -> None:
    """Anna adds the bot, which says how it is used and what it sees."""
    room = evening.room
    await room.group.invite_bot(evening.anna)
    await room.until(lambda: bool(room.said))

    assert f"/share@{evening.stage.telegram.username}" in room.said[0].text


async def _share(evening: Evening) -> None:
    """Carol sends a file, Ben wants the link."""
    file = await evening.room.send(evening.carol, b"soup", "recipe.pdf")
    await evening.room.write(evening.ben, "looks good!")
    evening.first = await evening.ask(evening.ben, "/share", reply_to=file)

    assert await fetch(link_of(evening.first)) == (200, b"soup", "recipe.pdf")


async def _press(evening: Evening) -> None:
    """The link is Ben's, so that Carol cannot delete it; Anna looks after the group, and can."""
    assert evening.first is not None
    refused = await evening.press(evening.carol, evening.first, evening.delete)
    await evening.press(evening.anna, evening.first, evening.delete)

    assert evening.refusal in refused
    await evening.stage.oss.wait_for(lambda: not evening.stage.bucket.objects)
    assert (await fetch(link_of(evening.first)))[0] == 404


async def _move_in_the_middle(evening: Evening) -> None:
    """The group becomes a supergroup while a large file is on its way."""
    room, telegram = evening.room, evening.stage.telegram
    telegram.shape.down_total = 3.0 * MIB
    await room.send(evening.ben, os.urandom(6 * MIB), "minutes.pdf", caption="/share")
    await room.until(lambda: bool(room.status_messages))
    successor = Room(evening.stage, await room.group.migrate(evening.anna))
    telegram.shape.down_total = None
    evening.enter(successor, "Supergroup")
    await successor.until(lambda: bool(successor.said))

    assert (await fetch(link_of(successor.said[0])))[0] == 200


async def _share_in_a_topic(evening: Evening) -> None:
    """Anna opens a topic, and what is asked for there is answered there."""
    evening.room.group.is_forum = True
    topic = await evening.room.group.add_topic(evening.anna, "Holidays")
    file = await evening.room.send(evening.carol, b"sea", "beach.jpg", thread_id=topic)
    answer = await evening.ask(evening.carol, "/share", reply_to=file, thread_id=topic)

    assert topic == answer.thread_id


async def _deliver_privately(evening: Evening) -> None:
    """Ben may not decide where answers go, an admin who hides may. Ben, who has never started the
    bot, is told how, and finds his link.
    """
    room, ben = evening.room, evening.ben
    await evening.ask(ben, "/deliver private")
    await evening.ask(evening.anna, "/deliver private", as_chat=room.group)
    file = await room.send(evening.carol, b"secret", "present.txt")
    note = await evening.ask(ben, "/share", reply_to=file)
    private = evening.stage.telegram.private_chat(ben)
    evening.transcript.listen("Ben in private", private)
    await private.send_text(ben, "/start links")
    await room.until(lambda: bool(private.bot_messages))
    await evening.ask(evening.anna, "/deliver here", as_chat=room.group)

    assert "start=links" in note.text
    assert not links_of(note)
    assert await fetch(links_of(private.bot_messages[0])[0]) == (200, b"secret", "present.txt")


async def _stranger(evening: Evening) -> None:
    """A stranger tries in private, and gets one line."""
    mallory = evening.stage.telegram.add_user("Mallory", language_code=evening.anna.language_code)
    private = evening.stage.telegram.private_chat(mallory)
    evening.transcript.listen("Mallory in private", private)
    await private.send_file(mallory, content=b"evil", name="evil.exe")
    await evening.room.until(lambda: bool(private.bot_messages))

    assert str(mallory.id) in private.bot_messages[0].text


async def _status(evening: Evening) -> None:
    """The supergroup sees what the group had."""
    status = await evening.ask(evening.carol, "/status")

    assert {"minutes.pdf", "beach.jpg", "present.txt"} == {
        name
        for name in ("recipe.pdf", "minutes.pdf", "beach.jpg", "present.txt")
        if name in status.text
    }


async def _thrown_out(evening: Evening) -> None:
    """Anna throws the bot out while a file is on its way; that ends, and leaves nothing."""
    room, telegram = evening.room, evening.stage.telegram
    telegram.shape.down_total = 2.0 * MIB
    await room.send(evening.ben, os.urandom(12 * MIB), "film.mkv", caption="/share")
    await room.until(lambda: bool(room.status_messages))
    evening.transcript.note(evening.stage.clock.now(), "Anna throws the bot out")
    await room.group.kick_bot(evening.anna)
    await room.until(lambda: any(entry.status == 403 for entry in telegram.log))
    await evening.stage.stop_bot()
    # What could not be removed before the end is removed at the next start; what another process
    # had begun to remove, as soon as that must have ended.
    evening.stage.clock.advance(timedelta(seconds=30))
    await evening.stage.start_bot()
    await evening.stage.oss.wait_for(lambda: not evening.stage.bucket.uploads)
    await evening.stage.stop_bot()

    assert len(evening.stage.bucket.objects) == 3
    assert not list((evening.stage.folder / "spool").glob("*"))
