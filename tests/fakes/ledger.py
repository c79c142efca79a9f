"""Empty ledgers by the dozen: migrated once, copied for each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.adapters.ledger.database import Database, migrate


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


def file_of(database: Database) -> Path:
    """Return the file of a ledger that is one."""
    assert isinstance(database.place, Path)
    return database.place
