"""A reception with nobody in it, for each test."""

import pytest

from bot.adapters.ledger.database import Database
from tests.service.reception.lobby import Lobby


@pytest.fixture
def lobby(database: Database) -> Lobby:
    """Return an empty lobby."""
    return Lobby(database)
