"""A ledger on a file of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from tests.fakes.ledger import empty_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger of this test is."""
    return tmp_path / "ledger.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """Open an empty ledger."""
    async with empty_ledger(path) as opened:
        yield opened


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    """Return the tables of an empty ledger."""
    return SqlLedger(database)
