"""`relay-bot doctor`: is everything as it must be, and if not, what is to be done?"""

from bot.operations.doctor.run import examine

__all__ = ["examine"]
