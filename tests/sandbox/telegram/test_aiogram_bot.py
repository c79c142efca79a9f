"""A small bot of aiogram lives in the stand-in: polling, downloads, buttons."""

import asyncio
import io
from typing import TYPE_CHECKING

import pytest

from bot.sandbox.telegram import CallbackAnswer, PrivateChat, TelegramStandIn, User

if TYPE_CHECKING:
    from aiogram import Bot as Aiogram
    from aiogram import Dispatcher


def dispatcher(aiobot: "Aiogram") -> "Dispatcher":
    """Return a bot that tells the size of a file and deletes its answer on request."""
    from aiogram import Dispatcher, F
    from aiogram.filters import Command
    from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

    found = Dispatcher()

    @found.message(Command("start"))
    async def start(message: Message) -> None:
        await message.answer("Send a file")

    @found.message(F.document)
    async def document(message: Message) -> None:
        assert message.document is not None
        file = await aiobot.download(message.document, io.BytesIO())
        assert isinstance(file, io.BytesIO)
        button = InlineKeyboardButton(text="Delete", callback_data="delete")
        markup = InlineKeyboardMarkup(inline_keyboard=[[button]])
        await message.reply(f"{len(file.getvalue())} bytes", reply_markup=markup)

    @found.callback_query(F.data == "delete")
    async def delete(query: CallbackQuery) -> None:
        assert isinstance(query.message, Message)
        await query.answer("Gone")
        await query.message.delete()

    return found


@pytest.mark.long
async def test_conversation(
    tg: TelegramStandIn, aiobot: "Aiogram", chat: PrivateChat, alice: User
) -> None:
    """A command, a file, a button: each is answered."""
    found = dispatcher(aiobot)
    polling = asyncio.create_task(
        found.start_polling(aiobot, handle_signals=False, polling_timeout=5)
    )
    await chat.send_text(alice, "/start")
    await tg.wait_for(lambda: len(chat.bot_messages) == 1)
    file = await chat.send_file(alice, content=b"x" * 12_345, name="x.bin")
    await tg.wait_for(lambda: len(chat.bot_messages) == 2)
    answer = chat.bot_messages[-1]
    query = await chat.press(alice, answer, "Delete")
    await tg.wait_for(lambda: query.answer is not None and len(chat.bot_messages) == 1)
    await found.stop_polling()
    await polling

    assert ("12345 bytes", file.id) == (answer.text, answer.reply_to)
    assert CallbackAnswer("Gone") == query.answer
