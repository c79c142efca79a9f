"""The library's own bot, talking to the stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram.request import BaseRequest, HTTPXRequest

from bot.adapters.telegram.request import RelayBot
from bot.sandbox.telegram import TelegramStandIn


def httpx_client(*, connections: int = 1, trust_env: bool = False) -> HTTPXRequest:
    """Make the library's own client for HTTP on loopback: without the certificates of the
    authorities, which take long to load.
    """
    options = {"trust_env": trust_env, "verify": False}
    return HTTPXRequest(connection_pool_size=connections, httpx_kwargs=options)


@asynccontextmanager
async def bot_of(
    telegram: TelegramStandIn, request: BaseRequest | None = None
) -> AsyncIterator[RelayBot]:
    """Open a bot on the stand-in's address, over the library's own client unless told
    otherwise.
    """
    client = request or httpx_client()
    bot = RelayBot(
        telegram.token, base_url=telegram.base_url, request=client, get_updates_request=client
    )
    async with client:
        yield bot
