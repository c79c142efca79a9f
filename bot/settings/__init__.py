"""Settings: from a TOML file and `RELAY_…` variables to frozen values, or to one list of
mistakes.

The only place that knows the settings library. Constructors elsewhere take plain values.
"""

from bot.settings.loading import Settings, load, warnings
from bot.settings.problems import SettingsError
from bot.settings.sections import TelegramMode

__all__ = ["Settings", "SettingsError", "TelegramMode", "load", "warnings"]
