"""Tests of `bot.cli.init`."""
