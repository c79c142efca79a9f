"""The control side, through its client: a person in another process."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import (
    CallbackAnswer,
    ControlRefused,
    FloodMode,
    RemoteTelegram,
    TelegramStandIn,
)
from tests.sandbox.telegram.conftest import START, Call


@pytest.fixture
async def remote(tg: TelegramStandIn) -> AsyncIterator[RemoteTelegram]:
    """A client of the control side."""
    async with RemoteTelegram(tg.control_url) as client:
        yield client


async def test_a_conversation(
    tg: TelegramStandIn, remote: RemoteTelegram, call: Call, tmp_path: Path
) -> None:
    """A person sends a file, waits for the answer, presses its button and reads the chat."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"123")
    bob = await remote.add_user("Bob", username="bob")
    chat = remote.private_chat(bob)
    waiting = asyncio.create_task(chat.wait_for("<b>done</b>", after=1))
    sent = await chat.send_file(bob, content=path, name="a.bin", announced_size=7)
    markup = {"inline_keyboard": [[{"text": "Delete", "callback_data": "d"}]]}
    text = {"text": "<b>done</b>", "parse_mode": "HTML", "reply_markup": markup}
    await call("sendMessage", chat_id=bob.id, **text)
    answer = (await waiting)[0]
    query_id = await chat.press(bob, answer.id, "Delete")
    await call("answerCallbackQuery", callback_query_id=query_id, text="ok")
    said = await remote.answer_to(query_id)

    assert CallbackAnswer("ok") == said
    assert tg.chat(bob.id).messages == await chat.messages()
    assert tg.chat(bob.id).history == await chat.history()
    assert (sent, 7) == (tg.chat(bob.id).messages[0].id, _size(tg, bob.id))


def _size(tg: TelegramStandIn, chat_id: int) -> int | None:
    file = tg.chat(chat_id).messages[0].file
    return file.size if file else None


async def test_texts(remote: RemoteTelegram) -> None:
    """Texts can be written, changed and deleted."""
    bob = await remote.add_user("Bob")
    chat = remote.private_chat(bob)
    message_id = await chat.send_text(bob, "one")
    other = await chat.send_text(bob, "two", reply_to=message_id)
    await chat.edit_text(other, "three")
    await chat.delete(message_id)

    assert [message.text for message in await chat.messages()] == ["three"]


async def test_groups(tg: TelegramStandIn, remote: RemoteTelegram) -> None:
    """Groups can be made and written in."""
    bob = await remote.add_user("Bob")
    group = await remote.add_group("Team", bob, forum=True, bot="administrator")
    await group.send_text(bob, "hello")

    assert [message.text for message in tg.chat(group.id).messages] == ["hello"]


async def test_settings(tg: TelegramStandIn, remote: RemoteTelegram, call: Call) -> None:
    """Clock, faults, bandwidth, flood control and the log can be reached."""
    await remote.add_fault(Fault("getMe", Effect.ERROR, args={"status": 500}))
    await call("getMe")
    await call("getMe")
    await remote.add_fault(Fault("*", Effect.ERROR))
    await remote.clear_faults()
    shape = await remote.set_shape(latency=0.001, down_total=5_000)
    await remote.set_flood(FloodMode.REFUSE)
    log = await remote.log(operation="getMe", since=1)

    assert (shape["latency"], tg.shape.down_total) == (0.001, 5_000)
    assert (tg.flood.mode, await remote.flood_hits()) == (FloodMode.REFUSE, 0)
    assert [entry["status"] for entry in log] == [200]
    assert await remote.now() == START
    assert START + timedelta(hours=1) == await remote.advance(timedelta(hours=1))
    assert tg.token == (await remote.info())["token"]


async def test_refusals(remote: RemoteTelegram, tmp_path: Path) -> None:
    """Wrong arguments are told in a sentence, a wait in vain is a time-out."""
    bob = await remote.add_user("Bob")
    chat = remote.private_chat(bob)
    with pytest.raises(TimeoutError):
        await chat.wait_for("x", timeout=0.01)
    with pytest.raises(ControlRefused, match="verbs are info"):
        await remote.ask("dance")
    with pytest.raises(ControlRefused, match="no setting 'width'"):
        await remote.set_shape(width=5)
    with pytest.raises(ControlRefused, match="missing or unknown"):
        await remote.ask("send_text", chat_id=bob.id, text="x")
    with pytest.raises(ControlRefused, match="No such file"):
        await chat.send_file(bob, content=tmp_path / "none")
    with pytest.raises(ControlRefused, match="no message 99"):
        await chat.delete(99)
    with pytest.raises(RuntimeError, match="async with"):
        await RemoteTelegram("http://127.0.0.1:1").info()
