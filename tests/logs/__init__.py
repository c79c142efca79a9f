"""Tests of `bot/logs/`."""
