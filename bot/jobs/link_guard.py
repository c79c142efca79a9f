"""Ends links while the ledger cannot be written: from memory, as far as it was read last."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from bot.core.errors import LedgerError, StoreError
from bot.core.jobs import StoredObject
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import ObjectLedger
from bot.core.ports.store import ObjectStore
from bot.jobs.reaper import Threads

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

LOOK_EVERY: Final = timedelta(seconds=5)
REMEMBER_EVERY: Final = timedelta(minutes=1)
LONGEST_READ: Final = 2.0
"""Seconds (real) that a ledger in trouble is given to tell which links are live."""


class LinkGuard:
    """Remembers the live links. The reaper stores each step, so it stands still with the ledger;
    meanwhile this deletes what is due, and the reaper finds it gone when it goes on.

    `trouble` says what is wrong with the ledger, or nothing.
    """

    def __init__(
        self,
        objects: ObjectLedger,
        store: ObjectStore,
        threads: Threads,
        clock: Clock,
        trouble: Callable[[], str],
    ) -> None:
        self._objects = objects
        self._store = store
        self._threads = threads
        self._clock = clock
        self._trouble = trouble
        self._live: dict[int, StoredObject] = {}
        self._remembered_at = clock.now() - REMEMBER_EVERY
        self._ended: set[int] = set()

    async def run(self) -> None:
        """Remember links, and end them while the ledger is in trouble; until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def look(self) -> None:
        """Look once."""
        if self._trouble():
            await self._remember()
            await self._end()
        elif self._clock.now() - self._remembered_at >= REMEMBER_EVERY:
            self._ended.clear()
            await self._remember()

    async def _remember(self) -> None:
        try:
            async with asyncio.timeout(LONGEST_READ):
                live = await self._objects.live()
        except (LedgerError, TimeoutError):
            return
        self._live = {stored.id: stored for stored in live}
        self._remembered_at = self._clock.now()

    async def _end(self) -> None:
        now = self._clock.now()
        due = [
            stored
            for stored in self._live.values()
            if stored.due_at <= now and stored.id not in self._ended
        ]
        if not due:
            return
        try:
            await self._threads.call(lambda: self._store.delete([stored.key for stored in due]))
        except StoreError as error:
            log.error("cannot end links", count=len(due), code=error.code)  # noqa: TRY400 -- named.
            return
        self._ended.update(stored.id for stored in due)
        log.warning("links ended without the ledger", count=len(due))
