"""Tests of `bot.supervision`."""
