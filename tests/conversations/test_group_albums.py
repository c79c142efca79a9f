"""Albums in groups: all of it where the bot sees it, and an honest answer where it does not."""

import os

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import Message, User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import fetch, links_of

CONTENTS = [os.urandom(1000 + number) for number in range(4)]
HINT = "one of several files"


@pytest.fixture
async def seeing(stage: LocalStack, anna: User, ben: User) -> Room:
    """A group in which the bot sees everything, as an administrator."""
    room = open_room(stage, anna, ben, bot="administrator")
    await stage.start_bot()
    return room


async def _album(room: Room, who: User, caption: str | None = None) -> list[Message]:
    if caption is not None:
        caption = f"{caption}@{room.stage.telegram.username}"
    return await room.group.send_album(who, CONTENTS, kind="photo", caption=caption)


async def _relayed(room: Room, message: Message) -> list[bytes]:
    answer = await room.answered(message)
    return [(await fetch(url))[1] for url in links_of(answer)]


async def test_share_below_an_album(seeing: Room, anna: User) -> None:
    """The command in the caption is about the whole album: one answer."""
    first, *_ = await _album(seeing, anna, "/share")

    assert await _relayed(seeing, first) == CONTENTS
    assert HINT not in seeing.said[0].text
    assert len(seeing.said) == 1


async def test_share_by_reply_to_an_item(seeing: Room, anna: User, ben: User) -> None:
    """A reply to any item is about all of them."""
    album = await _album(seeing, anna)
    asked = await seeing.share(ben, album[2])

    assert await _relayed(seeing, asked) == CONTENTS
    assert HINT not in seeing.said[0].text


async def test_command_below_the_last_item(seeing: Room, anna: User) -> None:
    """The items before the one with the command are relayed too."""
    sent = [
        await seeing.send(anna, content, f"{number}.bin", media_group_id="5", caption=caption)
        for number, (content, caption) in enumerate(
            zip(CONTENTS[:3], ("", "", "/share"), strict=True)
        )
    ]
    await seeing.until(lambda: bool(seeing.said))
    (answer,) = seeing.said

    assert answer.reply_to in {message.id for message in sent}
    assert len(links_of(answer)) == 3


async def test_album_across_a_restart(stage: LocalStack, seeing: Room, anna: User) -> None:
    """What comes of a shared album after a restart still belongs to it."""
    first = await seeing.send(anna, CONTENTS[0], media_group_id="6", caption="/share")
    await seeing.answered(first)
    await stage.stop_bot()
    late = await seeing.send(anna, CONTENTS[1], media_group_id="6")
    await stage.start_bot()

    assert await _relayed(seeing, late) == [CONTENTS[1]]


@pytest.mark.parametrize("how", ["caption", "reply"])
async def test_only_one_item_is_seen(room: Room, anna: User, ben: User, how: str) -> None:
    """With privacy mode on, the answer says that it is one of several, and how to get the rest."""
    album = await _album(room, anna, "/share" if how == "caption" else None)
    asked = album[0] if how == "caption" else await room.share(anna, album[1])
    answer = await room.answered(asked)

    assert len(links_of(answer)) == 1
    assert HINT in answer.text
    other = await room.answered(await room.share(anna, album[2]))
    assert (await fetch(links_of(other)[0]))[1] == CONTENTS[2]
    assert HINT in other.text
    chinese = await room.answered(await room.share(ben, album[3]))
    assert "中的一个" in chinese.text


async def test_album_over_the_limit(seeing: Room, anna: User) -> None:
    """Files over the limit are refused once, in the answer of their album."""
    sizes = [21 << 20, 22 << 20, 100]
    sent = [
        await seeing.send(
            anna,
            b"x" * 100,
            f"{number}.bin",
            media_group_id="7",
            announced_size=size,
            caption="/share" if number == 0 else "",
        )
        for number, size in enumerate(sizes)
    ]
    answer = await seeing.answered(sent[0])

    assert [m.reply_to for m in seeing.said] == [sent[0].id]
    assert answer.text.count("Not accepted: the file is") == 2
    assert "21 MB, the limit is 20 MB" in answer.text
    assert len(links_of(answer)) == 1


async def test_private_album_over_the_limit(stage: LocalStack, anna: User) -> None:
    """An album with nothing but such files has one answer too."""
    chat = stage.telegram.private_chat(anna)
    await stage.start_bot(anna.id)
    for number in range(3):
        await chat.send_file(
            anna, content=b"x", name=f"{number}", media_group_id="8", announced_size=30 << 20
        )
    await stage.telegram.wait_for(lambda: bool(chat.bot_messages), timeout=30)
    written = await chat.send_text(anna, "hello")
    await stage.telegram.wait_for(
        lambda: any(m.reply_to == written.id for m in chat.bot_messages), timeout=30
    )
    refusals = [m for m in chat.bot_messages if "Not accepted" in m.text]

    assert [m.text.count("30 MB, the limit is 20 MB") for m in refusals] == [3]
    assert not stage.telegram.log.of("getFile")
