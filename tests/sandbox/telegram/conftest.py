"""A stand-in per test, with a clock that stands still, and two real clients for it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from telegram.ext import ExtBot

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.adapters.telegram.bots import httpx_client

if TYPE_CHECKING:
    from aiogram import Bot as Aiogram

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

Call = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
def clock() -> SandboxClock:
    """A clock that only the test moves."""
    return SandboxClock(START, running=False)


@pytest.fixture
async def tg(tmp_path: Path, clock: SandboxClock) -> AsyncIterator[TelegramStandIn]:
    """A running stand-in."""
    async with TelegramStandIn(tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
def alice(tg: TelegramStandIn) -> User:
    """A person."""
    return tg.add_user("Alice", last_name="Example", username="alice")


@pytest.fixture
def chat(tg: TelegramStandIn, alice: User) -> PrivateChat:
    """Her chat with the bot."""
    return tg.private_chat(alice)


@pytest.fixture
async def bot(tg: TelegramStandIn) -> AsyncIterator[ExtBot[None]]:
    """The bot of python-telegram-bot over its default HTTP client."""
    client: ExtBot[None] = ExtBot(
        tg.token,
        base_url=tg.base_url,
        base_file_url=tg.file_url,
        request=httpx_client(connections=256),
        get_updates_request=httpx_client(),
    )
    async with client:
        yield client


@pytest.fixture
async def aiobot(tg: TelegramStandIn) -> AsyncIterator["Aiogram"]:
    """The bot of aiogram."""
    from aiogram import Bot as Aiogram
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer

    server = TelegramAPIServer.from_base(tg.base_url.removesuffix("/bot"))
    client = Aiogram(tg.token, session=AiohttpSession(api=server))
    yield client
    await client.session.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@pytest.fixture
def call(tg: TelegramStandIn, http: aiohttp.ClientSession) -> Call:
    """Call a method with JSON and return the envelope as it came."""

    async def post(method: str, **params: object) -> dict[str, Any]:
        url = f"{tg.base_url}{tg.token}/{method}"
        async with http.post(url, json=params) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == body.get("error_code", 200)
            return body

    return post
