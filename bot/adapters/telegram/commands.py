"""Commands: one row each in `COMMANDS`, with its handler and its menus.

To add one: a method of a use case in `bot.inbound`, a row here, `command-<name>` in the locale
files, and a row in the rights matrix of the tests.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Flag, auto
from typing import Final

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    Chat,
    Message,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginUser,
)
from telegram.error import BadRequest, InvalidToken

from bot.adapters.telegram.contents import CommandLine, find_meant_files
from bot.adapters.telegram.languages import CHINESE, ENGLISH
from bot.adapters.telegram.messenger import METHOD_MISSING, chat_errors, says
from bot.adapters.telegram.renderer import Renderer
from bot.core.jobs import Origin, Wishes
from bot.inbound.commands import UseCases
from bot.inbound.uploads import ShareWishes


def is_heard(command: "Command", line: CommandLine, message: Message) -> bool:
    """Return whether a known command is for this bot: in private always, in a group some commands
    only if they name it.

    A reply to a message of the bot does not name it: with `/ban` people mean to ban this bot, by
    way of another one.
    """
    is_private = message.chat.type == Chat.PRIVATE
    return is_private or line.is_addressed or not command.needs_address


@dataclass(frozen=True, slots=True)
class CommandCall:
    """A command that was given in `message` by `origin`."""

    use_cases: UseCases
    origin: Origin
    message: Message
    line: CommandLine


class Menu(Flag):
    """Menus in which Telegram shows commands."""

    PRIVATE = auto()
    GROUP = auto()
    GROUP_ADMIN = auto()
    """Shown to the admins of a group, who also see `GROUP`."""
    BOT_ADMIN = auto()
    """Shown to the admins of the bot in private, who also see `PRIVATE`."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command without its slash. One with `in_captions` also works in the caption of a file. One
    that `needs_address` is ignored in groups unless it names this bot: other bots there have
    commands of that name.
    """

    name: str
    handle: Callable[[CommandCall], Awaitable[None]]
    menus: Menu
    in_captions: bool = False
    needs_address: bool = False


async def _start(call: CommandCall) -> None:
    # `t.me/<bot>?start=links` puts the word after `/start`.
    if call.line.word == "links" and call.origin.is_private:
        await call.use_cases.user_commands.links(call.origin)
    else:
        await call.use_cases.user_commands.welcome(call.origin)


async def _ban(call: CommandCall) -> None:
    purge = "purge" in call.line.words
    await call.use_cases.admin_commands.ban(call.origin, _target(call), purge=purge)


_NUMBER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_LARGEST_ID: Final = (1 << 52) - 1
"""Source: Bot API, "User" and "Chat": an id has at most 52 significant bits."""


def _target(call: CommandCall) -> int | None:
    """Return the id that a command names, or the sender of the message that it replies to (for a
    forwarded message the first sender). The bot itself is no target. `None` for a number that is
    no id: it is a mistake, not a reply.
    """
    if _NUMBER.fullmatch(call.line.word):
        # Compared by length first: Python refuses to convert thousands of digits.
        number = int(call.line.word) if len(call.line.word) <= 20 else 0
        return number if 0 < abs(number) <= _LARGEST_ID else None
    reply = call.message.reply_to_message
    # In a topic every message that is no reply looks like one to the message that opened the
    # topic.
    if reply is None or reply.forum_topic_created is not None:
        return None
    sender = _sender_of(reply)
    return None if sender == call.origin.bot_id else sender


def _sender_of(message: Message) -> int | None:
    match message.forward_origin:
        case MessageOriginUser(sender_user=user):
            return user.id
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            return chat.id
        case None:
            sender = message.sender_chat or message.from_user
            return sender.id if sender is not None else None
        case _:
            # A forwarded message of a person who hides their account.
            return None


_MINUTES: Final = re.compile(r"([0-9]{1,4}) ?(?:m|mins?|minutes?|分钟?)(?![^\s,，])")
_HOURS: Final = re.compile(r"([0-9]{1,4}) ?(?:h|hrs?|hours?|个?小时|时)(?![^\s,，])")
_TIMES: Final = re.compile(r"(?:([0-9]{1,3}) ?(?:x|times|次)|(?:once|一次|单次))(?![^\s,，])")
_NAMED: Final = re.compile(r"(?:(?:as|named)(?=[ :])|名为|命名为) ?[:：]? ?(?=\S)")
_BETWEEN: Final = re.compile(r"[\s,，]*")


def read_wishes(rest: str) -> ShareWishes:
    """Return what is asked for after `/share`: how long the link lives, how often the file may be
    downloaded, and, last, its name: `1h once as report.pdf`, `1小时 一次 名为 报告.pdf`.

    Words that mean nothing here end the reading: people write captions below their files.
    """
    lifetime = most = None
    position = 0
    # Of the same length, so that a position in it is one in `rest`.
    lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in rest)
    while found := _wish(lower, _end(_BETWEEN.match(lower, position))):
        position, minutes, times = found
        lifetime, most = minutes or lifetime, times or most
    position = _end(_BETWEEN.match(lower, position))
    named = _NAMED.match(lower, position)
    name = rest[named.end() :].strip() if named is not None else ""
    return ShareWishes(Wishes(timedelta(minutes=lifetime) if lifetime else None, most), name)


def _wish(text: str, start: int) -> tuple[int, int, int] | None:
    """Return the end of the wish at `start`, its minutes and its number of downloads, or 0."""
    if hours := _HOURS.match(text, start):
        return hours.end(), 60 * int(hours[1]), 0
    if minutes := _MINUTES.match(text, start):
        return minutes.end(), int(minutes[1]), 0
    if times := _TIMES.match(text, start):
        return times.end(), 0, int(times[1] or 1)
    return None


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match is not None else 0


_EVERYWHERE: Final = Menu.PRIVATE | Menu.GROUP

COMMANDS: Final = (
    Command(
        "share",
        lambda call: call.use_cases.uploads.shared(
            call.origin, find_meant_files(call.message), read_wishes(call.line.rest)
        ),
        Menu.GROUP,
        in_captions=True,
    ),
    Command("status", lambda call: call.use_cases.user_commands.status(call.origin), _EVERYWHERE),
    Command("links", lambda call: call.use_cases.user_commands.links(call.origin), _EVERYWHERE),
    Command(
        "cancel",
        lambda call: call.use_cases.cancel_command.cancel(call.origin),
        _EVERYWHERE,
        needs_address=True,
    ),
    Command("language", lambda call: call.use_cases.languages.menu(call.origin), _EVERYWHERE),
    Command(
        "zone",
        lambda call: call.use_cases.zone_command.zone(call.origin, call.line.rest),
        _EVERYWHERE,
    ),
    Command("help", lambda call: call.use_cases.user_commands.welcome(call.origin), _EVERYWHERE),
    Command("start", _start, Menu.PRIVATE),
    Command(
        "auto",
        lambda call: call.use_cases.groups.auto(call.origin, call.line.word),
        Menu.GROUP_ADMIN,
    ),
    Command(
        "deliver",
        lambda call: call.use_cases.groups.deliver(call.origin, call.line.word),
        Menu.GROUP_ADMIN,
    ),
    Command(
        "stats",
        lambda call: call.use_cases.admin_commands.stats(call.origin),
        Menu.BOT_ADMIN,
        needs_address=True,
    ),
    Command(
        "allow",
        lambda call: call.use_cases.admin_commands.allow(call.origin, _target(call)),
        Menu.BOT_ADMIN,
        needs_address=True,
    ),
    Command("ban", _ban, Menu.BOT_ADMIN, needs_address=True),
    Command(
        "unban",
        lambda call: call.use_cases.admin_commands.unban(call.origin, _target(call)),
        Menu.BOT_ADMIN,
        needs_address=True,
    ),
)
"""All commands, in the order of the menus."""

COMMANDS_BY_NAME: Final = {command.name: command for command in COMMANDS}


def _names_in(menus: Menu) -> tuple[str, ...]:
    return tuple(command.name for command in COMMANDS if command.menus & menus)


PRIVATE_MENU: Final = _names_in(Menu.PRIVATE)
GROUP_MENU: Final = _names_in(Menu.GROUP)
GROUP_ADMIN_MENU: Final = _names_in(Menu.GROUP | Menu.GROUP_ADMIN)
BOT_ADMIN_MENU: Final = _names_in(Menu.PRIVATE | Menu.BOT_ADMIN)

SCOPES: Final[tuple[tuple[BotCommandScope, tuple[str, ...]], ...]] = (
    (BotCommandScopeAllPrivateChats(), PRIVATE_MENU),
    (BotCommandScopeAllGroupChats(), GROUP_MENU),
    (BotCommandScopeAllChatAdministrators(), GROUP_ADMIN_MENU),
)
"""The commands shown in each scope; of several scopes that match, Telegram uses the last one
here.
"""

AUDIENCES: Final = {"": ENGLISH, "zh": CHINESE}
"""Telegram's language codes (two letters; "" is all others) and the locale shown for them."""


async def register_commands(bot: Bot, renderer: Renderer, admins: Iterable[int] = ()) -> None:
    """Register the commands of each scope and their descriptions in every language. `admins` are
    the bot admins, who see more commands in private.

    Only differences from the registered commands are set, so that a restart writes nothing.

    Raises:
        ChatError: as for the `Messenger` port; the bot works without the menus, so a caller may
            log it and continue.
    """
    with chat_errors():
        for code, language in AUDIENCES.items():
            for scope, names in SCOPES:
                await _commands(bot, scope, _worded(renderer, language, names), code)
            try:
                await _descriptions(bot, renderer, code, language)
            except InvalidToken as error:
                # A server older than Bot API 6.6 has commands, and no descriptions.
                if not says(error, (METHOD_MISSING,)):
                    raise
            for admin in admins:
                shown = _worded(renderer, language, BOT_ADMIN_MENU)
                # A user who has never written to the bot has no chat with it.
                with suppress(BadRequest):
                    await _commands(bot, BotCommandScopeChat(admin), shown, code)


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
