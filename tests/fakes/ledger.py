"""Empty ledgers by the dozen: migrated once, copied for each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, create_engine

from bot.adapters.ledger.database import Database, migrate
from bot.core.ports.ledger import LedgerPlace
from bot.demo.local_stack import LocalStack


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        migrate(path)
        return path.read_bytes()


def put_empty_ledger(path: Path) -> None:
    """Put the file of a new ledger at `path`."""
    path.touch(0o600)
    path.write_bytes(_template())


@asynccontextmanager
async def empty_ledger(path: Path) -> AsyncIterator[Database]:
    """Open a new ledger at `path`."""
    put_empty_ledger(path)
    database = Database(path)
    try:
        yield database
    finally:
        await database.close()


def place_of(stage: LocalStack) -> LedgerPlace:
    """Return the ledger of the bots of a stage."""
    return stage.settings(1).ledger.place


def is_in_a_file(stage: LocalStack) -> bool:
    """Return whether the bots of a stage have no server for their ledger."""
    return isinstance(place_of(stage), Path)


def engine_of(place: LedgerPlace) -> Engine:
    """Return an engine as another program would make it."""
    if isinstance(place, Path):
        return create_engine(f"sqlite:///{place}")
    return create_engine(place.url.replace("postgresql:", "postgresql+psycopg:", 1))


def execute(place: LedgerPlace, statement: str) -> list[Any]:
    """Execute a statement as another program would; return its rows."""
    engine = engine_of(place)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        found = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return found


def file_of(database: Database) -> Path:
    """Return the file of a ledger that is one."""
    assert isinstance(database.place, Path)
    return database.place
