"""Whether the file of an open ledger works, and whether it is still the one that was opened."""

from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from bot.adapters.ledger.errors import opening
from bot.core.errors import LedgerUnusable

log = structlog.stdlib.get_logger(__name__)

_MOVED: Final = "the file was deleted or replaced while it was open; put it back"


class Access(StrEnum):
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
        self._troubles: dict[Access, str] = {}

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

    def failed(self, access: Access, error: LedgerUnusable) -> None:
        """Note that an access failed."""
        if not self._troubles:
            log.error("ledger cannot be used, nothing is taken in", why=error.reason)
        self._troubles[access] = error.reason

    def worked(self, access: Access) -> None:
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
