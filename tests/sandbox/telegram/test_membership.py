"""Who is in a group, and what a bot outside gets."""

from typing import Any

import pytest
from telegram.error import BadRequest, Forbidden
from telegram.ext import ExtBot

from bot.sandbox.telegram import Group, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call
from tests.sandbox.telegram.oracles import check_update, left_over_in_ptb


@pytest.fixture
def group(tg: TelegramStandIn, alice: User) -> Group:
    """A supergroup in which the bot sees everything."""
    return tg.add_group("Team", alice, bot="administrator")


async def updates(call: Call, bot: ExtBot[None]) -> list[dict[str, Any]]:
    """Return all updates; both libraries must read each with nothing left over."""
    found: list[dict[str, Any]] = (await call("getUpdates"))["result"]
    for update in found:
        check_update(update, bot)
    return found


async def test_membership(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """Coming, rising, falling and going of the bot is told, with what it was before."""
    group = tg.add_group("Team", alice, bot="left")
    await group.invite_bot(alice)
    await group.promote_bot(alice, frozenset({"can_delete_messages"}))
    await group.demote_bot(alice)
    await group.kick_bot(alice)
    found = await updates(call, bot)
    changes = [update["my_chat_member"] for update in found if "my_chat_member" in update]

    assert [(c["old_chat_member"]["status"], c["new_chat_member"]["status"]) for c in changes] == [
        ("left", "member"),
        ("member", "administrator"),
        ("administrator", "member"),
        ("member", "kicked"),
    ]
    assert changes[1]["new_chat_member"]["can_delete_messages"]
    assert not changes[1]["new_chat_member"]["can_pin_messages"]
    assert [tg.bot_id] == [m["id"] for m in found[1]["message"]["new_chat_members"]]


@pytest.mark.parametrize("supergroup", [True, False])
async def test_not_there(
    bot: ExtBot[None],
    tg: TelegramStandIn,
    alice: User,
    supergroup: bool,  # noqa: FBT001 (a column.)
) -> None:
    """Refusals tell how the bot came to be outside."""
    name = "supergroup chat" if supergroup else "group chat"
    group = tg.add_group("Team", alice, supergroup=supergroup, bot="left")
    with pytest.raises(Forbidden, match=f"bot is not a member of the {name}"):
        await bot.send_message(group.id, "x")
    await group.invite_bot(alice)
    await bot.send_message(group.id, "x")
    group.is_muted = True
    with pytest.raises(BadRequest, match=r"(?i)not enough rights"):
        await bot.send_message(group.id, "x")
    await group.kick_bot(alice)
    with pytest.raises(Forbidden, match=f"bot was kicked from the {name}"):
        await bot.send_message(group.id, "x")
    group.delete_chat()
    with pytest.raises(Forbidden, match="the group chat was deleted"):
        await bot.send_message(group.id, "x")


async def test_members(call: Call, bot: ExtBot[None], group: Group, alice: User) -> None:
    """People come and go; who is what can be asked."""
    bob = group.world.add_user(User(5, "Bob"))
    await group.join(bob, by=alice)
    member = await bot.get_chat_member(group.id, bob.id)
    count = await bot.get_chat_member_count(group.id)
    admins = await bot.get_chat_administrators(group.id)
    info = await bot.get_chat(group.id)
    await group.leave(bob)
    gone = await bot.get_chat_member(group.id, bob.id)
    found = await updates(call, bot)

    assert (member.status, count, gone.status) == ("member", 3, "left")
    assert [admin.status for admin in admins] == ["creator", "administrator"]
    assert list(left_over_in_ptb([member, gone, info, *admins])) == []
    assert bob.id == found[0]["message"]["new_chat_members"][0]["id"]
    assert bob.id == found[1]["message"]["left_chat_member"]["id"]


async def test_members_are_told_on_request(
    call: Call, bot: ExtBot[None], group: Group, tg: TelegramStandIn
) -> None:
    """An administrator that asks for `chat_member` hears who comes and goes."""
    bob = tg.add_user("Bob")
    await call("getUpdates", offset=1, allowed_updates=["chat_member"])
    await group.join(bob)
    await group.leave(bob)
    changes = [update["chat_member"] for update in await updates(call, bot)]

    assert [(c["old_chat_member"]["status"], c["new_chat_member"]["status"]) for c in changes] == [
        ("left", "member"),
        ("member", "left"),
    ]


async def test_the_bot_leaves(call: Call, bot: ExtBot[None], group: Group, alice: User) -> None:
    """A bot can go by itself and hears nothing afterwards; a private chat cannot be left."""
    await bot.leave_chat(group.id)
    await group.send_text(alice, "hello?")
    found = await updates(call, bot)
    private = group.world.private_chat(alice).info
    refused = await call("leaveChat", chat_id=private.id)

    assert [u["my_chat_member"]["new_chat_member"]["status"] for u in found] == ["left"]
    assert "chat member status can't be changed" in refused["description"]


async def test_deleting_others_messages(
    call: Call, tg: TelegramStandIn, alice: User, group: Group
) -> None:
    """Only an administrator with the right deletes messages of others; own ones always."""
    plain = tg.add_group("Plain", alice)
    results = []
    for chat in (group, plain):
        message = await chat.send_text(alice, "x")
        results.append(await call("deleteMessage", chat_id=chat.id, message_id=message.id))
    own = await call("sendMessage", chat_id=plain.id, text="own")
    own_id = own["result"]["message_id"]

    assert [answer["ok"] for answer in results] == [True, False]
    assert results[1]["description"] == "Bad Request: message can't be deleted"
    assert (await call("deleteMessage", chat_id=plain.id, message_id=own_id))["ok"]
