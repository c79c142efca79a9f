"""Tests of the ledger on real files."""
