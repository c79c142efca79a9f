"""Kinds of messages that came late to the Bot API, and those with files deeper inside."""

from typing import Any

import pytest
from telegram.ext import ExtBot

from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.model import hidden_origin
from bot.sandbox.telegram.rich_content import locked_media, paid_media, rich_message, story
from tests.sandbox.telegram import schema
from tests.sandbox.telegram.conftest import Call
from tests.sandbox.telegram.oracles import check_update


def last(tg: TelegramStandIn) -> dict[str, Any]:
    """Return the last update's message."""
    found: dict[str, Any] = tg.world.updates.waiting[-1].payload["message"]
    if schema.is_there():
        assert schema.load().faults(found, ["Message"], "Message") == []
    return found


async def test_live_photo(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """The moving part has its own file id; the still is there for older clients."""
    sent = await chat.send_file(alice, content=b"moving", kind="live_photo", caption="sea")
    message = last(tg)
    update = check_update({"update_id": 1, "message": message}, bot)
    got = await call("getFile", file_id=message["live_photo"]["file_id"])

    assert sent.attachment is not None
    assert message["live_photo"]["file_id"] != message["photo"][-1]["file_id"]
    assert message["live_photo"]["photo"] == message["photo"]
    assert update.message is not None
    assert update.message.live_photo is not None
    assert got["result"]["file_size"] == len(b"moving")


async def test_paid_media(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """Opened media have file ids that can be fetched; locked ones have none at all."""
    kinds = ("photo", "video", "live_photo")
    items = [tg.add_file(kind.encode(), kind=kind) for kind in kinds]
    await chat.send_special(alice, paid_media(items))
    opened = last(tg)
    await chat.send_special(alice, locked_media(2))
    locked = last(tg)
    check_update({"update_id": 1, "message": locked}, bot)
    media = opened["paid_media"]["paid_media"]
    got = await call("getFile", file_id=media[1]["video"]["file_id"])

    assert [item["type"] for item in media] == list(kinds)
    assert got["ok"]
    assert "file_id" not in str(locked)
    assert [item["type"] for item in locked["paid_media"]["paid_media"]] == ["preview"] * 2


async def test_rich_message(tg: TelegramStandIn, chat: PrivateChat, alice: User) -> None:
    """Files lie in blocks, several of them one level deeper; replies carry the message too."""
    one = tg.add_file(b"1", kind="voice")
    two = [tg.add_file(b"2", kind="photo"), tg.add_file(b"3", kind="video")]
    await chat.send_special(alice, rich_message([one], text="hear"))
    single = last(tg)
    sent = await chat.send_special(alice, rich_message(two))
    several = last(tg)
    await chat.send_text(alice, "/share", reply_to=sent)
    reply = last(tg)

    assert [block["type"] for block in single["rich_message"]["blocks"]] == [
        "paragraph",
        "voice_note",
    ]
    (collage,) = several["rich_message"]["blocks"]
    assert [block["type"] for block in collage["blocks"]] == ["photo", "video"]
    assert reply["reply_to_message"]["rich_message"] == several["rich_message"]


async def test_story(
    tg: TelegramStandIn, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """A story names its chat and its number."""
    await chat.send_special(alice, story(chat.state.info, 7))
    message = last(tg)
    check_update({"update_id": 1, "message": message}, bot)

    assert message["story"] == {"chat": message["chat"], "id": 7}


async def test_via_bot(
    tg: TelegramStandIn, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """An inline bot is named, in forwards of the message too."""
    inline = tg.add_user("Gifs", username="gif", is_bot=True)
    first = await chat.send_file(alice, content=b"x", via_bot=inline)
    direct = last(tg)
    await chat.forward(alice, first)
    forwarded = last(tg)
    check_update({"update_id": 1, "message": forwarded}, bot)

    assert [inline.id] * 2 == [message["via_bot"]["id"] for message in (direct, forwarded)]


@pytest.mark.parametrize("name", [None, "Somebody"])
async def test_hidden_origin(
    tg: TelegramStandIn, chat: PrivateChat, alice: User, name: str | None
) -> None:
    """The origin of a forward can be a hidden person, with or without a name."""
    source = await chat.send_file(alice, content=b"x")
    await chat.forward(alice, source, origin=hidden_origin(source.date, name))
    # Not `last`: the documentation requires the name.
    message = tg.world.updates.waiting[-1].payload["message"]
    origin = message["forward_origin"]

    assert origin["type"] == "hidden_user"
    assert origin.get("sender_user_name") == name


async def test_private_topics(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """A private chat can have topics: their messages carry a thread id, in both directions."""
    topic = await chat.add_topic("Work")
    asked = await chat.send_text(alice, "in", thread_id=topic)
    inside = last(tg)
    check_update({"update_id": 1, "message": inside}, bot)
    sent = await bot.send_message(chat.id, "answer", message_thread_id=topic)
    replied = await bot.send_message(chat.id, "reply", reply_to_message_id=asked.id)
    refused = await call("sendMessage", chat_id=chat.id, text="x", message_thread_id=topic + 99)

    assert (inside["message_thread_id"], inside["is_topic_message"]) == (topic, True)
    assert [topic] * 2 == [message.message_thread_id for message in (sent, replied)]
    assert refused["description"] == "Bad Request: message thread not found"
