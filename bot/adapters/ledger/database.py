"""One SQLite file: opening, migrating, reading and writing it, each connection in a thread of its
own. Operations are functions of a connection, in the modules of their tables.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from bot.adapters.ledger.errors import opening, using
from bot.adapters.ledger.migration import version_of
from bot.adapters.ledger.schema import VERSION
from bot.transfer.pool import to_the_end

T = TypeVar("T")
P = ParamSpec("P")


class ConnectionThread:
    """A connection and the only thread that uses it.

    A transaction is one call in the thread. An asynchronous driver makes ten calls for each
    transaction, and every one of them waits for the interpreter's lock while the event loop is
    busy.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: Connection | None = None
        # A call that waits here can still be cancelled; one in the executor's queue would run.
        self._lock = asyncio.Lock()

    async def run(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `operation` on the connection in a transaction of its own: committed when it
        returns, rolled back when it raises. Transactions run in the order of the calls.

        If the caller is cancelled, wait for the end of a transaction that has begun before
        re-raising, so the connection is idle for the next caller.
        """
        async with self._lock:
            return await self._visit(partial(self._transact, operation, *args, **kwargs))

    def _transact(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            return operation(self._connection, *args, **kwargs)

    async def _visit(self, call: Callable[[], T]) -> T:
        async def wait() -> T:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)

        return await to_the_end(wait())

    async def close(self) -> None:
        """Close the connection and end the thread, after a transaction in progress."""
        async with self._lock:
            await self._visit(self._close)
        self._executor.shutdown(wait=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


class Database:
    """One connection for reads and one for writes, which run in parallel.

    An operation is a function of a connection. It returns values of the core, never a result that
    still needs the connection.

    Writers use a connection of their own with BEGIN IMMEDIATE; readers never take the write lock,
    because SQLAlchemy's `begin` event fires for reads too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Built from its parts, because a path may contain characters with a meaning in a URL.
        url = URL.create("sqlite", database=str(path))
        engine = _engine(url)
        self._writer = ConnectionThread(engine.execution_options(begin="BEGIN IMMEDIATE"))
        self._reader = ConnectionThread(engine.execution_options(begin="BEGIN"))

    async def write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation in one write transaction; see `ConnectionThread.run`."""
        return await self._writer.run(operation, *args, **kwargs)

    async def read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation without changes in one read transaction: it sees one snapshot of the
        ledger, without later writes.
        """
        return await self._reader.run(operation, *args, **kwargs)

    async def close(self) -> None:
        """Close both connections; the last one merges the write-ahead log into the file."""
        await self._reader.close()
        await self._writer.close()


class SqlPart:
    """One port of the ledger. Its methods run operations of a module, by `writes` and `reads`."""

    def __init__(self, database: Database) -> None:
        self._database = database


def writes(
    operation: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[SqlPart, P], Coroutine[Any, Any, T]]:
    """Make a method of a port that runs `operation` in one write transaction."""

    @wraps(operation)
    async def method(self: SqlPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(operation, *args, **kwargs)

    return method


def reads(
    operation: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[SqlPart, P], Coroutine[Any, Any, T]]:
    """Make a method of a port that runs `operation` in one read transaction."""

    @wraps(operation)
    async def method(self: SqlPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(operation, *args, **kwargs)

    return method


def _engine(url: URL) -> Engine:
    """Return one engine for both connections, so that a statement is compiled once. The option
    `begin` of a connection is the statement that begins its transactions.
    """
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # The driver must not begin transactions itself (facts of sqlite3: legacy isolation
        # levels).
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
                # Importing it takes a fifth of a second, which most starts can avoid.
                from bot.adapters.ledger.migration import upgrade

                upgrade(connection, path)
    finally:
        engine.dispose()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Migrate and open the ledger; close it at the end.

    Raises:
        LedgerTooNew: see `migrate`.
        LedgerUnusable: see `migrate`; or the block ended because of an error of the file.
    """
    await asyncio.to_thread(migrate, path)
    database = Database(path)
    with using(path):
        try:
            yield database
        finally:
            await database.close()
