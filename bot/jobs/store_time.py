"""The clock that decides about links, kept right: asked for where it is not known, stored for the
next process.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import structlog

from bot.core.errors import StoreError
from bot.core.ports.jobs import OffsetLedger
from bot.core.ports.store import ObjectStore, StoreTime

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

WORTH_STORING: Final = timedelta(seconds=2)
PROBE: Final = "clock"
"""The end of a key that does not exist; any answer about it tells the time."""


class Threads(Protocol):
    """Where blocking calls run."""

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return what it returns."""


class StoreClockKeeper:
    """Makes sure that the store's time is known before links are ended by it."""

    def __init__(
        self,
        time: StoreTime,
        ledger: OffsetLedger,
        store: ObjectStore,
        threads: Threads,
        *,
        prefix: str,
    ) -> None:
        self._time = time
        self._ledger = ledger
        self._store = store
        self._threads = threads
        self._probe = f"{prefix}{PROBE}"
        self._stored: timedelta | None = None

    async def correct(self) -> None:
        """Ask for the time if the system's clock was set since the last answer, and store an
        offset that has changed.
        """
        if self._time.clock_was_set:
            await self._ask()
        await self._store_offset()

    async def is_known(self) -> bool:
        """Whether the time is known well enough to end links by it; asks where it is not."""
        if not self._time.is_current:
            await self._ask()
        await self._store_offset()
        return self._time.is_current

    async def _ask(self) -> None:
        try:
            await self._threads.call(lambda: self._store.head(self._probe))
        except StoreError as error:
            # A refusal tells the time too; whether it did shows in `is_current`.
            if not self._time.is_current:
                log.warning("cannot ask for the time of OSS", code=error.code)

    async def _store_offset(self) -> None:
        if self._stored is None:
            self._stored = await self._ledger.oss_offset()
        offset = self._time.offset
        if self._time.is_current and abs(offset - self._stored) >= WORTH_STORING:
            log.info("the clock of OSS differs", offset=offset.total_seconds())
            await self._ledger.set_oss_offset(offset)
            self._stored = offset
