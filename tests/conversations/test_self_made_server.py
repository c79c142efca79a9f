"""The bot at a Bot API server that is not Telegram's own."""

import os
from pathlib import Path

import aiohttp
import pytest

from bot.adapters.telegram import intake
from bot.demo.local_stack import LocalStack
from tests.fakes.bot_api import TOKEN, SelfMadeServer

CONTENT = os.urandom(70_000)


async def test_document(tmp_path: Path) -> None:
    """A document is relayed through a server that understands forms and canonical names only."""
    async with SelfMadeServer() as server, LocalStack(tmp_path) as stage:
        stage.more |= {"RELAY_TELEGRAM__TOKEN": TOKEN, "RELAY_TELEGRAM__BASE_URL": server.url}
        await stage.start_bot(server.chat_id)
        message_id = await server.send_document(CONTENT, "report.pdf")
        await server.wait_for(
            lambda: any(m["reply_to"] == message_id for m in server.messages.values())
        )
        await stage.stop_bot()
        (answer,) = [m for m in server.messages.values() if m["reply_to"] == message_id]
        link = answer["buttons"]["inline_keyboard"][0][0]["url"]
        async with aiohttp.ClientSession() as session, session.get(link) as response:
            fetched = await response.read()

    assert fetched == CONTENT
    assert server.refused == []


async def test_polls_that_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers each poll at once is asked no more often than once a second."""
    assert intake.LEAST_SECONDS == 1.0
    monkeypatch.setattr(intake, "LEAST_SECONDS", 0.1)
    async with SelfMadeServer() as server, LocalStack(tmp_path) as stage:
        stage.more |= {"RELAY_TELEGRAM__TOKEN": TOKEN, "RELAY_TELEGRAM__BASE_URL": server.url}
        await stage.start_bot(server.chat_id)
        await server.wait_for(lambda: len(server.of("getUpdates")) >= 8)
        await stage.stop_bot()
        polls = [asked.at for asked in server.of("getUpdates")]

    # Seven waits, and a delay of the first poll on its way.
    assert polls[7] - polls[0] >= 0.6
