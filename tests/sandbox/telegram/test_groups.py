"""Groups: who is in them, topics, hidden senders, migration."""

from typing import Any

import pytest
from telegram.error import BadRequest, ChatMigrated
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


async def test_ids(tg: TelegramStandIn, alice: User, group: Group) -> None:
    """Supergroups have the prefix -100 and message ids of their own; basic groups share them."""
    basic = tg.add_group("Basic", alice, supergroup=False, bot="administrator")
    private = tg.private_chat(alice)
    first = await private.send_text(alice, "1")
    second = await basic.send_text(alice, "2")
    own = await group.send_text(alice, "3")

    assert (first.id + 1, 1) == (second.id, own.id)
    assert (group.type, basic.type) == ("supergroup", "group")
    assert str(group.id).startswith("-100")
    assert not str(basic.id).startswith("-100")


async def test_albums(call: Call, bot: ExtBot[None], group: Group, alice: User) -> None:
    """An album is one message per item with the same id; the first has the caption."""
    await group.send_album(alice, [b"1", b"2", b"3"], names=["a.txt"], caption="/save")
    messages = [update["message"] for update in await updates(call, bot)]

    assert len({message["media_group_id"] for message in messages}) == 1
    assert [message.get("caption") for message in messages] == ["/save", None, None]


async def test_hidden_senders(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], group: Group, alice: User
) -> None:
    """An anonymous administrator and a channel stand behind the server's own bots."""
    channel = tg.add_channel("News", alice)
    await group.send_text(alice, "1", as_chat=group)
    await group.send_text(alice, "2", as_chat=channel)
    messages = [update["message"] for update in await updates(call, bot)]
    senders = [(m["from"]["id"], m["sender_chat"]["id"]) for m in messages]

    assert [(1087968824, group.id), (136817688, channel.id)] == senders


async def test_topics(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """What is said in a topic has its thread id, in both directions; other ids are refused."""
    forum = tg.add_group("Forum", alice, forum=True, bot="administrator")
    topic = await forum.add_topic(alice, "Files")
    written = await forum.send_text(alice, "in", thread_id=topic)
    await forum.send_text(alice, "general")
    sent = await bot.send_message(forum.id, "answer", message_thread_id=topic)
    replied = await bot.send_message(forum.id, "reply", reply_to_message_id=written.id)
    found = [update["message"] for update in await updates(call, bot)]
    with pytest.raises(BadRequest, match=r"(?i)message thread not found"):
        await bot.send_message(forum.id, "x", message_thread_id=topic + 999)
    forum.closed_topics.add(topic)
    with pytest.raises(BadRequest, match=r"(?i)topic_closed"):
        await bot.send_message(forum.id, "x", message_thread_id=topic)

    assert [topic, topic, None] == [message.get("message_thread_id") for message in found]
    assert [message.get("is_topic_message") for message in found] == [True, True, None]
    assert found[1]["reply_to_message"]["forum_topic_created"]["name"] == "Files"
    assert (topic, True) == (sent.message_thread_id, sent.is_topic_message)
    assert (topic, True) == (replied.message_thread_id, replied.is_topic_message)
    assert [None, None, None, None, written.id] == [shown.reply_to for shown in forum.messages]
    assert list(left_over_in_ptb([sent, replied])) == []


async def test_chains_of_replies(call: Call, group: Group, alice: User) -> None:
    """Without topics a thread id is only a chain of replies, and nothing to send to."""
    root = await group.send_text(alice, "root")
    first = await group.send_text(alice, "first", reply_to=root)
    second = await group.send_text(alice, "second", reply_to=first)
    refused = await call("sendMessage", chat_id=group.id, text="x", message_thread_id=root.id)

    assert [root.id, root.id] == [message.thread_id for message in (first, second)]
    assert "is_topic_message" not in second.json()
    assert refused["description"] == "Bad Request: message thread not found"


async def test_replies_to_other_chats(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], group: Group, alice: User
) -> None:
    """A reply to a message of another chat carries what it replies to, files included."""
    other = tg.add_group("Other", alice, bot="left")
    message = await other.send_file(alice, content=b"x", name="a.txt")
    await group.send_text(alice, "/save", reply_to=message)
    told = (await updates(call, bot))[0]["message"]

    assert "reply_to_message" not in told
    assert ("a.txt", other.id, message.id) == (
        told["external_reply"]["document"]["file_name"],
        told["external_reply"]["chat"]["id"],
        told["external_reply"]["message_id"],
    )


async def test_forwards_and_odd_kinds(
    call: Call, bot: ExtBot[None], tg: TelegramStandIn, group: Group, alice: User
) -> None:
    """Forwards from people and channels, and messages with neither text nor file."""
    channel = tg.add_channel("News", alice, bot="left")
    post = await channel.post("text")
    await group.forward(alice, post)
    contact = {"phone_number": "+1", "first_name": "C"}
    await group.send_special(alice, {"contact": contact})
    await group.send_special(alice, {"dice": {"emoji": "🎲", "value": 3}})
    found = [update["message"] for update in await updates(call, bot)]

    assert ("channel", post.id) == (
        found[0]["forward_origin"]["type"],
        found[0]["forward_from_message_id"],
    )
    assert (contact, 3) == (found[1]["contact"], found[2]["dice"]["value"])


async def test_migration(call: Call, bot: ExtBot[None], tg: TelegramStandIn, alice: User) -> None:
    """A basic group becomes a supergroup; its old id refuses and names the new one."""
    group = tg.add_group("Team", alice, supergroup=False, bot="administrator")
    successor = await group.migrate(alice)
    found = [update["message"] for update in await updates(call, bot)]
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(group.id, "x")
    await bot.send_message(successor.id, "x")

    assert (successor.id, group.id) == (
        found[0]["migrate_to_chat_id"],
        found[1]["migrate_from_chat_id"],
    )
    assert (successor.id, "supergroup") == (caught.value.new_chat_id, successor.type)
    with pytest.raises(ValueError, match="supergroup already"):
        await successor.migrate(alice)
    with pytest.raises(ValueError, match="no forum"):
        await successor.add_topic(alice, "x")


async def test_public_names(call: Call, group: Group) -> None:
    """A public group can be named."""
    group.username = "team_example"
    answer = await call("sendMessage", chat_id="@Team_Example", text="x")

    assert group.id == answer["result"]["chat"]["id"]
