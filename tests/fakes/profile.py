"""Profiles of the bot by the hundred: registered once, copied for each test.

A start sets only what differs from what Telegram has, so a bot that finds its profile begins with
half the requests.
"""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.adapters.telegram.commands import register_commands
from bot.adapters.telegram.renderer import Renderer
from bot.sandbox.telegram import TelegramStandIn
from bot.sandbox.telegram.world import Profile
from tests.adapters.telegram.bots import bot_of

_registered: list[Profile] = []


async def put_profile(stand_in: TelegramStandIn) -> None:
    """Give the bot of a stand-in the commands and descriptions that an earlier start has left."""
    if not _registered:
        _registered.append(await _register())
    stand_in.world.profile = deepcopy(_registered[0])


async def _register() -> Profile:
    with TemporaryDirectory() as folder:
        async with TelegramStandIn(Path(folder)) as stand_in, bot_of(stand_in) as bot:
            await register_commands(bot, Renderer())
            return stand_in.world.profile
