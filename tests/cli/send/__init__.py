"""Tests of `bot.cli.send`."""
