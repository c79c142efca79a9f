"""What Telegram shows of the bot before anybody writes to it: commands and descriptions."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from telegram.error import BadRequest

from bot.adapters.telegram.errors import chat_errors
from bot.adapters.telegram.languages import CHINESE, ENGLISH
from bot.adapters.telegram.texts import Renderer

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


async def register_commands(bot: Bot, texts: Renderer, admins: Iterable[int] = ()) -> None:
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
                await _commands(bot, scope, _worded(texts, language, names), code)
            await _descriptions(bot, texts, code, language)
            for admin in admins:
                chiefs = _worded(texts, language, CHIEF_COMMANDS)
                # Whoever has never written to the bot has no chat with it.
                with suppress(BadRequest):
                    await _commands(bot, BotCommandScopeChat(admin), chiefs, code)


async def _commands(
    bot: Bot, scope: BotCommandScope, commands: tuple[BotCommand, ...], code: str
) -> None:
    if await bot.get_my_commands(scope, language_code=code) != commands:
        await bot.set_my_commands(commands, scope, language_code=code)


def _worded(texts: Renderer, language: str, names: tuple[str, ...]) -> tuple[BotCommand, ...]:
    say = texts.language(language).say
    return tuple(BotCommand(name, say(f"command-{name}")) for name in names)


async def _descriptions(bot: Bot, texts: Renderer, code: str, language: str) -> None:
    say = texts.language(language).say
    short = say("bot-short-description")
    if (await bot.get_my_short_description(language_code=code)).short_description != short:
        await bot.set_my_short_description(short, language_code=code)
    full = say("bot-description")
    if (await bot.get_my_description(language_code=code)).description != full:
        await bot.set_my_description(full, language_code=code)
