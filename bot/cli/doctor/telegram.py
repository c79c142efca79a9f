"""Checks of Telegram: the token, access to messages, delivery of updates, and the largest file."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.adapters.telegram.inspection import BotInspection, BotProfile, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.cli.common import Row, broken, ok, say, size, warning
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
    ("setMessageReaction", "doctor-before-7-0"),
    ("savePreparedInlineMessage", "doctor-before-8-0"),
)
"""A server does not tell its version, but it lacks the methods of newer ones (source: Bot API,
"Recent changes"): a method that is refused without parameters, and the message about
servers without it.
"""
CLOCK_REMEDY: Final = "doctor-clock-remedy"


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
                ok(
                    "telegram token",
                    say("doctor-token-ok", username=profile.username, id=profile.id),
                ),
                _privacy(settings, profile),
                await _webhook(settings, bot),
                await _version(bot),
                _clock(profile, clock),
            ]
    except TokenRefused:
        rows.append(broken("telegram token", say("init-token-refused"), _token_remedy(settings)))
    except (ChatUnavailable, RuntimeError) as error:
        meaning = say("doctor-no-telegram", url=given.base_url, why=error)
        rows.append(broken("telegram", meaning, say("doctor-no-telegram-remedy")))
    return rows


def _token_remedy(settings: Settings) -> str:
    if settings.telegram.mode is TelegramMode.LOCAL:
        return say("doctor-token-remedy-local")
    return say("doctor-token-remedy")


def _mode(settings: Settings) -> Row:
    given, name = settings.telegram, "telegram mode"
    if given.mode is TelegramMode.CLOUD:
        return ok(name, say("doctor-cloud", size=size(given.limit), bytes=given.limit))
    root = given.file_root or Path()
    if not root.is_dir():
        return broken(
            name,
            say("doctor-no-root", root=root),
            say("doctor-no-root-remedy"),
        )
    if not os.access(root, os.R_OK | os.X_OK | os.W_OK):
        return broken(
            name,
            say("doctor-closed-root", root=root),
            say("doctor-closed-root-remedy"),
        )
    return ok(name, say("doctor-local", size=size(given.limit), root=root))


def _privacy(settings: Settings, profile: BotProfile) -> Row:
    name = "telegram privacy mode"
    if profile.reads_groups:
        return ok(name, say("doctor-privacy-off"))
    meaning = say("doctor-privacy-on")
    if not settings.access.groups:
        return ok(name, meaning)
    return warning(name, meaning, say("doctor-privacy-remedy"))


async def _webhook(settings: Settings, bot: BotInspection) -> Row:
    name, found, wanted = "telegram webhook", await bot.webhook(), settings.telegram.webhook_url
    if not found:
        return ok(name, say("doctor-no-webhook" if wanted is None else "doctor-webhook-later"))
    host = urlsplit(found).hostname
    if wanted is not None and urlsplit(wanted).hostname == host:
        return ok(name, say("doctor-webhook-ok", host=host))
    return warning(
        name,
        say("doctor-webhook-other", host=host),
        say("doctor-webhook-remedy"),
    )


async def _version(bot: BotInspection) -> Row:
    name = "Bot API server"
    for method, missing in _VERSIONS:
        if not await bot.knows(method):
            return warning(
                name,
                say(missing, least=LEAST_VERSION),
                say("doctor-newer-server", least=LEAST_VERSION),
            )
    return ok(name, say("doctor-server-ok", least=LEAST_VERSION))


def _clock(profile: BotProfile, clock: Clock) -> Row:
    name = "clock and Telegram"
    if profile.told_at is None:
        return warning(name, say("doctor-no-time"), say("doctor-no-time-remedy"))
    return clock_row(name, profile.told_at - clock.now())


def clock_row(name: str, ahead: timedelta) -> Row:
    """Return the row about a clock that is ahead of ours by `ahead`."""
    seconds = ahead.total_seconds()
    if abs(ahead) <= MOST_SKEW:
        return ok(name, say("doctor-clock-ok", seconds=max(1, abs(round(seconds)))))
    text = "doctor-clock-slow" if seconds > 0 else "doctor-clock-fast"
    return warning(name, say(text, seconds=abs(round(seconds))), say(CLOCK_REMEDY))
