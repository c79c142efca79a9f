"""A ledger of its own for each test: a file, and for what holds for every ledger a server too."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.ledger import LedgerServer
from tests.fakes.fixtures import database, databases, on_both

if TYPE_CHECKING:
    from tests.adapters.ledger.runs_fixture import Cluster
    from tests.fakes.postgres import Databases

__all__ = ["database", "databases"]

ONLY_FILES: Final = frozenset({"test_database", "test_outages", "test_health"})
"""Modules with tests of files."""
IN_EVERY_RUN: Final = frozenset({"test_jobs_fence", "test_outbox"})
"""Modules that `make test` runs with a server too; it takes a second to start."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a ledger with a file and with a server."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if module not in ONLY_FILES:
        on_both(metafunc, in_every_run=module in IN_EVERY_RUN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger of this test is."""
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    """Return the tables of an empty ledger."""
    return SqlLedger(database)


@pytest.fixture
def place(databases: "Databases") -> Iterator[LedgerServer]:
    """Make a ledger without rows on a server, for one test."""
    made = databases.make()
    yield made
    databases.drop(made)


@pytest.fixture
async def cluster(databases: "Databases") -> AsyncIterator["Cluster"]:
    """Open a front on a ledger of its own."""
    # Here, because the tests of files need no engine.
    from tests.adapters.ledger.runs_fixture import Cluster

    place = databases.make()
    async with AsyncExitStack() as stack:
        yield await Cluster(place, stack).open()
    databases.drop(place)
