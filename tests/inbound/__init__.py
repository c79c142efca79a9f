"""Tests of `bot.inbound`."""
