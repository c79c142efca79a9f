"""One SQLite file: opening, migrating, reading and writing it, by a connection for each of both.
Operations are functions of a connection, in the modules of their tables.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from bot.adapters.ledger.connection import ConnectionThread, FileUse, LedgerFile, is_lock, opening
from bot.adapters.ledger.migration import (
    create_tables,
    refuse_foreign_tables,
    require_tables,
    upgrade,
    version_of,
)
from bot.adapters.ledger.recovery import UNITS, repair
from bot.adapters.ledger.schema import NOTES, VERSION, UnreadableRows
from bot.core.errors import LedgerUnusable
from bot.core.ports.metrics import Metrics, NoMetrics

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


PATIENCE: Final = 30.0
"""Seconds (real) that a command, or a start, waits for a ledger that is locked."""
LONGEST_PAUSE: Final = 2.0
"""Seconds (real) between two tries on a file that does not work."""
BUSY_TIMEOUT: Final = 1.0
"""Seconds (real) for which a try waits in the thread, where no cancel reaches it."""
INCREMENTAL: Final = 2
"""The value of `PRAGMA auto_vacuum` (source: sqlite.org/pragma.html)."""
LOOK_EVERY: Final = 2.0
"""Seconds (real) between two looks at a file that no process writes to."""


class Database:
    """Reads beside writes, each in the order of their calls.

    An operation is a function of a connection. It returns values of the core, never a result that
    still needs the connection. It may be run again after the file has failed it, because nothing
    of it was committed then.

    Writers use a connection of their own with BEGIN IMMEDIATE; readers never take the write lock,
    because SQLAlchemy's `begin` event fires for reads too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = LedgerFile(path)
        self.metrics: Metrics = NoMetrics()
        self._unreadable = UnreadableRows()
        engine = _engine(path, self._unreadable)
        self._writer = ConnectionThread(
            engine.execution_options(begin="BEGIN IMMEDIATE"),
            self.file,
            check=self.file.require_in_place,
        )
        self._reader = ConnectionThread(
            engine.execution_options(begin="BEGIN"), self.file, writes=False
        )
        self._endures = False
        self._closing = False
        self._waiting = 0

    @property
    def is_waited_for(self) -> bool:
        """Whether an operation waits for the file to work again."""
        return self._waiting > 0

    def endure(self) -> None:
        """From now on wait for a file that does not work for as long as it takes: a full disk, a
        lock, or a file that was deleted is an operator's to cure, and costs no work.
        """
        self._endures = True

    async def write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation that may change something; see `ConnectionThread.run`.

        Raises:
            LedgerUnusable: the file does not work, and is not to be waited for (any more).
        """
        call = _bind(operation, *args, **kwargs)
        try:
            return await self._use(FileUse.WRITE, self._writer, call)
        except LedgerUnusable as error:
            return await self._until_it_works(FileUse.WRITE, self._writer, call, error)

    async def try_write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as `write` does, and wait for nothing.

        Raises:
            LedgerUnusable: the file does not work.
        """
        return await self._use(FileUse.WRITE, self._writer, _bind(operation, *args, **kwargs))

    async def read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation that changes nothing in a read transaction: it sees one moment of
        the ledger, which later writes do not change.

        Raises:
            LedgerUnusable: see `write`.
        """
        call = _bind(operation, *args, **kwargs)
        try:
            return await self._use(FileUse.READ, self._reader, call)
        except LedgerUnusable as error:
            return await self._until_it_works(FileUse.READ, self._reader, call, error)

    async def try_read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as `read` does, and wait for nothing.

        Raises:
            LedgerUnusable: the file does not work.
        """
        return await self._use(FileUse.READ, self._reader, _bind(operation, *args, **kwargs))

    async def read_together(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> T:
        """Do as `read` does, once for all callers that wait for `what`: `operation` gets their
        number, and returns a result for each.
        """
        return await self._together(FileUse.READ, self._reader, what, operation)

    async def write_together(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> T:
        """Do as `write` does, once for all callers that wait for `what`."""
        return await self._together(FileUse.WRITE, self._writer, what, operation)

    async def _together(
        self,
        access: FileUse,
        thread: ConnectionThread,
        what: Hashable,
        operation: Callable[[Connection, int], Sequence[T]],
    ) -> T:
        try:
            return await self._used(access, thread.run_together(what, operation))
        except LedgerUnusable as error:
            return await self._until_it_works(
                access, thread, lambda connection: operation(connection, 1)[0], error
            )

    async def _use(
        self, access: FileUse, thread: ConnectionThread, call: Callable[[Connection], T]
    ) -> T:
        return await self._used(access, thread.run(call))

    async def _used(self, access: FileUse, run: Coroutine[Any, Any, T]) -> T:
        if self._closing:
            run.close()
            raise LedgerUnusable(self.path, "it was closed")
        try:
            result = await run
        except LedgerUnusable as error:
            self.file.failed(access, error)
            raise
        self.file.worked(access)
        if found := self._unreadable.take():
            await self._repair(found)
        return result

    async def _repair(self, found: Mapping[tuple[str, Any], Sequence[str]]) -> None:
        """Take care of rows that cannot be read. Where that fails, they are found again."""
        for name, _ in found:
            self.metrics.unexpected_error(UNITS.get(name, name), "UnreadableRow")
        try:
            await self._writer.run(repair, found, datetime.now(UTC))
        except (LedgerUnusable, SQLAlchemyError) as error:
            self._unreadable.forget(found)
            log.error(  # noqa: TRY400 -- the ledger says what is wrong with the file.
                "cannot set rows aside", count=len(found), why=type(error).__name__
            )

    async def _until_it_works(
        self,
        access: FileUse,
        thread: ConnectionThread,
        call: Callable[[Connection], T],
        error: LedgerUnusable,
    ) -> T:
        began, pause = time.monotonic(), 0.05
        self._waiting += 1
        try:
            while True:
                waited = time.monotonic() - began
                if self._closing or not (self._endures or _may_pass(error, waited)):
                    raise error
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                try:
                    return await self._use(access, thread, call)
                except LedgerUnusable as again:
                    error = again
        finally:
            self._waiting -= 1

    async def watch(self) -> None:
        """Look now and then whether the file is in place and works, also while it is not used;
        until cancelled.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(LedgerUnusable):
                if not self.file.trouble:
                    await self._look()
                elif not self.is_waited_for:
                    await self.try_read(version_of)
                    await self.try_write(write_page)

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self.file.require_in_place)
        except LedgerUnusable as error:
            self.file.failed(FileUse.WRITE, error)

    async def close(self) -> None:
        """Close both connections; afterwards the write-ahead log is folded into the file.
        Operations that wait for the file fail. A second call does nothing.
        """
        if self._closing:
            return
        self._closing = True
        await self._reader.close()
        await self._writer.close()


def _bind(
    operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> Callable[[Connection], T]:
    return lambda connection: operation(connection, *args, **kwargs)


def _may_pass(error: LedgerUnusable, waited: float) -> bool:
    """Return whether a command waits on: a lock is let go within seconds."""
    cause = error.__cause__
    return isinstance(cause, DatabaseError) and is_lock(cause) and waited < PATIENCE


def write_page(connection: Connection) -> None:
    """Write a page of the ledger as it is. SQLite only: an empty transaction would find a file
    that is not writable, and no full disk.
    """
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    connection.execute(text(f"PRAGMA user_version = {int(version)}"))


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


def _engine(path: Path, unreadable: UnreadableRows) -> Engine:
    """One for both connections, so that a statement is compiled once. Each connection says by its
    option `begin` how its transactions begin. A file that is missing is not made.
    """
    name = f"file:{quote(str(path.absolute()))}"
    url = URL.create("sqlite", database=name, query={"mode": "rw", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[NOTES] = unreadable
        dbapi_connection.text_factory = _decode
        # The driver must not begin transactions itself (facts of sqlite3: legacy isolation
        # levels).
        dbapi_connection.isolation_level = None
        _configure(dbapi_connection)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["begin"])

    return engine


def _decode(value: bytes) -> str | bytes:
    """Decode a text; bytes that are none are left to `read_rows`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _configure(dbapi_connection: Any) -> None:
    cursor = dbapi_connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT * 1000:.0f}",
        "journal_mode=WAL",
        "synchronous=FULL",
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
    # Put together from its parts, because a path may hold what means something in a URL.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)
    try:
        with engine.connect() as connection:
            refuse_foreign_tables(connection, path)
            if not version_of(connection):
                # Before the first table: later it takes a copy of the whole file. It writes, and
                # an older file may be locked by a writer.
                connection.rollback()
                connection.execute(text("PRAGMA auto_vacuum=INCREMENTAL"))
            connection.execute(text("PRAGMA journal_mode=WAL"))
            version = version_of(connection)
            if not version:
                create_tables(connection)
            elif version != VERSION:
                upgrade(connection, path)
            require_tables(connection, path)
            connection.rollback()
            _give_room_back(connection)
    finally:
        engine.dispose()


def _give_room_back(connection: Connection) -> None:
    """Let the file of an earlier version shrink when rows are removed; once, by copying it."""
    if connection.execute(text("PRAGMA auto_vacuum")).scalar_one() == INCREMENTAL:
        return
    raw = connection.connection.dbapi_connection
    if raw is None:
        return
    raw.isolation_level = None
    cursor = raw.cursor()
    try:
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("VACUUM")
    except sqlite3.OperationalError as error:
        # Another process reads, or the disk is full: the next start tries again.
        log.warning("cannot compact the ledger", why=str(error))
    finally:
        cursor.close()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Migrate and open the ledger; close it at the end.

    Raises:
        LedgerTooNew: see `migrate`.
        LedgerUnusable: see `migrate`.
    """
    await asyncio.to_thread(migrate, path)
    database = Database(path)
    try:
        yield database
    finally:
        await database.close()
