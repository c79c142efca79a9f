"""The PTB application with its requests, renderer and buttons."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo

import structlog
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application

from bot.adapters.telegram.buttons import ButtonCodec
from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.adapters.telegram.renderer import Renderer
from bot.adapters.telegram.request import (
    AiohttpRequest,
    Answered,
    TokenRefused,
    readable_answers,
    wait_after,
)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class TelegramResources:
    """The objects of this package that the wiring uses."""

    application: App
    bot_id: int
    username: str
    messenger: TelegramMessenger
    renderer: Renderer
    keyboards: ButtonCodec


@asynccontextmanager
async def open_telegram(
    token: str,
    *,
    base_url: str,
    proxy: str | None,
    zone: tzinfo = UTC,
    answered: Answered = lambda _method, _status: None,
) -> AsyncIterator[TelegramResources]:
    """Build the application without an updater and initialize it; wait while Telegram is
    unreachable.

    `zone` is the time zone of shown times; `answered` is called after every call.

    Raises:
        TokenRefused: Telegram does not know the token.
    """
    application: App = (
        Application.builder()
        .token(token)
        .base_url(f"{base_url}/bot")
        .base_file_url(f"{base_url}/file/bot")
        .request(AiohttpRequest(proxy=proxy, answered=answered))
        .get_updates_request(AiohttpRequest(proxy=proxy, answered=answered))
        .updater(None)
        .job_queue(None)
        .concurrent_updates(1)
        .build()
    )
    await _greet(application)
    try:
        renderer = Renderer(zone=zone, username=application.bot.username)
        keyboards = ButtonCodec(token.encode())
        yield TelegramResources(
            application=application,
            bot_id=application.bot.id,
            username=application.bot.username,
            messenger=TelegramMessenger(application.bot, renderer, keyboards),
            renderer=renderer,
            keyboards=keyboards,
        )
    finally:
        await application.shutdown()


async def _greet(application: App) -> None:
    troubles = 0
    while True:
        try:
            with readable_answers():
                await application.initialize()
        except InvalidToken as error:
            await application.bot.shutdown()
            raise TokenRefused from error
        except TelegramError as error:
            troubles += 1
            log.warning("Telegram is out of reach", why=str(error), troubles=troubles)
            await asyncio.sleep(wait_after(error, troubles))
        else:
            return
