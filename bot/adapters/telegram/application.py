"""The Telegram side: the PTB application with its requests, renderer and buttons; the registered
commands.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

import structlog
from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from telegram.error import BadRequest, InvalidToken, TelegramError
from telegram.ext import Application

from bot.adapters.telegram.buttons import ButtonCodec
from bot.adapters.telegram.errors import TokenRefused, chat_errors
from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.languages import CHINESE, ENGLISH
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.adapters.telegram.renderer import Renderer
from bot.adapters.telegram.request import AiohttpRequest, Answered
from bot.adapters.telegram.unreadable import readable_answers

log = structlog.stdlib.get_logger(__name__)

COMMANDS: Final = ("status", "links", "cancel", "language", "zone", "help", "start")
"""Commands of private chats in the order of the menu; the locale files describe each as
`command-<name>`.
"""

GROUP_COMMANDS: Final = ("share", "status", "links", "cancel", "language", "zone", "help")
"""Commands of groups."""

ADMIN_COMMANDS: Final = (*GROUP_COMMANDS, "auto", "deliver")
"""Commands of those who look after a group."""

CHIEF_COMMANDS: Final = (*COMMANDS, "stats", "allow", "ban", "unban")
"""Commands of those who look after the bot, in private."""

SCOPES: Final[tuple[tuple[BotCommandScope, tuple[str, ...]], ...]] = (
    (BotCommandScopeAllPrivateChats(), COMMANDS),
    (BotCommandScopeAllGroupChats(), GROUP_COMMANDS),
    (BotCommandScopeAllChatAdministrators(), ADMIN_COMMANDS),
)
"""Which commands are shown where; of several that fit, Telegram shows the last here."""

AUDIENCES: Final = {"": ENGLISH, "zh": CHINESE}
"""Telegram's language codes (two letters; "" is everybody else) and what they are shown."""


async def register_commands(bot: Bot, renderer: Renderer, admins: Iterable[int] = ()) -> None:
    """Tell Telegram the commands of each kind of chat and the descriptions, in every language.
    `admins` look after the bot and see more commands in private.

    Only what differs from what Telegram already has is set, so that a restart writes nothing.

    Raises:
        ChatError: as the `Messenger` port says; nothing of the bot depends on it, so a caller may
            log it and go on.
    """
    with chat_errors():
        for code, language in AUDIENCES.items():
            for scope, names in SCOPES:
                await _commands(bot, scope, _worded(renderer, language, names), code)
            await _descriptions(bot, renderer, code, language)
            for admin in admins:
                chiefs = _worded(renderer, language, CHIEF_COMMANDS)
                # Whoever has never written to the bot has no chat with it.
                with suppress(BadRequest):
                    await _commands(bot, BotCommandScopeChat(admin), chiefs, code)


async def _commands(
    bot: Bot, scope: BotCommandScope, commands: tuple[BotCommand, ...], code: str
) -> None:
    if await bot.get_my_commands(scope, language_code=code) != commands:
        await bot.set_my_commands(commands, scope, language_code=code)


def _worded(renderer: Renderer, language: str, names: tuple[str, ...]) -> tuple[BotCommand, ...]:
    say = renderer.language(language).say
    return tuple(BotCommand(name, say(f"command-{name}")) for name in names)


async def _descriptions(bot: Bot, renderer: Renderer, code: str, language: str) -> None:
    say = renderer.language(language).say
    short = say("bot-short-description")
    if (await bot.get_my_short_description(language_code=code)).short_description != short:
        await bot.set_my_short_description(short, language_code=code)
    full = say("bot-description")
    if (await bot.get_my_description(language_code=code)).description != full:
        await bot.set_my_description(full, language_code=code)


LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class TelegramResources:
    """What the rest of the program needs of Telegram."""

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
    """Build the application without an updater and greet Telegram; waits while it is out of reach.

    `zone` is that of the moments that are told; `answered` hears of every call.

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
            await asyncio.sleep(min(LONGEST_WAIT, 2.0 ** min(troubles - 1, 6)))
        else:
            return
