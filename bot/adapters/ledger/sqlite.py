"""The ledger as one SQLite file: how it is opened and made, what the errors of SQLite mean, and
the locks beside it, which tell the processes that use it from each other.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from bot.adapters.ledger.connection import AccessKind, Backend
from bot.adapters.ledger.migration import (
    create_tables,
    refuse_foreign_tables,
    require_tables,
    upgrade,
    version_of,
)
from bot.adapters.ledger.rows import NOTES, UnreadableRows
from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerLocked, LedgerUnusable

log = structlog.stdlib.get_logger(__name__)

PATIENCE: Final = 30.0
"""Seconds (real) that a start waits for a ledger that is locked."""
BUSY_TIMEOUT: Final = 1.0
"""Seconds (real) for which a try waits in the thread, where no cancel reaches it."""
INCREMENTAL: Final = 2
"""The value of `PRAGMA auto_vacuum` (source: sqlite.org/pragma.html)."""

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FILE_FAULTS: Final = _DAMAGE | {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
"""Result codes of faults of the file or its disk; all others are defects of a statement."""
_PRIMARY: Final = 0xFF
"""The part of an extended result code that is the primary one (source: sqlite.org/rescode)."""


def is_damage(error: DatabaseError) -> bool:
    """Return whether an error says that the file is damaged or no ledger. A full disk, a lock or a
    missing right say nothing about the file.
    """
    return _primary_code(error) in _DAMAGE


def is_lock(error: DatabaseError) -> bool:
    """Return whether an error says that another process has locked the file."""
    return _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _primary_code(error: DatabaseError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & _PRIMARY


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Translate every failure to open or migrate the ledger at `path`, or a lock beside it.

    Raises:
        LedgerUnusable: the system or SQLite refuses it.
    """
    try:
        yield
    except OSError as error:
        place = "" if error.filename in {None, str(path)} else f" ({error.filename})"
        raise LedgerUnusable(path, f"{error.strerror or error}{place}") from error
    except DatabaseError as error:
        raise LedgerUnusable(path, str(error.orig)) from error


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Translate failures of the file itself while the ledger at `path` is open. Errors of
    statements propagate unchanged, because they are defects and need their traceback.

    Raises:
        LedgerUnusable: the file is damaged, or the disk cannot read or write it.
    """
    try:
        yield
    except DatabaseError as error:
        if _primary_code(error) not in _FILE_FAULTS:
            raise
        raise LedgerUnusable(path, str(error.orig)) from error


_MOVED: Final = "the file was deleted or replaced while it was open; put it back"


class SqliteBackend(Backend):
    """The file at `path` as it was when this was made.

    Writers use a connection of their own with BEGIN IMMEDIATE; readers never take the write lock,
    because SQLAlchemy's `begin` event fires for reads too.
    """

    def __init__(self, path: Path, unreadable: UnreadableRows) -> None:
        self.place = self._path = path
        self._identity = _identify(path)
        engine = _engine(path, unreadable)
        self._engines = {
            AccessKind.WRITE: engine.execution_options(begin="BEGIN IMMEDIATE"),
            AccessKind.READ: engine.execution_options(begin="BEGIN"),
        }

    def engine(self, access: AccessKind) -> Engine:
        """Return the engine for connections of this kind."""
        return self._engines[access]

    def translating(self) -> AbstractContextManager[None]:
        """Translate failures of the file."""
        return using(self._path)

    def require_in_place(self) -> None:
        """Refuse a write to a file that was deleted or replaced."""
        if not self.may_reconnect():
            raise LedgerUnusable(self._path, _MOVED)

    def may_reconnect(self) -> bool:
        """Return whether the path leads to the file that was opened: what was deleted can still be
        read by the connection. May be called from any thread.
        """
        return _identify(self._path) == self._identity

    def may_pass(self, error: LedgerUnusable) -> bool:
        """Return whether the file is locked."""
        cause = error.__cause__
        return isinstance(cause, DatabaseError) and is_lock(cause)

    def write_probe(self, connection: Connection) -> None:
        """Write a page of the ledger as it is: an empty transaction would find a file that is not
        writable, and no full disk.
        """
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        connection.execute(text(f"PRAGMA user_version = {int(version)}"))

    def sends(self, connection: Connection) -> bool:  # noqa: ARG002 -- the lock is a file.
        """Return whether a command that sends files holds the lock beside the ledger."""
        return someone_sends(self._path)


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one, `None` where there is none."""
    with opening(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_dev, found.st_ino


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


_PRIVATE = 0o600


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    """Hold the lock beside the ledger, so that no other process runs jobs.

    Raises:
        LedgerLocked: another process holds it.
        LedgerUnusable: the lock cannot be created there.
    """
    with opening(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerLocked(f"another bot runs on the ledger {path}") from error
        yield
    finally:
        os.close(descriptor)


class SendingLock:
    """Marks this process as one that sends files. Blocks for a moment at most, while others check.

    Raises:
        LedgerUnusable: the lock cannot be created beside the ledger.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        with opening(path):
            self._descriptor = os.open(f"{path}.send", flags, _PRIVATE)

    def take_alone(self) -> bool:
        """Take it exclusively, if it is free; no other command starts meanwhile."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Hold it together with all other commands that send."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Release it, as the end of the process does."""
        os.close(self._descriptor)


def someone_sends(path: Path) -> bool:
    """Return whether a command that sends files runs on the ledger at `path`."""
    return _is_locked(path, "send")


def bot_runs(path: Path) -> bool:
    """Return whether a bot runs on the ledger at `path`."""
    return _is_locked(path, "lock")


def _is_locked(ledger: Path, kind: str) -> bool:
    with opening(ledger):
        try:
            descriptor = os.open(f"{ledger}.{kind}", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
