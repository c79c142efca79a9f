"""Beside the reaper: the audit compares the ledger with the bucket, and checks for anonymous
access; the link guard ends links while the ledger cannot be written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Final

import structlog

from bot.clock import wait_for_event
from bot.core.errors import LedgerError, RelayError, StoreError
from bot.core.jobs import ObjectState, Placement, StoredObject
from bot.core.ports import Clock
from bot.core.ports.jobs import ObjectLedger
from bot.core.ports.metrics import Metrics
from bot.core.ports.store import (
    AnonymousAccessCheck,
    ObjectStat,
    ObjectStore,
    PendingUpload,
    Threads,
)
from bot.jobs.reaper import BATCH, UNKNOWN_AFTER, delete_each
from bot.supervision import Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)

TOLERANCE = timedelta(seconds=60)
"""Deadline for the deletion of bytes; younger objects are handled by a running bot."""


class FindingKind(StrEnum):
    """Kinds of findings. The values are stable: scripts read them."""

    OVERDUE = "overdue_object"
    """An object still exists more than a minute after its end."""
    UNKNOWN = "unknown_object"
    """An object below our prefix that the ledger does not know, older than 24 hours."""
    ORPHAN_UPLOAD = "orphan_upload"
    """A multipart upload without an unfinished job; its parts are billed and appear in no
    listing.
    """
    MISSING = "missing_object"
    """A live link with an object that is missing in the bucket."""
    LEFT_ELSEWHERE = "overdue_elsewhere"
    """An object in a bucket that is not that of the settings is still there a minute after its
    end: the key may not open that bucket, or it is out of reach.
    """
    ANONYMOUS_LISTING = "anonymous_listing"
    """Anonymous requests can list the bucket, and so find every link."""
    ANONYMOUS_READING = "anonymous_reading"
    """Anonymous requests can read objects that are private (signed mode)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: `subject` is the key or bucket, `fixed` whether it has been removed."""

    kind: FindingKind
    subject: str
    detail: str
    fixed: bool = False


class Auditor:
    """Audits the bucket, and removes findings only with `fix`. Objects of a running bot's jobs are
    no findings.
    """

    def __init__(
        self,
        objects: ObjectLedger,
        store: ObjectStore,
        threads: Threads,
        clock: Clock,
        *,
        bucket: str = "",
    ) -> None:
        self._bucket = bucket
        self._objects = objects
        self._store = store
        self._threads = threads
        self._clock = clock

    async def audit(self, prefix: str, *, fix: bool) -> list[Finding]:
        """Compare everything below `prefix`; with `fix` remove the findings.

        Each finding is checked once more: a running bot may have corrected it between the listing
        of the bucket and the reading of the ledger. Raises `StoreError`.
        """
        findings, uploads = await self._look(prefix)
        if findings:
            before = {(finding.kind, finding.subject) for finding in findings}
            again, uploads = await self._look(prefix)
            findings = [found for found in again if (found.kind, found.subject) in before]
        return [await self._fix(finding, uploads) for finding in findings] if fix else findings

    async def _look(self, prefix: str) -> tuple[list[Finding], list[PendingUpload]]:
        # The ledger is read before the bucket and again after it.
        live = await self._objects.live()
        stats = await self._threads.call(lambda: list(self._store.list_objects(prefix)))
        uploads = await self._threads.call(lambda: list(self._store.list_uploads(prefix)))
        known = await _in_batches(self._objects.of_keys, [stat.key for stat in stats])
        findings = self._overdue_and_unknown(stats, known)
        here = [stored for stored in live if self._is_here(stored)]
        findings += await self._missing(here, {stat.key for stat in stats})
        findings += await self._left_elsewhere()
        findings += await self._orphans(uploads)
        return findings, uploads

    def _overdue_and_unknown(
        self, stats: Sequence[ObjectStat], known: dict[str, StoredObject]
    ) -> list[Finding]:
        now = self._clock.now()
        findings = []
        for stat in stats:
            stored = known.get(stat.key)
            if stored is None:
                if stat.last_modified < now - UNKNOWN_AFTER:
                    age = now - stat.last_modified
                    findings.append(Finding(FindingKind.UNKNOWN, stat.key, f"{age} old"))
            elif (late := now - stored.due_at) > TOLERANCE and not _is_being_made(stored):
                findings.append(Finding(FindingKind.OVERDUE, stat.key, f"{late} late"))
        return findings

    def _is_here(self, stored: StoredObject) -> bool:
        return stored.placement.bucket in {"", self._bucket}

    async def _left_elsewhere(self) -> list[Finding]:
        now = self._clock.now()
        return [
            Finding(
                FindingKind.LEFT_ELSEWHERE,
                stored.key,
                f"{now - stored.due_at} late in the bucket {stored.placement.bucket}"
                f" ({stored.error_code or 'not tried yet'})",
            )
            for stored in await self._objects.overdue(now - TOLERANCE)
            if not self._is_here(stored)
        ]

    async def _missing(self, live: Sequence[StoredObject], keys: set[str]) -> list[Finding]:
        absent = [stored.key for stored in live if stored.key not in keys]
        # An object that ended while the bucket was being listed is not missing.
        still = await _in_batches(self._objects.of_keys, absent)
        now = self._clock.now()
        return [
            Finding(FindingKind.MISSING, key, f"its link is promised until {stored.due_at}")
            for key, stored in still.items()
            if stored.state is ObjectState.LIVE and stored.due_at > now
        ]

    async def _orphans(self, uploads: Sequence[PendingUpload]) -> list[Finding]:
        keys = [upload.key for upload in uploads]
        known = await _in_batches(self._objects.of_keys, keys)
        running = await _in_batches(self._objects.of_unfinished_jobs, keys)
        now = self._clock.now()
        findings = []
        for upload in uploads:
            stored = known.get(upload.key)
            since = stored.due_at if stored and stored.ending else upload.initiated_at
            if upload.key not in running and now - since > TOLERANCE:
                detail = f"{upload.upload_id}, initiated at {upload.initiated_at}"
                findings.append(Finding(FindingKind.ORPHAN_UPLOAD, upload.key, detail))
        return findings

    async def _fix(self, finding: Finding, uploads: Sequence[PendingUpload]) -> Finding:
        key = finding.subject
        if finding.kind is FindingKind.ORPHAN_UPLOAD:
            for upload in uploads:
                if upload.key == key:
                    await self._threads.call(
                        partial(self._store.abort, upload.key, upload.upload_id)
                    )
        elif finding.kind is FindingKind.LEFT_ELSEWHERE:
            return finding  # The reaper goes on trying; there is nothing to do here.
        elif finding.kind is not FindingKind.MISSING:
            await self._threads.call(partial(self._store.delete, [key]))
        stored = (await self._objects.of_keys([key])).get(key)
        if stored is not None and finding.kind is not FindingKind.ORPHAN_UPLOAD:
            await self._objects.gone([stored.id], self._clock.now())
        return Finding(finding.kind, key, finding.detail, fixed=True)


Ask = Callable[[Sequence[str]], Awaitable[dict[str, StoredObject]]]


async def _in_batches(ask: Ask, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Query any number of keys in batches; the number of keys in a statement is limited."""
    found: dict[str, StoredObject] = {}
    for first in range(0, len(keys), BATCH):
        found |= await ask(keys[first : first + BATCH])
    return found


async def audit_exposure(
    exposure: AnonymousAccessCheck, threads: Threads, bucket: str, *, signed: bool
) -> list[Finding]:
    """Check anonymous access; reading is checked in signed mode only. Raises `StoreError`."""
    findings = []
    if await threads.call(exposure.listing_possible):
        detail = "set the bucket ACL to private, and remove bucket policies for everyone"
        findings.append(Finding(FindingKind.ANONYMOUS_LISTING, bucket, detail))
    if signed and await threads.call(exposure.reading_possible):
        detail = "a bucket policy lets everyone read; remove it"
        findings.append(Finding(FindingKind.ANONYMOUS_READING, bucket, detail))
    return findings


def _is_being_made(stored: StoredObject) -> bool:
    return stored.state is ObjectState.PLANNED and stored.ending is None


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
