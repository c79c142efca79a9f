"""The use cases without users' messages, for each test."""

import pytest

from bot.adapters.ledger.database import Database
from tests.fakes.fixtures import database, quiet
from tests.inbound.inbound_fixture import InboundFixture

__all__ = ["database", "inbound", "quiet"]


@pytest.fixture
def inbound(database: Database) -> InboundFixture:
    """Return use cases that have got no message yet."""
    return InboundFixture(database)
