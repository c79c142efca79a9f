"""The PTB application with its requests, renderer and buttons."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Final

import structlog
from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application

from bot.adapters.telegram.buttons import ButtonCodec
from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.adapters.telegram.renderer import BotName, Renderer
from bot.adapters.telegram.request import (
    AiohttpRequest,
    Answered,
    RelayBot,
    TokenRefused,
    readable_answers,
    wait_after,
)
from bot.core.ports import Clock

log = structlog.stdlib.get_logger(__name__)


NAME_ASKED_EVERY: Final = timedelta(minutes=5)


async def keep_name(name: BotName, bot: Bot, clock: Clock) -> None:
    """Ask for the bot's name now and then, until cancelled. Its owner may change it at @BotFather
    at any time, and another account can take the old one.
    """
    while True:
        await clock.sleep_until(clock.now() + NAME_ASKED_EVERY)
        # The intake finds out what is wrong with the token or with Telegram.
        with suppress(TelegramError), readable_answers():
            told = (await bot.get_me()).username
            if told and told != name.current:
                log.info("the bot has been renamed", before=name.current, now=told)
                name.current = told


@dataclass(frozen=True)
class TelegramResources:
    """The objects of this package that the wiring uses."""

    application: App
    bot_id: int
    name: BotName
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
        .bot(
            RelayBot(
                token,
                base_url=f"{base_url}/bot",
                base_file_url=f"{base_url}/file/bot",
                request=AiohttpRequest(proxy=proxy, answered=answered),
                get_updates_request=AiohttpRequest(proxy=proxy, answered=answered),
            )
        )
        .updater(None)
        .job_queue(None)
        .concurrent_updates(1)
        .build()
    )
    await _greet(application)
    try:
        name = BotName(application.bot.username)
        renderer = Renderer(zone=zone, name=name)
        keyboards = ButtonCodec(token.encode())
        yield TelegramResources(
            application=application,
            bot_id=application.bot.id,
            name=name,
            messenger=TelegramMessenger(application.bot, renderer, keyboards),
            renderer=renderer,
            keyboards=keyboards,
        )
    finally:
        await application.shutdown()


LONGEST_REASON: Final = 200
"""Characters of the description of an error, which a proxy may have written."""


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
            log.warning(
                "Telegram is out of reach", why=str(error)[:LONGEST_REASON], troubles=troubles
            )
            await asyncio.sleep(wait_after(error, troubles))
        else:
            return
