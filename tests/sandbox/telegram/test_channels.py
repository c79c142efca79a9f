"""Channels: posts, edits, and the group that they are forwarded to."""

import pytest
from telegram.error import Forbidden
from telegram.ext import ExtBot

from bot.sandbox.telegram import TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call
from tests.sandbox.telegram.oracles import check_update


async def test_posts(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """A post and its edit have kinds of their own and no person behind them."""
    channel = tg.add_channel("News", alice)
    post = await channel.post("text")
    await channel.post("a file", content=b"x", name="a.txt")
    await channel.edit_text(post, "changed")
    updates = (await call("getUpdates"))["result"]
    for update in updates:
        check_update(update, bot)

    assert [list(update)[1] for update in updates] == [
        "channel_post",
        "channel_post",
        "edited_channel_post",
    ]
    assert all("from" not in update[list(update)[1]] for update in updates)
    assert updates[1]["channel_post"]["document"]["file_name"] == "a.txt"


async def test_discussion(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """A linked group gets every post as a forward from the server itself."""
    channel = tg.add_channel("News", alice)
    channel.discussion = tg.add_group("Talk", alice, bot="administrator")
    await channel.post("text")
    update = (await call("getUpdates"))["result"][1]
    check_update(update, bot)
    message = update["message"]

    assert (777000, channel.id, True) == (
        message["from"]["id"],
        message["sender_chat"]["id"],
        message["is_automatic_forward"],
    )


async def test_outside(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """A bot that is not in the channel hears nothing and cannot write."""
    channel = tg.add_channel("News", alice)
    await bot.leave_chat(channel.id)
    await channel.post("text")
    updates = (await call("getUpdates"))["result"]
    with pytest.raises(Forbidden, match="bot is not a member of the channel chat"):
        await bot.send_message(channel.id, "x")
    channel.roster.put(bot_user(tg), "kicked")
    with pytest.raises(Forbidden, match="bot was kicked from the channel chat"):
        await bot.send_message(channel.id, "x")

    assert [list(update)[1] for update in updates] == ["my_chat_member"]
    assert (await bot.get_chat_member(channel.id, tg.bot_id)).status == "kicked"


def bot_user(tg: TelegramStandIn) -> User:
    """Return the bot as a user."""
    return tg.world.bot
