"""One SQLite file: how it is opened, locked, migrated, read and written, each connection in a
thread of its own.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Result,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import MappingResult, Row, ScalarResult
from sqlalchemy.pool import NullPool

from bot.adapters.ledger.errors import opening, using
from bot.adapters.ledger.migration import version_of
from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerLocked
from bot.transfer.pool import to_the_end

T = TypeVar("T")


class Rows:
    """What a statement brought, read to the last row; `rowcount` says how many it changed."""

    def __init__(self, result: CursorResult[*tuple[Any, ...]]) -> None:
        self.rowcount = result.rowcount
        # Frozen in the thread of the connection, because the cursor must not leave it.
        self._frozen = result.freeze() if result.returns_rows else None

    def _result(self) -> Result[*tuple[Any, ...]]:
        if self._frozen is None:
            raise TypeError("the statement returns no rows")
        result: Result[*tuple[Any, ...]] = self._frozen()
        return result

    def __iter__(self) -> Iterator[Row[*tuple[Any, ...]]]:
        return iter(self._result())

    def all(self) -> list[Row[*tuple[Any, ...]]]:
        """Return all rows."""
        return list(self._result().all())

    def mappings(self) -> MappingResult:
        """Return the rows as mappings from the names of columns."""
        return self._result().mappings()

    def scalars(self) -> ScalarResult[Any]:
        """Return the first column."""
        return self._result().scalars()

    def scalar_one(self) -> Any:
        """Return the one value of the one row; raises what SQLAlchemy raises without it."""
        return self._result().scalar_one()

    def one_or_none(self) -> Row[*tuple[Any, ...]] | None:
        """Return the one row, or `None`; raises what SQLAlchemy raises if there are more."""
        return self._result().one_or_none()


class ConnectionThread:
    """A connection and the only thread that uses it.

    A statement is one visit to the thread, and so is the end of a transaction. A driver that is
    asynchronous itself makes ten visits of each transaction, and every one of them waits for its
    turn with the interpreter while the event loop is busy.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Open a transaction: one after the other, committed at the end, taken back on an
        exception. It begins with its first statement.
        """
        async with self._lock:
            try:
                yield Transaction(self)
                await self.visit(self._commit)
            except BaseException:
                await self.visit(self._roll_back)
                raise

    async def once(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        """Execute a statement in a transaction of its own, all in one visit. A cancel goes on when
        it is committed.
        """
        async with self._lock:
            return await self.visit(self._once, statement, parameters)

    def _once(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        try:
            rows = self.execute(statement, parameters)
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        return rows

    async def visit(self, call: Callable[..., T], *args: object) -> T:
        """Run a call in the thread, to its end before a cancel of the caller goes on: whoever
        comes next must find the connection at rest.
        """
        return await to_the_end(self._run(call, *args))

    async def _run(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        """Execute a statement; inside the thread only."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return Rows(self._connection.execute(statement, parameters))

    def _commit(self) -> None:
        if self._connection is not None:
            self._connection.commit()

    def _roll_back(self) -> None:
        if self._connection is not None:
            self._connection.rollback()

    async def close(self) -> None:
        """Close the connection and let the thread end, after a transaction that is under way."""
        async with self._lock:
            await self.visit(self._close)
        self._executor.shutdown(wait=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


class Transaction:
    """The statements of one transaction."""

    def __init__(self, thread: ConnectionThread) -> None:
        self._thread = thread

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Rows:
        """Execute a statement and return its rows, all of them read; a cancel goes on when it has
        ended. `parameters` are the values of those that the statement leaves open by name.
        """
        return await self._thread.visit(self._thread.execute, statement, parameters)


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
