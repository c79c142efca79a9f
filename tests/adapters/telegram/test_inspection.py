"""A look at the bot through the Bot API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapters.telegram.inspection import BotInspection, MessageAuthor, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.core.errors import ChatUnavailable
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import TelegramStandIn


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[TelegramStandIn]:
    """A running Bot API server."""
    async with TelegramStandIn(tmp_path) as telegram:
        yield telegram


@pytest.fixture
async def bot(telegram: TelegramStandIn) -> AsyncIterator[BotInspection]:
    """The look at its bot."""
    base_url = telegram.base_url.removesuffix("/bot")
    async with open_examination(telegram.token, base_url=base_url, proxy=None) as bot:
        yield bot


async def test_profile(telegram: TelegramStandIn, bot: BotInspection) -> None:
    """The bot is told by name, with privacy mode and the server's time."""
    telegram.privacy.reads_all = True
    profile = await bot.profile()

    assert (profile.username, profile.reads_groups) == ("relay_sandbox_bot", True)
    assert profile.told_at is not None


async def test_writers(telegram: TelegramStandIn, bot: BotInspection) -> None:
    """The writers of private messages are told, the latest first; asking confirms nothing (a
    server that is asked again at once tells only the oldest).
    """
    for name in ("Alice", "Bob", "Alice"):
        user = telegram.add_user(name, id=1 if name == "Alice" else 2)
        await telegram.private_chat(user).send_text(user, "hello")
    first, again = await bot.wait_for_writers(1), await bot.wait_for_writers(1)

    assert [writer.name for writer in first] == ["Alice", "Bob"]
    assert again == first[:1]
    assert isinstance(first[0], MessageAuthor)


async def test_webhook(bot: BotInspection) -> None:
    """Without a webhook there is none to tell."""
    assert await bot.webhook() == ""


async def test_unknown_token(telegram: TelegramStandIn) -> None:
    """A token that the server does not know is named as such, and not shown."""
    base_url = telegram.base_url.removesuffix("/bot")
    async with open_examination("1:unknown-token-of-nobody", base_url=base_url, proxy=None) as bot:
        with pytest.raises(TokenRefused) as caught:
            await bot.profile()

    assert "unknown-token" not in str(caught.value)


async def test_no_server(telegram: TelegramStandIn, bot: BotInspection) -> None:
    """Without an answer the error names the method and no address."""
    await telegram.stop()
    with pytest.raises(ChatUnavailable, match="getMe") as caught:
        await bot.profile()

    assert telegram.token not in repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize("result", ["null", "{}", "[1]", "true"])
async def test_unreadable_answer(
    telegram: TelegramStandIn, bot: BotInspection, result: str
) -> None:
    """An answer that says nothing about the bot is no answer."""
    telegram.faults.add(Fault("getMe", Effect.ODD, args={"result": result}))
    with pytest.raises(ChatUnavailable, match="getMe: the answer cannot be read"):
        await bot.profile()
