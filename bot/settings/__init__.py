"""Settings: from a TOML file and `RELAY_…` variables to frozen values, or to one list of
mistakes.

The only place that knows the settings library. Constructors elsewhere take plain values.
"""

from bot.settings.advice import warnings
from bot.settings.loading import Settings, load
from bot.settings.problems import SettingsError
from bot.settings.telegram import TelegramMode

__all__ = ["Settings", "SettingsError", "TelegramMode", "load", "warnings"]
