"""The bot's requests to Telegram, validated with the models of another library."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person

if TYPE_CHECKING:
    from aiogram.methods import TelegramMethod

MIB = 1 << 20


def _method(name: str) -> "type[TelegramMethod[object]]":
    import aiogram.methods  # Its models take seconds, which only this test should wait for.

    method: type[TelegramMethod[object]] = getattr(aiogram.methods, name[0].upper() + name[1:])
    return method


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Stand-ins that know nothing of the bot yet, so that it registers its commands."""
    async with LocalStack(tmp_path) as stage:
        yield stage


@pytest.mark.long
async def test_every_request_is_one_that_aiogram_would_make(
    stage: LocalStack, alice: Person
) -> None:
    """Each call of a whole conversation is valid by aiogram's models, with nothing left over."""
    stage.telegram.shape.down_total = 3.0 * MIB
    await alice.answered(await alice.write("/start"))
    await alice.send(os.urandom(6 * MIB), "slow.bin")
    await alice.until(lambda: bool(alice.status_messages))
    await alice.press(alice.status_messages[0], "Cancel")
    answer = await alice.answered(await alice.send(b"x" * 1000, "quick.txt"))
    await alice.answered(await alice.write("/status"))
    await alice.press(answer, "Delete now")
    await alice.until(lambda: not alice.shown(answer).buttons)
    leftover = {}
    for entry in stage.telegram.log:
        if entry.operation != "file":
            made = _method(entry.operation).model_validate(entry.params)
            leftover.update({entry.operation: made.model_extra} if made.model_extra else {})

    assert leftover == {}
    assert {
        "sendMessage",
        "editMessageText",
        "answerCallbackQuery",
        "getUpdates",
        "setMyCommands",
        "setMyDescription",
        "setMyShortDescription",
    } <= {entry.operation for entry in stage.telegram.log}
