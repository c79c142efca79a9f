"""A Telegram bot that turns files into links which end within 24 hours."""

__version__ = "0.2.0"
