"""Tests of the Bot API stand-in; its oracles are python-telegram-bot and aiogram."""
