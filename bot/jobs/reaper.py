"""The reaper: deletes objects at their deadline, leftovers at once, and orphans when they are
found. Rows of the ledger are removed when they have been kept long enough.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

import structlog

from bot.clock import StoreClockKeeper, wait_for_event
from bot.core.errors import (
    LedgerError,
    RelayError,
    StoreError,
    StoreForbidden,
    StoreKeyRefused,
    StoreRefused,
    TransferCancelled,
    Unexpected,
)
from bot.core.jobs import ObjectState, Placement, StoredObject
from bot.core.ports import Clock
from bot.core.ports.jobs import ObjectLedger, TotalsLedger
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.core.ports.store import ObjectStore, PendingUpload, Threads
from bot.jobs.runner import Signals
from bot.supervision import Unit, UnitEdge
from bot.transfer.pool import pending_of

log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=5)
"""Other processes write the ledger too, so it is read again without a signal."""
RECONCILE_EVERY = timedelta(hours=1)
SWEEP_AGAIN_AFTER = timedelta(minutes=10)
"""OSS may still apply a request that broke; the second sweep removes its result."""
UNKNOWN_AFTER = timedelta(hours=24)
"""An object unknown to the ledger is deleted only when it is older than every link can be."""
BATCH = 1000
RELEASED_WITHIN: Final = 1.0
"""Seconds (real) at the end, less than is given to a loop (`bot.clock.STUCK_AFTER`)."""
MOST_REMOVED_BETWEEN_LOOKS = 10
"""Each leftover takes several requests; what falls due meanwhile must not wait for all of them."""

FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(seconds=30)
"""After a transient error: the bytes must go within a minute once OSS answers again."""
LONGEST_WAIT_AFTER_REFUSAL: Final = timedelta(minutes=5)
"""Of a single key; what concerns the bucket or the access key may be put right at any moment."""
REST: Final = timedelta(minutes=1)
"""How long a process whose key may not delete leaves all to the others."""
ENOUGH_REFUSALS: Final = 16
"""Where so many single keys are refused and none is deleted, the others need not be asked for."""


def delete_each(store: ObjectStore, keys: Sequence[str]) -> dict[str, StoreError]:
    """Delete objects; return those that are left, each with the reason. Blocks.

    A request that is refused is cut in halves until the keys that are refused stand alone.

    Raises:
        StoreError: no key was tried, as when OSS cannot be reached.
    """
    return _Deletion(store).delete(keys)


def wait_after(attempts: int, error: RelayError) -> timedelta:
    """Return the wait after attempt number `attempts` (from 1) to delete an object: doubling."""
    is_refusal = isinstance(error, StoreForbidden | StoreRefused)
    longest = LONGEST_WAIT_AFTER_REFUSAL if is_refusal else LONGEST_WAIT
    doubled: timedelta = FIRST_WAIT * 2 ** min(attempts - 1, 20)
    return min(doubled, longest)


class _Deletion:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._refused = 0
        self._deleted = False

    def delete(self, keys: Sequence[str]) -> dict[str, StoreError]:
        try:
            left = dict(self._store.delete(keys))
        except (StoreForbidden, StoreRefused) as error:
            return self._apart(keys, error)
        self._deleted |= len(left) < len(keys)
        return left

    def _apart(self, keys: Sequence[str], error: StoreError) -> dict[str, StoreError]:
        is_hopeless = self._refused >= ENOUGH_REFUSALS and not self._deleted
        if len(keys) == 1 or is_hopeless:
            self._refused += 1
            return dict.fromkeys(keys, error)
        half = len(keys) // 2
        return self.delete(keys[:half]) | self.delete(keys[half:])


ENDED_IN_A_STEP = 200
"""Jobs that are removed from the ledger in one transaction, which takes a few milliseconds."""
BETWEEN_STEPS = 0.2
"""Seconds (real) that are left to others between two steps."""
REMOVE_EVERY = timedelta(hours=1)


class Retention:
    """Removes from the ledger what ended longer ago than `keep`."""

    def __init__(self, totals: TotalsLedger, clock: Clock, *, keep: timedelta) -> None:
        self._totals = totals
        self._clock = clock
        self._keep = keep

    async def run(self) -> None:
        """Remove what has ended, in small steps, every hour; until cancelled."""
        while True:
            has_more = True
            while has_more:
                has_more = await self.step()
                await asyncio.sleep(BETWEEN_STEPS)
            await self._clock.sleep_until(self._clock.now() + REMOVE_EVERY)

    async def step(self) -> bool:
        """Remove some of it; return whether there may be more."""
        now = self._clock.now()
        return await self._totals.remove_ended(now - self._keep, now, ENDED_IN_A_STEP)


class Reaper:
    """Deletes objects by the ledger's due dates; the bucket's lifecycle rule is only a fallback.
    One that `is_beside_others` leaves all to them for a minute after OSS has refused it a
    deletion, because the key of another process may have the right.
    """

    def __init__(  # noqa: PLR0913 -- independent, and what is optional by keyword.
        self,
        objects: ObjectLedger,
        store: ObjectStore,
        threads: Threads,
        clock: Clock,
        signals: Signals,
        metrics: Metrics | None = None,
        *,
        store_of: Callable[[Placement], ObjectStore] | None = None,
        time: StoreClockKeeper | None = None,
        is_beside_others: bool = False,
    ) -> None:
        self._time = time
        self._is_beside_others = is_beside_others
        self._rests_until = datetime.min.replace(tzinfo=UTC)
        self._objects = objects
        self._store = store
        self._store_of = store_of or (lambda _: store)
        self._threads = threads
        self._clock = clock
        self._signals = signals
        self._metrics = metrics or NoMetrics()
        self._edge = UnitEdge(metrics)

    async def run(self, prefix: str | None) -> None:
        """Sweep whenever something falls due, and reconcile every hour; until cancelled. Both run
        in parallel, so that a long listing of the bucket delays no deadline. Without `prefix` it
        only sweeps, beside another process that reconciles too.
        """
        try:
            await self.end_links()
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._sweep_on(loops))
                if prefix is not None:
                    loops.create_task(self._reconcile_on(prefix))
        finally:
            # Only here: both loops and their threads have ended. A thread that hangs keeps what it
            # removes, because this line is not reached.
            await self._release()

    async def _release(self) -> None:
        """Let other processes remove what this one has taken, without waiting for them to take it
        for dead. Not waited for where the ledger is away: it passes by itself.
        """
        # Contained: another error in the place of a cancel would have the loop restarted.
        with self._edge.contain(Unit.LOOP, "release"):
            try:
                async with asyncio.timeout(RELEASED_WITHIN):
                    await self._objects.release()
            except (LedgerError, TimeoutError) as error:
                why = str(error) or "the ledger has no answer"
                log.warning("what is due is not given back", why=why)

    async def _sweep_on(self, loops: asyncio.TaskGroup) -> None:
        removal: asyncio.Task[None] | None = None
        while True:
            self._signals.deletions.clear()
            if self._time is not None:
                await self._time.correct()
            await self.end_links()
            # Beside the links: a leftover whose requests hang delays no deadline.
            if removal is None or removal.done():
                removal = loops.create_task(self.remove_leftovers())
            latest = self._clock.now() + LOOK_EVERY
            # What is due stays so while this process rests.
            due_at = None if self._is_resting else await self._objects.next_due_at()
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
                except TransferCancelled:
                    log.debug("reconciling was cut short: the process stops")
            await self._clock.sleep_until(self._clock.now() + RECONCILE_EVERY)

    async def sweep(self) -> None:
        """Delete everything that is due now. What cannot be deleted is due again later, each
        object for itself.
        """
        await self.end_links()
        while await self._remove_some():
            await self.end_links()

    async def end_links(self) -> None:
        """Delete the objects of all links that are due now."""
        # What a clock that is ahead takes for due is looked at again by that of the store.
        while await self._due(ObjectState.LIVE) and await self._knows_time():
            live = await self._take(ObjectState.LIVE, BATCH)
            if not live:
                # Another process has them.
                return
            by_store: dict[ObjectStore, list[StoredObject]] = {}
            for stored in live:
                try:
                    by_store.setdefault(self._store_of(stored.placement), []).append(stored)
                except Exception as error:  # noqa: BLE001 -- the edge of a deletion.
                    await self._objects.removing([stored.id])
                    await self._postpone([(stored, self._named(stored, error))])
            for store, some in by_store.items():
                await self._delete(store, some)
            self._signals.outbox.set()

    async def _knows_time(self) -> bool:
        return self._time is None or await self._time.is_known()

    async def remove_leftovers(self) -> None:
        """Remove all unfinished uploads that are due now."""
        while await self._remove_some():
            pass

    async def _remove_some(self) -> bool:
        left = await self._take(ObjectState.PLANNED, MOST_REMOVED_BETWEEN_LOOKS)
        for stored in left:
            await self._undo(stored)
        return bool(left)

    def leave_to_others(self) -> None:
        """Take nothing for a minute, where there are other processes: what this one takes and
        cannot delete is put off for all.
        """
        if self._is_beside_others:
            self._rests_until = self._clock.now() + REST

    @property
    def _is_resting(self) -> bool:
        return self._clock.now() < self._rests_until

    async def _take(self, state: ObjectState, most: int) -> list[StoredObject]:
        if self._is_resting:
            return []
        return await self._objects.take_due(self._clock.now(), state, most)

    async def _due(self, state: ObjectState) -> list[StoredObject]:
        due = await self._objects.due(self._clock.now(), BATCH)
        return [stored for stored in due if stored.state is state]

    async def _delete(self, store: ObjectStore, live: Sequence[StoredObject]) -> None:
        keys = [stored.key for stored in live]
        await self._objects.removing([stored.id for stored in live])
        try:
            left = dict[str, RelayError](
                await self._threads.call(lambda: delete_each(store, keys))
            )
        except Exception as error:  # noqa: BLE001 -- the edge of a deletion: it is tried again.
            left = dict.fromkeys(keys, self._named(live[0], error))
        gone = [stored for stored in live if stored.key not in left]
        if gone:
            await self._ended(gone)
        await self._postpone([(one, left[one.key]) for one in live if one.key in left])

    async def _ended(self, links: Sequence[StoredObject]) -> None:
        now = self._clock.now()
        await self._objects.gone([stored.id for stored in links], now)
        for stored in links:
            self._metrics.link_ended((now - stored.due_at).total_seconds())
        latest = max(now - stored.due_at for stored in links)
        log.info("links ended", count=len(links), late=latest.total_seconds())

    async def _undo(self, stored: StoredObject) -> None:
        """Remove the remains of an unfinished upload: every upload of its key, and the object."""
        await self._objects.removing([stored.id])
        try:
            store = self._store_of(stored.placement)
            await self._threads.call(lambda: _remove(store, stored))
        except Exception as error:  # noqa: BLE001 -- the edge of a removal: it is tried again.
            await self._postpone([(stored, self._named(stored, error))])
            return
        now = self._clock.now()
        if stored.sweeps == 0:
            await self._objects.swept([stored.id], now + SWEEP_AGAIN_AFTER)
        else:
            await self._objects.gone([stored.id], now)

    def _named(self, stored: StoredObject, error: Exception) -> RelayError:
        if isinstance(error, RelayError):
            return error
        self._edge.failed(Unit.DELETION, stored.id, error)
        return Unexpected(type(error).__name__)

    async def _postpone(self, failures: Sequence[tuple[StoredObject, RelayError]]) -> None:
        """Let each object wait by its own attempts. One line in the log for each reason."""
        alike: dict[tuple[int, str], list[StoredObject]] = {}
        for stored, error in failures:
            alike.setdefault((stored.attempts + 1, error.code), []).append(stored)
        errors = {error.code: error for _, error in failures}
        if any(isinstance(error, StoreForbidden | StoreKeyRefused) for error in errors.values()):
            self.leave_to_others()
        for (attempts, code), some in alike.items():
            error = errors[code]
            bucket, count = some[0].placement.bucket, len(some)
            log.error(
                "cannot delete yet",
                count=count,
                attempts=attempts,
                bucket=bucket,
                code=code,
                why=str(error),
            )
            until = self._clock.now() + wait_after(attempts, error)
            await self._objects.postpone([stored.id for stored in some], until, code)

    async def reconcile(self, prefix: str) -> None:
        """Remove old objects unknown to the ledger, and uploads without a job.

        Raises `StoreError` when the bucket cannot be listed.
        """
        old = self._clock.now() - UNKNOWN_AFTER
        objects = iter(await self._threads.call(lambda: list(self._store.list_objects(prefix))))
        while batch := [stat for stat in islice(objects, BATCH)]:  # noqa: C416 -- islice is lazy.
            known = await self._objects.owners_of_keys([stat.key for stat in batch])
            orphans = [s.key for s in batch if s.key not in known and s.last_modified < old]
            if orphans:
                log.warning("deleting unknown objects", count=len(orphans))
                left = await self._threads.call(partial(delete_each, self._store, orphans))
                if left:
                    codes = sorted({error.code for error in left.values()})
                    log.error("cannot delete unknown objects", count=len(left), codes=codes)
        uploads = await self._threads.call(lambda: list(self._store.list_uploads(prefix)))
        owned = await self._objects.owners_of_keys([upload.key for upload in uploads])
        for upload in uploads:
            if upload.key not in owned:
                log.warning("aborting an upload without a job", key=upload.key)
                await self._abort(upload)

    async def _abort(self, upload: PendingUpload) -> None:
        """Abort an upload; the others are aborted where this one cannot be, and it in an hour."""
        try:
            await self._threads.call(partial(self._store.abort, upload.key, upload.upload_id))
        except StoreError as error:
            log.warning("cannot abort an upload yet", key=upload.key, code=error.code)


def _remove(store: ObjectStore, stored: StoredObject) -> None:
    if stored.upload_id is not None:
        store.abort(stored.key, stored.upload_id)
    try:
        # An initiate whose answer was lost left an upload of unknown id.
        for upload_id in pending_of(store, stored.key):
            store.abort(stored.key, upload_id)
    except StoreForbidden:
        log.warning("the key may not list multipart uploads; strays stay until the lifecycle")
    store.delete([stored.key])
