"""`relay-bot init`: from nothing to a settings file in which every answer has been checked."""

from bot.operations.init.checks import BadAnswer, check_key, find_bot, find_bucket, watch_writers
from bot.operations.init.document import render, write_settings
from bot.operations.init.draft import Draft

__all__ = [
    "BadAnswer",
    "Draft",
    "check_key",
    "find_bot",
    "find_bucket",
    "render",
    "watch_writers",
    "write_settings",
]
