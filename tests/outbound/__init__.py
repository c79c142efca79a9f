"""Tests of `bot.outbound`."""
