"""Checks of Telegram: the token, access to messages, delivery of updates, and the largest file."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.adapters.telegram.inspection import BotInspection, BotProfile, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.cli.common import Row, broken, ok, size, warning
from bot.core.errors import ChatUnavailable
from bot.core.ports.clock import Clock
from bot.settings import Settings, TelegramMode
from bot.wiring.resources import plain

MOST_SKEW: Final = timedelta(minutes=1)
"""Telegram itself accepts more; the deadline of a link does not."""

LEAST_VERSION: Final = "7.11"
"""Bot API of the newest thing that the bot uses: buttons that copy a text (source: Bot API,
"Recent changes", October 31, 2024).
"""
_VERSIONS: Final = (
    (
        "setMessageReaction",
        "7.0",
        "answers are no replies, links get previews, and there are no reactions",
    ),
    ("savePreparedInlineMessage", "8.0", f"before {LEAST_VERSION} no button copies the link"),
)
"""A server does not tell its version, but it lacks the methods of newer ones (source: Bot API,
"Recent changes"): a method that is refused without parameters, the version that brought it, and
what an older server lacks.
"""


async def examine_telegram(settings: Settings, clock: Clock) -> list[Row]:
    """Check the bot at its Bot API server; skip checks that depend on a valid token if it is
    unknown.
    """
    given = settings.telegram
    rows = [_mode(settings)]
    try:
        async with open_examination(
            given.token.get_secret_value(), base_url=given.base_url, proxy=plain(given.proxy)
        ) as bot:
            profile = await bot.profile()
            rows += [
                ok("telegram token", f"@{profile.username}, id {profile.id}"),
                _privacy(settings, profile),
                await _webhook(settings, bot),
                await _version(bot),
                _clock(profile, clock),
            ]
    except TokenRefused as error:
        rows.append(broken("telegram token", str(error), _token_remedy(settings)))
    except (ChatUnavailable, RuntimeError) as error:
        remedy = "check the network, telegram.base_url and telegram.proxy"
        rows.append(broken("telegram", f"no answer from {given.base_url}: {error}", remedy))
    return rows


def _token_remedy(settings: Settings) -> str:
    if settings.telegram.mode is TelegramMode.LOCAL:
        return (
            "put the current one into telegram.token; a bot that was never logged out of the cloud"
            " server is unknown to a local one: call logOut there first"
        )
    return "put the current one into telegram.token; a bot that was logged out waits 10 minutes"


def _mode(settings: Settings) -> Row:
    given, name = settings.telegram, "telegram mode"
    if given.mode is TelegramMode.CLOUD:
        return ok(name, f"cloud: files up to {size(given.limit)} ({given.limit} bytes)")
    root = given.file_root or Path()
    if not root.is_dir():
        return broken(
            name,
            f"local: there is no folder {root}",
            "set telegram.file_root to the server's folder as this machine sees it",
        )
    if not os.access(root, os.R_OK | os.X_OK | os.W_OK):
        return broken(
            name,
            f"local: {root} cannot be read and tidied up by this user",
            "run bot and server as the same user, or in a group that may write there",
        )
    return ok(name, f"local: files up to {size(given.limit)}, read below {root}")


def _privacy(settings: Settings, profile: BotProfile) -> Row:
    name = "telegram privacy mode"
    if profile.reads_groups:
        return ok(name, "off: in groups the bot sees every file")
    meaning = "on: in groups the bot sees commands and replies to itself only"
    if not settings.access.groups:
        return ok(name, meaning)
    return warning(
        name,
        meaning,
        "to relay every file of a group: @BotFather, /setprivacy, Disable, then remove the bot"
        " from the group and add it again; or make it an administrator",
    )


async def _webhook(settings: Settings, bot: BotInspection) -> Row:
    name, found, wanted = "telegram webhook", await bot.webhook(), settings.telegram.webhook_url
    if not found:
        return ok(name, "none is set" if wanted is None else "none is set yet; run sets it")
    host = urlsplit(found).hostname
    if wanted is not None and urlsplit(wanted).hostname == host:
        return ok(name, f"set to {host}, as the settings say")
    return warning(
        name,
        f"it was set to {host}: updates go there until the bot starts and takes over",
        "if another program uses this token, give one of them another bot: @BotFather, /newbot",
    )


async def _version(bot: BotInspection) -> Row:
    name = "Bot API server"
    for method, version, missing in _VERSIONS:
        if not await bot.knows(method):
            return warning(
                name,
                f"it is older than Bot API {version}: {missing}; files are relayed all the same",
                f"build a newer telegram-bot-api: at least Bot API {LEAST_VERSION}",
            )
    return ok(name, f"has what the bot uses, which is of Bot API {LEAST_VERSION} and before")


def _clock(profile: BotProfile, clock: Clock) -> Row:
    name = "clock and Telegram"
    if profile.told_at is None:
        return warning(name, "the server sends no time", "check what answers at telegram.base_url")
    return clock_row(name, profile.told_at - clock.now())


def clock_row(name: str, ahead: timedelta) -> Row:
    """Return the row about a clock that is ahead of ours by `ahead`."""
    seconds = ahead.total_seconds()
    if abs(ahead) <= MOST_SKEW:
        return ok(name, f"they agree within {max(1, abs(round(seconds)))} s")
    direction = "slow" if seconds > 0 else "fast"
    return warning(
        name,
        f"the clock of this machine is {abs(round(seconds))} s {direction}; links end by OSS's"
        " clock, times in messages and deletions go by this one",
        "set the clock, best by NTP: timedatectl set-ntp true",
    )
