"""Roles in a group, asked from the stand-in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adapters.telegram.inspection import TelegramMembers
from bot.core.errors import ChatFlooded, ChatGone, ChatMoved, ChatUncertain, MessageRefused
from bot.core.ports.chat import GroupVisibility, Members
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import Group, TelegramStandIn, User
from bot.sandbox.telegram.users import RIGHTS
from tests.adapters.telegram.bots import bot_of


@dataclass
class Club:
    """A basic group, and what asks about it."""

    telegram: TelegramStandIn
    members: Members
    anna: User
    ben: User
    group: Group


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    """Anna owns it, Ben is in it, the bot is a member and sees nothing."""
    async with TelegramStandIn(tmp_path) as telegram, bot_of(telegram) as bot:
        await bot.initialize()
        anna, ben = telegram.add_user("Anna"), telegram.add_user("Ben")
        group = telegram.add_group("Club", anna, ben, supergroup=False)
        yield Club(telegram, TelegramMembers(bot), anna, ben, group)


async def test_admins(club: Club) -> None:
    """Owner and administrators are admins of a group, members and strangers are not."""
    carol, dora = club.telegram.add_user("Carol"), club.telegram.add_user("Dora")
    club.group.roster.put(carol, "administrator")
    found = {
        user.first_name: await club.members.is_admin(club.group.id, user.id)
        for user in (club.anna, club.ben, carol, dora)
    }

    assert found == {"Anna": True, "Ben": False, "Carol": True, "Dora": False}


@pytest.mark.parametrize("lost", [{"can_edit_tag"}, set(RIGHTS), {"until_date", "user"}])
async def test_older_server(club: Club, lost: set[str]) -> None:
    """Rights that an older server does not send are not missed."""
    carol = club.telegram.add_user("Carol")
    club.group.roster.put(carol, "administrator")
    club.group.roster.put(club.ben, "restricted")
    club.group.roster.put(club.telegram.world.bot, "restricted")
    club.group.roster.left_out = frozenset(lost)
    roles = [await club.members.is_admin(club.group.id, who.id) for who in (carol, club.ben)]

    assert roles == [True, False]
    assert (await club.members.sight(club.group.id)).is_here


async def test_nobody(club: Club) -> None:
    """An unknown user is refused by name."""
    with pytest.raises(MessageRefused):
        await club.members.is_admin(club.group.id, 5)


@pytest.mark.parametrize(
    ("status", "reads_all", "sight"),
    [
        ("member", False, GroupVisibility(is_here=True)),
        ("member", True, GroupVisibility(is_here=True, sees_files=True)),
        ("administrator", False, GroupVisibility(is_here=True, sees_files=True)),
        ("left", True, GroupVisibility(is_here=False)),
        ("kicked", True, GroupVisibility(is_here=False)),
    ],
)
async def test_sight(club: Club, status: str, sight: GroupVisibility, *, reads_all: bool) -> None:
    """Files are seen by an administrator, or with privacy mode off."""
    club.telegram.privacy.reads_all = reads_all
    club.group.roster.put(club.telegram.world.bot, status)

    assert sight == await club.members.sight(club.group.id)


async def test_sight_of_a_group_that_is_not_there(club: Club) -> None:
    """The bot is not in an unknown group."""
    assert GroupVisibility(is_here=False) == await club.members.sight(-12345)


async def test_leave_twice(club: Club) -> None:
    """Leaving a group twice is no error."""
    await club.members.leave(club.group.id)
    await club.members.leave(club.group.id)

    assert not club.group.roster.is_present(club.telegram.world.bot)


async def test_troubles_have_names(club: Club) -> None:
    """Telegram's refusals become the errors of the port."""
    flood: dict[str, str | int | float] = {
        "status": 429,
        "description": "Too Many Requests: retry after 9",
        "retry_after": 9,
    }
    club.telegram.faults.add(Fault("getChatMember", Effect.ERROR, args=flood))
    with pytest.raises(ChatFlooded):
        await club.members.sight(club.group.id)
    with pytest.raises(ChatGone):
        await club.members.is_admin(-12345, club.anna.id)


async def test_group_that_moved(club: Club) -> None:
    """The refusal to leave it tells the id of the supergroup."""
    successor = await club.group.migrate(club.anna)
    with pytest.raises(ChatMoved) as caught:
        await club.members.leave(club.group.id)

    assert successor.id == caught.value.chat_id


@pytest.mark.parametrize("result", ["null", "{}", "[1]", "true"])
async def test_unreadable_answer(club: Club, result: str) -> None:
    """An answer that cannot be read is named, and may be another next time."""
    club.telegram.faults.add(Fault("getChatMember", Effect.ODD, 2, args={"result": result}))
    with pytest.raises(ChatUncertain):
        await club.members.is_admin(club.group.id, club.anna.id)
    with pytest.raises(ChatUncertain):
        await club.members.sight(club.group.id)
