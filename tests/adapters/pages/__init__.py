"""Tests of `bot.adapters.pages`: over HTTP, on a real ledger."""
