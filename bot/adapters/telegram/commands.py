"""What Telegram shows of the bot before anybody writes to it: commands and descriptions."""

from typing import Final

from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats

from bot.adapters.telegram.chat_errors import chat_errors
from bot.adapters.telegram.languages import CHINESE, ENGLISH
from bot.adapters.telegram.texts import Texts

COMMANDS: Final = ("start", "help", "status")
"""Commands in the order of the menu; the locale files describe each as `command-<name>`."""

AUDIENCES: Final = {"": ENGLISH, "zh": CHINESE}
"""Telegram's language codes (two letters; "" is everybody else) and what they are shown."""


async def register_commands(bot: Bot, texts: Texts) -> None:
    """Tell Telegram the commands for private chats and the descriptions, in every language.

    Only what differs from what Telegram already has is set, so that a restart writes nothing.

    Raises:
        ChatError: as the `Messenger` port says; nothing of the bot depends on it, so a caller may
            log it and go on.
    """
    with chat_errors():
        for code, language in AUDIENCES.items():
            await _commands(bot, texts, code, language)
            await _descriptions(bot, texts, code, language)


async def _commands(bot: Bot, texts: Texts, code: str, language: str) -> None:
    say = texts.language(language).say
    wanted = tuple(BotCommand(name, say(f"command-{name}")) for name in COMMANDS)
    scope = BotCommandScopeAllPrivateChats()
    if await bot.get_my_commands(scope, language_code=code) != wanted:
        await bot.set_my_commands(wanted, scope, language_code=code)


async def _descriptions(bot: Bot, texts: Texts, code: str, language: str) -> None:
    say = texts.language(language).say
    short = say("bot-short-description")
    if (await bot.get_my_short_description(language_code=code)).short_description != short:
        await bot.set_my_short_description(short, language_code=code)
    full = say("bot-description")
    if (await bot.get_my_description(language_code=code)).description != full:
        await bot.set_my_description(full, language_code=code)
