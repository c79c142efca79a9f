"""Tests of the Bot API stand-in; its judges are python-telegram-bot and aiogram."""
