"""The commands and texts that Telegram shows of the bot."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram import (
    Bot,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)

from bot.adapters.telegram.commands import (
    BOT_ADMIN_MENU,
    GROUP_ADMIN_MENU,
    GROUP_MENU,
    PRIVATE_MENU,
    register_commands,
)
from bot.adapters.telegram.renderer import Renderer
from bot.core.errors import ChatUncertain
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import TelegramStandIn
from tests.adapters.telegram.bots import bot_of

TEXTS = Renderer()
PRIVATE = BotCommandScopeAllPrivateChats()


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[TelegramStandIn]:
    """A stand-in that knows nothing of the bot yet."""
    async with TelegramStandIn(tmp_path) as stand_in:
        yield stand_in


@pytest.fixture
async def bot(telegram: TelegramStandIn) -> AsyncIterator[Bot]:
    """The library's own bot."""
    async with bot_of(telegram) as opened:
        yield opened


def written(telegram: TelegramStandIn) -> list[str]:
    """Return the calls that changed something, in order."""
    return [entry.operation for entry in telegram.log if entry.operation.startswith("set")]


async def test_commands_are_described_in_both_languages(bot: Bot) -> None:
    """Private chats list every command, in English and in Chinese."""
    await register_commands(bot, TEXTS)
    english = await bot.get_my_commands(PRIVATE)
    chinese = await bot.get_my_commands(PRIVATE, language_code="zh")

    assert [command.command for command in english] == list(PRIVATE_MENU)
    assert [command.command for command in chinese] == list(PRIVATE_MENU)
    assert english[0].description == "Running transfers and live links"
    assert chinese[0].description == "正在进行的传输和有效链接"


async def test_server_without_descriptions(bot: Bot, telegram: TelegramStandIn) -> None:
    """A server older than descriptions still gets the commands of every language."""
    telegram.world.missing_methods |= {"getMyShortDescription", "getMyDescription"}
    await register_commands(bot, TEXTS)

    assert (await bot.get_my_commands(PRIVATE, language_code="zh")) != ()
    assert set(written(telegram)) == {"setMyCommands"}


@pytest.mark.parametrize("code", ["", "zh"])
async def test_groups_list_what_fits_there(bot: Bot, code: str) -> None:
    """Members see how to share a file, admins of a group its settings too."""
    await register_commands(bot, TEXTS)
    members = await bot.get_my_commands(BotCommandScopeAllGroupChats(), language_code=code)
    admins = await bot.get_my_commands(BotCommandScopeAllChatAdministrators(), language_code=code)

    assert list(GROUP_MENU) == [command.command for command in members]
    assert list(GROUP_ADMIN_MENU) == [command.command for command in admins]


async def test_those_who_look_after_the_bot_see_more(bot: Bot, telegram: TelegramStandIn) -> None:
    """Admins see more commands in their own chat; an admin without a chat holds up no other."""
    chief = telegram.add_user("Chief")
    telegram.private_chat(chief)
    await register_commands(bot, TEXTS, [999_999, chief.id])
    shown = await bot.get_my_commands(BotCommandScopeChat(chief.id), language_code="zh")

    assert list(BOT_ADMIN_MENU) == [command.command for command in shown]
    assert len(await bot.get_my_commands(PRIVATE)) == len(PRIVATE_MENU)


async def test_descriptions_are_set_in_both_languages(bot: Bot) -> None:
    """The profile says what the bot is for."""
    await register_commands(bot, TEXTS)

    for code, language in (("", "en"), ("zh", "zh")):
        short = await bot.get_my_short_description(language_code=code)
        full = await bot.get_my_description(language_code=code)
        say = TEXTS.language(language).say
        assert short.short_description == say("bot-short-description")
        assert full.description == say("bot-description")


async def test_restart_writes_nothing(bot: Bot, telegram: TelegramStandIn) -> None:
    """Values that Telegram has already are not set again."""
    await register_commands(bot, TEXTS)
    first = written(telegram)
    await register_commands(bot, TEXTS)

    assert len(first) == 10
    assert written(telegram) == first


async def test_only_what_differs_is_written(bot: Bot, telegram: TelegramStandIn) -> None:
    """A text that was changed by hand is restored, the others are not written."""
    await register_commands(bot, TEXTS)
    before = len(written(telegram))
    await bot.set_my_description("something else", language_code="zh")
    await register_commands(bot, TEXTS)

    assert written(telegram)[before:] == ["setMyDescription"] * 2


async def test_failure_has_a_name(bot: Bot, telegram: TelegramStandIn) -> None:
    """A failure is one of the port's errors, so the caller can log it and go on."""
    telegram.faults.add(Fault("setMyCommands", Effect.RESET))

    with pytest.raises(ChatUncertain):
        await register_commands(bot, TEXTS)
