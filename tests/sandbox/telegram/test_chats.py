"""People in a private chat: what they do, and what they see."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.telegram import (
    ButtonNotFound,
    CallbackAnswer,
    EventKind,
    MessageNotFound,
    PrivateChat,
    TelegramStandIn,
    User,
)
from tests.sandbox.telegram.conftest import START, Call

MARKUP = {
    "inline_keyboard": [
        [{"text": "Stop", "callback_data": "stop:1"}, {"text": "Open", "url": "https://a.example"}]
    ]
}


async def test_history(tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User) -> None:
    """The history tells what was shown meanwhile, and when; the chat only what is left."""
    await chat.send_text(alice, "file")
    sent = await call("sendMessage", chat_id=chat.id, text="10 %")
    target = {"chat_id": chat.id, "message_id": sent["result"]["message_id"]}
    tg.clock.advance(timedelta(seconds=2))
    edited = await call("editMessageText", **target, text="50 %")
    await call("deleteMessage", **target)
    story = [(event.what, event.message.text, event.at - START) for event in chat.history[1:]]

    assert [message.text for message in chat.messages] == ["file"]
    assert [
        (EventKind.SENT, "10 %", timedelta()),
        (EventKind.EDITED, "50 %", timedelta(seconds=2)),
        (EventKind.DELETED, "50 %", timedelta(seconds=2)),
    ] == story
    assert [event.by_bot for event in chat.history] == [False, True, True, True]
    assert edited["result"]["edit_date"] == edited["result"]["date"] + 2


async def test_press_and_answer(call: Call, chat: PrivateChat, alice: User) -> None:
    """A press by text or data reaches the bot; its answer reaches the person."""
    sent = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=MARKUP)
    by_text = await chat.press(alice, sent["result"]["message_id"], "Stop")
    by_data = await chat.press(alice, chat.messages[0], "stop:1")
    updates = (await call("getUpdates"))["result"]
    unanswered = by_text.answer
    await call(
        "answerCallbackQuery", callback_query_id=by_text.id, text="Stopping", show_alert=True
    )
    again = await call("answerCallbackQuery", callback_query_id=by_text.id, text="Twice")

    assert [by_text.id, by_data.id] == [update["callback_query"]["id"] for update in updates]
    assert {"stop:1"} == {update["callback_query"]["data"] for update in updates}
    assert unanswered is None
    assert again["ok"]
    assert CallbackAnswer("Stopping", show_alert=True) == by_text.answer


async def test_late_answer(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User
) -> None:
    """An answer is taken for fifteen seconds, and has a length."""
    sent = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=MARKUP)
    query = await chat.press(alice, sent["result"]["message_id"], "Stop")
    long = await call("answerCallbackQuery", callback_query_id=query.id, text="x" * 201)
    tg.clock.advance(timedelta(seconds=16))
    late = await call("answerCallbackQuery", callback_query_id=query.id)

    assert long["description"] == "Bad Request: MESSAGE_TOO_LONG"
    assert late["description"].startswith("Bad Request: query is too old")
    assert query.answer is None


async def test_what_cannot_be_pressed(call: Call, chat: PrivateChat, alice: User) -> None:
    """Only a button that is shown and asks the bot can be pressed."""
    sent = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=MARKUP)
    message_id = sent["result"]["message_id"]
    for button in ("Open", "Delete", "stop:2"):
        with pytest.raises(ButtonNotFound):
            await chat.press(alice, message_id, button)
    await call("deleteMessage", chat_id=chat.id, message_id=message_id)
    with pytest.raises(MessageNotFound):
        await chat.press(alice, message_id, "Stop")


async def test_replies(call: Call, chat: PrivateChat, alice: User) -> None:
    """A reply embeds its message, one level deep; after a deletion it can be sent all the same."""
    first = await chat.send_text(alice, "first")
    second = await chat.send_text(alice, "second", reply_to=first)
    reply = {"message_id": second.id}
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_parameters=reply)
    await chat.delete(second)
    refused = await call("sendMessage", chat_id=chat.id, text="x", reply_parameters=reply)
    anyway = {**reply, "allow_sending_without_reply": True}
    sent = await call("sendMessage", chat_id=chat.id, text="y", reply_parameters=anyway)

    assert answer["result"]["reply_to_message"]["text"] == "second"
    assert "reply_to_message" not in answer["result"]["reply_to_message"]
    assert refused["description"] == "Bad Request: message to be replied not found"
    assert "reply_to_message" not in sent["result"]
    assert [None, second.id, None] == [message.reply_to for message in chat.messages]


async def test_old_messages_stay(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """After 48 hours a message cannot be deleted any more, one by one or together."""
    sent = await call("sendMessage", chat_id=chat.id, text="x")
    message_id = sent["result"]["message_id"]
    tg.clock.advance(timedelta(hours=49))
    refused = await call("deleteMessage", chat_id=chat.id, message_id=message_id)
    await call("deleteMessages", chat_id=chat.id, message_ids=[message_id])

    assert refused["description"] == "Bad Request: message can't be deleted"
    assert len(chat.messages) == 1


async def test_forward_and_copy(call: Call, chat: PrivateChat, alice: User) -> None:
    """A forward tells where it came from, in old fields and new; a copy does not."""
    message = await chat.send_file(alice, content=b"x", name="a.txt", caption="C")
    source = {"chat_id": chat.id, "from_chat_id": chat.id, "message_id": message.id}
    forwarded = (await call("forwardMessage", **source))["result"]
    copied = (await call("copyMessage", **source, caption="D"))["result"]
    seconds = int(START.timestamp())

    assert alice.json() == forwarded["forward_origin"]["sender_user"] == forwarded["forward_from"]
    assert seconds == forwarded["forward_origin"]["date"] == forwarded["forward_date"]
    assert message.json()["document"] == forwarded["document"]
    assert {"message_id": chat.messages[-1].id} == copied
    assert [shown.text for shown in chat.messages] == ["C", "C", "D"]


async def test_files_are_shown(call: Call, chat: PrivateChat, alice: User, tmp_path: Path) -> None:
    """A person sees name and size; a path is served where it lies; one file can be sent twice."""
    path = tmp_path / "big.bin"
    path.write_bytes(b"12345")
    first = await chat.send_file(alice, content=path, name="big.bin", mime="a/b", caption="/save")
    assert first.attachment is not None
    again = await chat.send_file(alice, content=first.attachment.file, media_group_id="5")
    shown = chat.messages[0].file
    updates = (await call("getUpdates"))["result"]
    assert shown is not None

    assert ("document", "big.bin", "a/b", 5, path) == (
        shown.kind,
        shown.name,
        shown.mime,
        shown.size,
        shown.path,
    )
    assert updates[0]["message"]["caption_entities"][0]["type"] == "bot_command"
    assert first.json()["document"] == again.json()["document"]
    assert updates[1]["message"]["media_group_id"] == "5"
    with pytest.raises(ValueError, match="kind must be one of"):
        await chat.send_file(alice, content=b"x", kind="hologram")


async def test_blocked_and_gone(call: Call, chat: PrivateChat) -> None:
    """A person can block the bot, come back, and delete the account."""
    await chat.block()
    blocked = await call("sendMessage", chat_id=chat.id, text="x")
    await chat.unblock()
    allowed = await call("sendMessage", chat_id=chat.id, text="x")
    chat.deactivate()
    gone = await call("sendMessage", chat_id=chat.id, text="x")

    assert blocked["description"] == "Forbidden: bot was blocked by the user"
    assert allowed["ok"]
    assert gone["description"] == "Forbidden: user is deactivated"


async def test_messages_of_bots(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """Another bot can be the author of a message, and says so."""
    other = tg.add_user("Other", is_bot=True)
    await chat.send_file(other, content=b"x", name="a.txt")
    update = (await call("getUpdates"))["result"][0]

    assert update["message"]["from"]["is_bot"]
    assert not chat.messages[0].from_bot


async def test_previews(call: Call, chat: PrivateChat) -> None:
    """Whether a message forbids a preview of its links can be seen."""
    off = {"is_disabled": True}
    sent = await call("sendMessage", chat_id=chat.id, text="x", link_preview_options=off)
    target = {"chat_id": chat.id, "message_id": sent["result"]["message_id"]}
    before = chat.messages[0].preview_off
    await call("editMessageText", **target, text="y")

    assert (before, chat.messages[0].preview_off) == (True, False)


async def test_wait_for(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """Waiting ends when the condition holds, and with an error when it never does."""
    await call("sendMessage", chat_id=chat.id, text="x")
    await tg.wait_for(lambda: len(chat.bot_messages) == 1)

    assert chat is tg.chat(chat.id) is tg.private_chat(chat.user)
    with pytest.raises(TimeoutError):
        await tg.wait_for(lambda: False, timeout=0.01)
