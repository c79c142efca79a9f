"""A stand-in per test, and requests to its page."""

from collections.abc import AsyncIterator

import pytest

from bot.sandbox.telegram import RemoteTelegram, TelegramStandIn
from tests.sandbox.telegram.conftest import alice, call, chat, clock, http, tg

__all__ = ["alice", "call", "chat", "clock", "http", "remote", "tg"]


@pytest.fixture
async def remote(tg: TelegramStandIn) -> AsyncIterator[RemoteTelegram]:
    """A client of the control verbs."""
    async with RemoteTelegram(tg.control_url) as client:
        yield client
