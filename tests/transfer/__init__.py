"""Tests of `bot.transfer`."""
