"""Translation of errors of the ledger's file into named errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DatabaseError

from bot.core.errors import LedgerUnusable

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
