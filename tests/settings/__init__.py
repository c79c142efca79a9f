"""Tests of `bot/settings/`."""
