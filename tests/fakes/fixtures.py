"""Fixtures of tests that work on a real ledger; a `conftest` imports what it needs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from tests.fakes.ledger import empty_ledger


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Capture the log, so that a test prints no lines."""
    with capture_logs():
        yield


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Open an empty ledger."""
    async with empty_ledger(tmp_path / "ledger.db") as opened:
        yield opened
