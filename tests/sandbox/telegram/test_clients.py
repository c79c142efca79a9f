"""The stand-in as two libraries see it that were not written for it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from telegram import InputFile, InputMediaDocument, Message
from telegram.error import BadRequest, Forbidden, InvalidToken
from telegram.ext import ExtBot
from telegram.request import HTTPXRequest

from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call
from tests.sandbox.telegram.oracles import check_update, left_over_in_aiogram, left_over_in_ptb

if TYPE_CHECKING:
    from aiogram import Bot as Aiogram

KINDS = ("document", "photo", "video", "audio", "voice", "video_note", "animation", "sticker")


@pytest.mark.parametrize("kind", KINDS)
async def test_files_of_every_kind(
    call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User, kind: str
) -> None:
    """Each kind of file reads in both libraries with nothing left over, and can be fetched."""
    sent = await chat.send_file(alice, content=b"x" * 99, kind=kind, name="a.bin", caption="Hi")
    raw = (await call("getUpdates"))["result"][0]

    message = check_update(raw, bot).message
    assert message is not None
    attachment = message.effective_attachment
    item = attachment[-1] if isinstance(attachment, tuple) else attachment
    file = await bot.get_file(item.file_id)  # type: ignore[union-attr] # every kind here has one.

    assert (sent.id, "Hi") == (message.message_id, message.caption)
    assert bytes(await file.download_as_bytearray()) == b"x" * 99


async def test_updates_of_a_private_chat(
    call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """Texts, edits, presses and blocks read in both libraries with nothing left over."""
    message = await chat.send_text(
        alice, "/start now @relay_sandbox_bot https://example.com/a?b=c"
    )
    await chat.edit_text(message, "changed")
    answer = await call(
        "sendMessage",
        chat_id=chat.id,
        text="Choose",
        reply_parameters={"message_id": message.id},
        reply_markup={"inline_keyboard": [[{"text": "Stop", "callback_data": "stop"}]]},
    )
    await chat.press(alice, answer["result"]["message_id"], "Stop")
    await chat.block()
    await chat.unblock()
    updates = [check_update(raw, bot) for raw in (await call("getUpdates"))["result"]]
    kinds = ["message", "edited_message", "callback_query", "my_chat_member", "my_chat_member"]

    assert kinds == [next(key for key in u.to_dict() if key != "update_id") for u in updates]


async def test_ptb_sends_edits_and_deletes(bot: ExtBot[None], chat: PrivateChat) -> None:
    """PTB's own objects come back from every method that places or changes a message."""
    sent = await bot.send_message(chat.id, "one <b>two</b>", parse_mode="HTML")
    edited = await sent.edit_text("three")
    reply = await sent.reply_text("four")
    copied = await bot.copy_message(chat.id, chat.id, reply.message_id)
    forwarded = await bot.forward_message(chat.id, chat.id, reply.message_id)
    assert isinstance(edited, Message)

    assert list(left_over_in_ptb([sent, edited, reply, forwarded])) == []
    assert [shown.text for shown in chat.messages] == ["three", "four", "four", "four"]
    assert await bot.delete_messages(chat.id, [sent.message_id, copied.message_id])
    assert [shown.text for shown in chat.messages] == ["four", "four"]


async def test_ptb_uploads(bot: ExtBot[None], chat: PrivateChat, tmp_path: Path) -> None:
    """Uploads come as multipart and can be sent again by their id."""
    path = tmp_path / "näme.txt"
    path.write_bytes(b"bytes")
    sent = await bot.send_document(chat.id, path, caption="C")
    assert sent.document is not None
    again = await bot.send_document(chat.id, sent.document.file_id)
    photo = await bot.send_photo(chat.id, InputFile(b"jpeg", "p.jpg"))
    album = await bot.send_media_group(
        chat.id, [InputMediaDocument(b"one", filename="1.txt"), InputMediaDocument(b"two")]
    )

    assert list(left_over_in_ptb([sent, again, photo, *album])) == []
    assert (sent.document.file_name, sent.document.file_size) == ("näme.txt", 5)
    assert len({message.media_group_id for message in album}) == 1


async def test_aiogram_lives_here_too(
    aiobot: "Aiogram", chat: PrivateChat, alice: User, tmp_path: Path
) -> None:
    """A second library sends, downloads and uploads as well, with nothing left over."""
    from aiogram.types import BufferedInputFile, FSInputFile

    await chat.send_file(alice, content=b"y" * 70_000, name="y.bin")
    me = await aiobot.me()
    update = (await aiobot.get_updates())[0]
    assert update.message is not None
    assert update.message.document is not None
    target = tmp_path / "fetched"
    await aiobot.download(update.message.document, target)
    sent = await aiobot.send_document(chat.id, BufferedInputFile(b"z", "z.txt"))
    streamed = await aiobot.send_document(chat.id, FSInputFile(target, "again.bin"))
    info = await aiobot.get_chat(chat.id)

    assert list(left_over_in_aiogram([me, update, sent, streamed, info])) == []
    assert target.read_bytes() == b"y" * 70_000
    assert info.first_name == "Alice"


async def test_errors_reach_the_libraries(
    tg: TelegramStandIn, bot: ExtBot[None], aiobot: "Aiogram", chat: PrivateChat
) -> None:
    """Refusals become the exceptions that the libraries make of the real server's."""
    from aiogram.exceptions import TelegramBadRequest

    with pytest.raises(BadRequest, match=r"(?i)chat not found"):
        await bot.send_message(5, "x")
    with pytest.raises(TelegramBadRequest, match="message text is empty"):
        await aiobot.send_message(chat.id, "")
    await chat.block()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(chat.id, "x")
    async with HTTPXRequest() as request:
        with pytest.raises(InvalidToken):
            await ExtBot("1:wrong", base_url=tg.base_url, request=request).get_me()


async def test_profile(bot: ExtBot[None]) -> None:
    """Commands by scope and language, and the texts of the profile."""
    await bot.set_my_commands([("start", "Begin"), ("status", "What runs")])
    await bot.set_my_commands([("start", "Anfang")], language_code="de")
    await bot.set_my_description("What it does")
    await bot.set_my_short_description("Short", language_code="en")
    await bot.set_my_name("Relay")
    commands = await bot.get_my_commands()
    german = await bot.get_my_commands(language_code="de")
    await bot.delete_my_commands(language_code="de")

    assert [command.command for command in commands] == ["start", "status"]
    assert [command.description for command in german] == ["Anfang"]
    assert await bot.get_my_commands(language_code="de") == ()
    assert (await bot.get_my_description()).description == "What it does"
    assert (await bot.get_my_short_description("en")).short_description == "Short"
    assert (await bot.get_my_name()).name == "Relay"


async def test_chat_and_reactions(bot: ExtBot[None], chat: PrivateChat, alice: User) -> None:
    """What can be asked of a private chat, and the one reaction that a bot can set."""
    message = await chat.send_text(alice, "hi")
    info = await bot.get_chat(chat.id)
    member = await bot.get_chat_member(chat.id, alice.id)
    await bot.set_message_reaction(chat.id, message.id, "👀")
    await bot.send_chat_action(chat.id, "typing")

    assert list(left_over_in_ptb([info, member])) == []
    assert (member.status, await bot.get_chat_member_count(chat.id)) == ("member", 2)
    assert chat.messages[0].reactions == ("👀",)
    assert chat.actions == ["typing"]
    with pytest.raises(BadRequest, match=r"(?i)reaction_invalid"):
        await bot.set_message_reaction(chat.id, message.id, "✅")
