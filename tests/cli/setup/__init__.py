"""Tests of `bot.cli.setup`."""
