"""Tests of the use cases, on a real ledger and with fakes around it."""
