"""The locks beside the ledger, which tell the processes that use it from each other."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.adapters.ledger.connection import opening
from bot.core.errors import LedgerLocked

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
