"""Tests of `bot.jobs`."""
