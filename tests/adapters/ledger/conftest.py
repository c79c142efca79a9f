"""A ledger on a file of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapters.ledger.database import Database, open_database
from bot.adapters.ledger.ledger import SqlLedger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger of this test is."""
    return tmp_path / "ledger.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """Open an empty ledger."""
    async with open_database(path) as opened:
        yield opened


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    """Return the tables of an empty ledger."""
    return SqlLedger(database)
