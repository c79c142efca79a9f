"""The library's own bot, talking to the stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram.request import BaseRequest, HTTPXRequest

from bot.adapters.telegram.request import RelayBot
from bot.sandbox.telegram import TelegramStandIn


@asynccontextmanager
async def bot_of(
    telegram: TelegramStandIn, request: BaseRequest | None = None
) -> AsyncIterator[RelayBot]:
    """Open a bot on the stand-in's address, over the library's own client unless told
    otherwise.
    """
    client = request or HTTPXRequest(httpx_kwargs={"trust_env": False})
    bot = RelayBot(telegram.token, base_url=telegram.base_url, request=client)
    async with client:
        yield bot
