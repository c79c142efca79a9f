"""Tests of `bot.wiring`."""
