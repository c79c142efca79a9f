"""Tests of `bot.adapters.oss`."""
