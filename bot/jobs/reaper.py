"""Ends what must end: links at their deadline, leftovers at once, strays when they are found."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import structlog

from bot.clock import wait_for_event
from bot.core.errors import RelayError, StoreError, StoreForbidden, Unexpected
from bot.core.jobs import ObjectState, StoredObject
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import ObjectLedger
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.core.ports.store import ObjectStore
from bot.jobs.lifecycle import Signals
from bot.transfer.store_caller import pending_of
from bot.units import Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

LOOK_EVERY = timedelta(seconds=5)
"""Other processes write the ledger too, so it is looked at even without news."""
RECONCILE_EVERY = timedelta(hours=1)
RETRY_AFTER = timedelta(seconds=10)
SWEEP_AGAIN_AFTER = timedelta(minutes=10)
"""A request that broke may still be applied by OSS; what it made is removed by the
second sweep.
"""
UNKNOWN_AFTER = timedelta(hours=24)
"""An object that the ledger does not know is ours to delete only when no promise can cover it any
more.
"""
BATCH = 1000
MOST_UNDONE_BETWEEN_LOOKS = 10
"""Each leftover takes several requests; links that fall due meanwhile must not wait for them."""


class Threads(Protocol):
    """Where blocking calls run."""

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return what it returns."""


class Reaper:
    """Deletes from the ledger's due dates; the bucket's lifecycle rule is only a net below."""

    def __init__(
        self,
        objects: ObjectLedger,
        store: ObjectStore,
        threads: Threads,
        clock: Clock,
        signals: Signals,
        metrics: Metrics | None = None,
    ) -> None:
        self._objects = objects
        self._store = store
        self._threads = threads
        self._clock = clock
        self._signals = signals
        self._metrics = metrics or NoMetrics()
        self._edge = UnitEdge(metrics)

    async def run(self, prefix: str) -> None:
        """Sweep whenever something falls due, and beside it, so that a long list of the bucket
        delays no deadline, reconcile every hour; until cancelled.
        """
        await self.sweep()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._sweep_on())
            loops.create_task(self._reconcile_on(prefix))

    async def _sweep_on(self) -> None:
        while True:
            self._signals.deletions.clear()
            await self.sweep()
            latest = self._clock.now() + LOOK_EVERY
            due_at = await self._objects.next_due_at()
            await wait_for_event(
                self._signals.deletions, self._clock, min(latest, due_at or latest)
            )

    async def _reconcile_on(self, prefix: str) -> None:
        while True:
            # A defect here must not stop the sweeps, which end links.
            with self._edge.contain(Unit.LOOP, "reconcile"):
                try:
                    await self.reconcile(prefix)
                except StoreError as error:
                    log.warning("cannot reconcile with the bucket", code=error.code)
            await self._clock.sleep_until(self._clock.now() + RECONCILE_EVERY)

    async def sweep(self) -> None:
        """Delete everything that is due now. What OSS does not let go is due again a
        little later.
        """
        while due := await self._objects.due(self._clock.now(), BATCH):
            live = [stored for stored in due if stored.state is ObjectState.LIVE]
            if live:
                await self._delete(live)
            left = [stored for stored in due if stored.state is ObjectState.PLANNED]
            for stored in left[:MOST_UNDONE_BETWEEN_LOOKS]:
                await self._undo(stored)
            self._signals.outbox.set()

    async def _delete(self, live: Sequence[StoredObject]) -> None:
        ids, keys = [stored.id for stored in live], [stored.key for stored in live]
        try:
            await self._threads.call(lambda: self._store.delete(keys))
        except StoreError as error:
            await self._postpone(ids, error)
            return
        except Exception as error:  # noqa: BLE001 -- the edge of a deletion.
            self._edge.failed(Unit.DELETION, live[0].id, error)
            await self._postpone(ids, Unexpected())
            return
        now = self._clock.now()
        await self._objects.gone(ids, now)
        for stored in live:
            self._metrics.link_ended((now - stored.due_at).total_seconds())
        latest = max(now - stored.due_at for stored in live)
        log.info("links ended", count=len(live), late=latest.total_seconds())

    async def _undo(self, stored: StoredObject) -> None:
        """Remove what an unfinished upload left: every upload of its key, and the object."""
        try:
            await self._threads.call(lambda: self._remove(stored))
        except StoreError as error:
            await self._postpone([stored.id], error)
            return
        except Exception as error:  # noqa: BLE001 -- the edge of a deletion.
            self._edge.failed(Unit.DELETION, stored.id, error)
            await self._postpone([stored.id], Unexpected())
            return
        now = self._clock.now()
        if stored.sweeps == 0:
            await self._objects.swept([stored.id], now + SWEEP_AGAIN_AFTER)
        else:
            await self._objects.gone([stored.id], now)

    def _remove(self, stored: StoredObject) -> None:
        if stored.upload_id is not None:
            self._store.abort(stored.key, stored.upload_id)
        try:
            # An initiate whose answer was lost left an upload of unknown id.
            for upload_id in pending_of(self._store, stored.key):
                self._store.abort(stored.key, upload_id)
        except StoreForbidden:
            log.warning("the key may not list multipart uploads; strays stay until the lifecycle")
        self._store.delete([stored.key])

    async def _postpone(self, ids: Sequence[int], error: RelayError) -> None:
        log.error("cannot delete yet", count=len(ids), code=error.code)
        await self._objects.postpone(ids, self._clock.now() + RETRY_AFTER)

    async def reconcile(self, prefix: str) -> None:
        """Compare the bucket with the ledger: remove unknown objects that are old, and uploads
        without a job.

        Raises `StoreError` when the bucket cannot be listed.
        """
        old = self._clock.now() - UNKNOWN_AFTER
        objects = iter(await self._threads.call(lambda: list(self._store.list_objects(prefix))))
        while batch := [stat for stat in islice(objects, BATCH)]:  # noqa: C416 -- islice is lazy.
            known = await self._objects.owners_of_keys([stat.key for stat in batch])
            orphans = [s.key for s in batch if s.key not in known and s.last_modified < old]
            if orphans:
                log.warning("deleting unknown objects", count=len(orphans))
                await self._threads.call(partial(self._store.delete, orphans))
        uploads = await self._threads.call(lambda: list(self._store.list_uploads(prefix)))
        owned = await self._objects.owners_of_keys([upload.key for upload in uploads])
        for upload in uploads:
            if upload.key not in owned:
                log.warning("aborting an upload without a job", key=upload.key)
                await self._threads.call(partial(self._store.abort, upload.key, upload.upload_id))
