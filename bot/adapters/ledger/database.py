"""One SQLite file: how it is opened, locked, migrated, read and written."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.pool import NullPool

from bot.adapters.ledger.connection import ConnectionThread, Rows, Transaction
from bot.adapters.ledger.errors import opening, using
from bot.adapters.ledger.schema import VERSION
from bot.adapters.ledger.versions import version_of
from bot.core.errors import LedgerLocked

__all__ = [
    "Database",
    "Rows",
    "Transaction",
    "migrate",
    "open_database",
    "process_lock",
]


class Database:
    """Reads side by side, writes one after the other.

    Writers use a connection of their own with BEGIN IMMEDIATE; readers never take the write lock,
    because SQLAlchemy's `begin` event fires for reads too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Put together from its parts, because a path may hold what means something in a URL.
        url = URL.create("sqlite", database=str(path))
        engine = _engine(url)
        self._writer = ConnectionThread(engine.execution_options(begin="BEGIN IMMEDIATE"))
        self._reader = ConnectionThread(engine.execution_options(begin="BEGIN"))

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a write transaction; it is committed at the end, rolled back on an exception."""
        return self._writer.transaction()

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a read transaction: one moment of the ledger, which later writes do not change."""
        return self._reader.transaction()

    async def change(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Rows:
        """Execute one statement that writes, in a transaction of its own."""
        return await self._writer.once(statement, parameters)

    async def fetch(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Rows:
        """Execute one statement that reads, in a transaction of its own."""
        return await self._reader.once(statement, parameters)

    async def close(self) -> None:
        """Close both connections; afterwards the write-ahead log is folded into the file."""
        await self._reader.close()
        await self._writer.close()


def _engine(url: URL) -> Engine:
    """One for both connections, so that a statement is compiled once. Each connection says by its
    option `begin` how its transactions begin.
    """
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # The driver must not begin transactions behind our back (facts of sqlite3: legacy
        # isolation levels).
        dbapi_connection.isolation_level = None
        _configure(dbapi_connection)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["begin"])

    return engine


def _configure(dbapi_connection: Any) -> None:
    cursor = dbapi_connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=30000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    """Hold the lock beside the ledger that makes this process the only one that runs jobs.

    Raises:
        LedgerLocked: another process holds it.
        LedgerUnusable: it cannot be made there.
    """
    with opening(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerLocked(f"another bot runs on the ledger {path}") from error
        yield
    finally:
        os.close(descriptor)


def migrate(path: Path) -> None:
    """Create the ledger, readable by its owner only, or bring an older one up to date. Blocks.

    Raises:
        LedgerTooNew: the ledger was written by a newer version of this program.
        LedgerUnusable: the file cannot be opened, or is no ledger.
    """
    with opening(path):
        _migrate(path)


def _migrate(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
            if version_of(connection) != VERSION:
                # Takes a fifth of a second to import, which most starts can do without.
                from bot.adapters.ledger.migration import upgrade

                upgrade(connection, path)
    finally:
        engine.dispose()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Migrate and open the ledger; close it at the end.

    Raises:
        LedgerTooNew: see `migrate`.
        LedgerUnusable: see `migrate`; or the block ended because the file failed it.
    """
    await asyncio.to_thread(migrate, path)
    database = Database(path)
    with using(path):
        try:
            yield database
        finally:
            await database.close()
