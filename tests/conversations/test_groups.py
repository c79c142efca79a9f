"""Files in groups: shared by reply, by caption, or all of them."""

import pytest

from bot.demo.stage import Stage
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import fetch, link_of


@pytest.fixture
def anna(stage: Stage) -> User:
    """The owner of the group."""
    return stage.telegram.add_user("Anna")


@pytest.fixture
def ben(stage: Stage) -> User:
    """A plain member."""
    return stage.telegram.add_user("Ben", language_code="zh-hans")


@pytest.fixture
async def room(stage: Stage, anna: User, ben: User) -> Room:
    """A supergroup in which the bot is a plain member with privacy mode on."""
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    return room


async def test_share_by_reply(room: Room, anna: User, ben: User) -> None:
    """Whoever replies to a file with the command gets its link, as a reply to the command."""
    file = await room.send(anna, b"minutes", "minutes.txt")
    asked = await room.share(ben, file)
    answer = await room.answered(asked)

    assert await fetch(link_of(answer)) == (200, b"minutes", "minutes.txt")
    assert "链接" in answer.text
