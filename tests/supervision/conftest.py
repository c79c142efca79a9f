"""An empty ledger for each test, and no log lines on the terminal."""

from tests.fakes.fixtures import database, quiet

__all__ = ["database", "quiet"]
