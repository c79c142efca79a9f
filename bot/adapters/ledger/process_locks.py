"""The file of the ledger: which processes work on it, and whether it was deleted or replaced."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from bot.adapters.ledger.errors import opening
from bot.core.errors import LedgerLocked, LedgerUnusable

log = structlog.stdlib.get_logger(__name__)

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

    def worked(self, access: FileUse) -> None:
        """Note that an access worked."""
        if self._troubles.pop(access, None) is not None and not self._troubles:
            log.info("ledger can be used again")


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one, `None` where there is none."""
    with opening(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_dev, found.st_ino
