"""Ends links while the ledger cannot be written."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from bot.clock import wait_for_event
from bot.core.errors import LedgerError, RelayError, StoreError
from bot.core.jobs import Placement, StoredObject
from bot.core.ports import Clock
from bot.core.ports.jobs import ObjectLedger
from bot.core.ports.metrics import Metrics
from bot.core.ports.store import ObjectStore, Threads
from bot.jobs.reaper import delete_each
from bot.supervision import Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")


LOOK_EVERY: Final = timedelta(seconds=5)
REMEMBER_EVERY: Final = timedelta(minutes=1)
LONGEST_READ: Final = 2.0
"""Seconds (real) that a ledger in trouble is given to tell which links are live."""


class LinkGuard:
    """Remembers the live links. The reaper stores each step, so it stands still with the ledger;
    meanwhile this deletes what is due, and the reaper finds it gone when it goes on.

    `in_trouble` is set while the ledger does not work.
    """

    def __init__(  # noqa: PLR0913 -- independent, and what is optional by keyword.
        self,
        objects: ObjectLedger,
        store: ObjectStore,
        threads: Threads,
        clock: Clock,
        in_trouble: asyncio.Event,
        *,
        store_of: Callable[[Placement], ObjectStore] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._objects = objects
        self._store_of = store_of or (lambda _: store)
        self._threads = threads
        self._clock = clock
        self._in_trouble = in_trouble
        self._live: dict[int, StoredObject] = {}
        self._remembered_at = clock.now() - REMEMBER_EVERY
        self._ended: set[int] = set()
        self._edge = UnitEdge(metrics)

    async def run(self) -> None:
        """Remember links, and end them while the ledger is in trouble; until cancelled."""
        while True:
            await self.look()
            if self._in_trouble.is_set():
                await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)
            else:
                again_at = self._remembered_at + REMEMBER_EVERY
                await wait_for_event(self._in_trouble, self._clock, again_at)

    async def look(self) -> None:
        """Look once."""
        if self._in_trouble.is_set():
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
        by_store: dict[ObjectStore, list[StoredObject]] = {}
        for stored in due:
            by_store.setdefault(self._store_of(stored.placement), []).append(stored)
        for store, some in by_store.items():
            # One bucket with an unexpected error must not keep the links of another open.
            with self._edge.contain(Unit.DELETION, some[0].id):
                await self._delete(store, some)

    async def _delete(self, store: ObjectStore, due: Sequence[StoredObject]) -> None:
        keys = [stored.key for stored in due]
        try:
            left = dict[str, RelayError](
                await self._threads.call(lambda: delete_each(store, keys))
            )
        except StoreError as error:
            log.error("cannot end links", count=len(due), code=error.code)  # noqa: TRY400 -- named.
            return
        gone = {stored.id for stored in due if stored.key not in left}
        self._ended |= gone
        log.warning("links ended without the ledger", count=len(gone), left=len(left))
