"""The file of the ledger: the locks of the processes that use it, whether it is in place, and
what errors of SQLite mean.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import DatabaseError

from bot.core.errors import LedgerLocked, LedgerUnusable

log = structlog.stdlib.get_logger(__name__)

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


_MOVED: Final = "the file was deleted or replaced while it was open; put it back"


class FileUse(StrEnum):
    """A kind of access; reads may work where writes do not, as on a full disk."""

    READ = "read"
    WRITE = "write"


class LedgerFile:
    """The file at `path` as it was when this was made. The log has one line when it stops to work
    and one when it works again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _identify(path)
        self._troubles: dict[FileUse, str] = {}
        self.in_trouble = asyncio.Event()
        """Set while there is trouble; only the thread of the event loop notes it."""

    @property
    def trouble(self) -> str:
        """What was wrong at the latest access, in words; empty if nothing."""
        return next(iter(self._troubles.values()), "")

    def is_in_place(self) -> bool:
        """Return whether the path leads to the file that was opened. May be called from any
        thread.
        """
        return _identify(self.path) == self._identity

    def require_in_place(self) -> None:
        """Refuse a write that the next start would not find.

        Raises:
            LedgerUnusable: the file was deleted or replaced.
        """
        if not self.is_in_place():
            raise LedgerUnusable(self.path, _MOVED)

    def failed(self, access: FileUse, error: LedgerUnusable) -> None:
        """Note that an access failed."""
        if not self._troubles:
            log.error("ledger cannot be used, nothing is taken in", why=error.reason)
        self._troubles[access] = error.reason
        self.in_trouble.set()

    def worked(self, access: FileUse) -> None:
        """Note that an access worked."""
        if self._troubles.pop(access, None) is not None and not self._troubles:
            self.in_trouble.clear()
            log.info("ledger can be used again")


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one, `None` where there is none."""
    with opening(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_dev, found.st_ino
