"""Deletion: each key for itself, by the time of OSS, also while the ledger cannot be written."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import structlog

from bot.core.errors import LedgerError, RelayError, StoreError, StoreForbidden, StoreRefused
from bot.core.jobs import Placement, StoredObject
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import ObjectLedger, OffsetLedger
from bot.core.ports.store import ObjectStore, StoreTime

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(seconds=30)
"""After a transient error: the bytes must go within a minute once OSS answers again."""
LONGEST_WAIT_AFTER_REFUSAL: Final = timedelta(minutes=5)
"""Of a single key; what concerns the bucket or the access key may be put right at any moment."""

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
        *,
        store_of: Callable[[Placement], ObjectStore] | None = None,
    ) -> None:
        self._objects = objects
        self._store_of = store_of or (lambda _: store)
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
        by_store: dict[ObjectStore, list[StoredObject]] = {}
        for stored in due:
            by_store.setdefault(self._store_of(stored.placement), []).append(stored)
        for store, some in by_store.items():
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
