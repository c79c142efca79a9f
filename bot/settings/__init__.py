"""Settings: reads a TOML file and `RELAY_…` variables into frozen values, or lists every mistake.

The only package that uses the settings library. Constructors elsewhere take plain values.
"""

from bot.settings.loading import Settings, endpoint_problems, load, warnings
from bot.settings.problems import SettingsError
from bot.settings.sections import TelegramMode

__all__ = ["Settings", "SettingsError", "TelegramMode", "endpoint_problems", "load", "warnings"]
