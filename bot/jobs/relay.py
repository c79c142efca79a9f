"""The relay of one file: reserve disk space, download and upload the file at the same time, verify
it, and compute when its link expires; or copy the same file of the same owner. `runner.py` stores
the result and ends the job.
"""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from bot.core.errors import Corrupted, ObjectGone, SizeMismatch, StoreError, leaf
from bot.core.files import (
    SHORTEST_LIFETIME,
    LinkMode,
    content_disposition,
    content_type,
    deadline,
    make_key,
)
from bot.core.jobs import Job, Placement, ProgressMeter, StoredObject, plan_parts
from bot.core.ports import Clock
from bot.core.ports.chat import Content, Digest, FileSource
from bot.core.ports.jobs import Finished, NewObject, ObjectLedger, Prepared
from bot.core.ports.metrics import Metrics, NoMetrics, Span
from bot.core.ports.store import LinkLimit, ObjectMeta, ObjectStat, ObjectStore, PartReceipt
from bot.transfer.multipart import Completion, OpenUpload, Uploaded
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool, check_crc64
from bot.transfer.uploader import Target, UploadJournal

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

LARGEST_SINGLE_COPY: Final = 1 << 30
"""Bytes that one CopyObject takes (source: OSS API reference, "CopyObject")."""
COPIED_PART: Final = 256 << 20
COPIES_AT_ONCE: Final = 4


class Copier:
    """Copies objects of one bucket. Large ones are copied in parts, several at a time."""

    def __init__(
        self, store: ObjectStore, pool: TransferPool, *, retry: RetryPolicy | None = None
    ) -> None:
        self._store = store
        self._pool = pool
        self._retry = retry or RetryPolicy()

    async def copy(self, source: str, target: Target, journal: UploadJournal) -> Uploaded:
        """Copy `source` to `target.key`, with names, type and ACL of the target; return when the
        CRC-64 of both has been compared.

        Cleans nothing up after an error, like `Uploader.upload`: the caller decides.

        Raises:
            ObjectGone: the source does not exist (any more).
            Corrupted: the copy differs from the source.
            StoreError: attempts are used up, or the error is permanent.
        """
        line = StoreCaller(self._store, self._pool, self._retry)
        stat = await line.call(partial(self._store.head, source))
        if stat is None or stat.crc64 is None:
            raise ObjectGone(f"{source} is gone")
        if stat.size <= LARGEST_SINGLE_COPY:
            await journal.completing()
            await line.call(partial(self._store.copy_object, source, target.key, target.meta))
        else:
            await self._copy_parts(line, stat, target, journal)
        return await self._compare(line, stat, target.key)

    async def _copy_parts(
        self, line: StoreCaller, stat: ObjectStat, target: Target, journal: UploadJournal
    ) -> None:
        upload_id = await line.call(partial(self._store.initiate, target.key, target.meta))
        await journal.initiated(upload_id, COPIED_PART)
        turns = asyncio.Semaphore(COPIES_AT_ONCE)

        async def send(copy_one: "partial[PartReceipt]") -> PartReceipt:
            async with turns:
                return await line.call(copy_one)

        try:
            async with asyncio.TaskGroup() as group:
                sent = [
                    group.create_task(
                        send(partial(self._store.copy_part, stat.key, target.key, upload_id, part))
                    )
                    for part in plan_parts(stat.size, COPIED_PART)
                ]
        except ExceptionGroup as errors:
            raise leaf(errors) from errors
        upload = OpenUpload(target.key, upload_id, COPIED_PART, {})
        expected = Uploaded(stat.size, stat.crc64 or 0)
        receipts = [task.result() for task in sent]
        await journal.completing()
        await Completion(line, upload, target.meta, receipts, expected).settle()

    async def _compare(self, line: StoreCaller, stat: ObjectStat, key: str) -> Uploaded:
        copied = await line.call(partial(self._store.head, key))
        if copied is None or copied.size != stat.size:
            raise Corrupted(f"the copy of {stat.key} is missing or has another size")
        return Uploaded(stat.size, check_crc64(copied.crc64, stat.crc64, "the copy"))


STILL_LIVES_FOR = timedelta(minutes=1)
"""A source that expires sooner may be deleted during the copy."""


class Deduplicator:
    """Copies earlier objects of the same owner; never those of another one, because the speed
    would reveal that they exist.
    """

    def __init__(self, copier: Copier, clock: Clock) -> None:
        self._copier = copier
        self._clock = clock

    def alike_until(self) -> datetime:
        """Return until when an object must live to be copied."""
        return self._clock.now() + STILL_LIVES_FOR

    async def copy(
        self, earlier: tuple[Job, StoredObject], target: Target, journal: UploadJournal
    ) -> Digest | None:
        """Copy the earlier object; return `None` if that fails, then the file is relayed as
        usual.
        """
        before, source = earlier
        try:
            copied = await self._copier.copy(source.key, target, journal)
        except StoreError as error:
            log.info("not copied, relaying", job=before.id, code=error.code)
            return None
        return Digest(copied.size, before.sha256 or "")


UNFINISHED_LIFETIME = timedelta(hours=24)
"""Time from planning an object until the reaper deletes it, if its upload does not finish."""


class UploadEngine(Protocol):
    """The method of `Uploader` that the relay uses."""

    async def upload(
        self, content: Content, target: Target, meter: ProgressMeter, journal: UploadJournal
    ) -> Uploaded:
        """Upload the content while it is being downloaded; see `Uploader.upload`."""


class Relay:
    """Relays one job. Errors propagate: the caller retries or ends the job. After an error the
    object stays in the ledger as planned, so that a later attempt can resume its upload.
    """

    def __init__(  # noqa: PLR0913 -- independent collaborators; options are keyword-only.
        self,
        source: FileSource,
        uploads: UploadEngine,
        objects: ObjectLedger,
        clock: Clock,
        *,
        lifetime: timedelta,
        placement: Placement,
        deduplicator: Deduplicator | None = None,
        link_limit: LinkLimit | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._source = source
        self._uploads = uploads
        self._objects = objects
        self._clock = clock
        self._lifetime = lifetime
        self._placement = placement
        self._deduplicator = deduplicator
        self._link_limit = link_limit
        self._metrics = metrics or NoMetrics()

    def plan(self, job: Job) -> NewObject:
        """Return the object to plan for a job that has none. May be called from any thread."""
        return NewObject(
            make_key(job.origin.bot_id, job.file.name),
            self._clock.now() + UNFINISHED_LIFETIME,
            self._placement,
            None if self._deduplicator is None else self._deduplicator.alike_until(),
        )

    async def relay(
        self, job: Job, meter: ProgressMeter, prepared: Prepared | None = None
    ) -> tuple[StoredObject, Finished]:
        """Upload the file of a running job, for which the ledger has `prepared` an object. Return
        the object and the result of the job.

        The object is complete and verified in OSS, but still planned in the ledger: the caller
        must store both before it does anything else.
        """
        if prepared is None:
            prepared = await self._objects.prepare(job, self.plan(job))
        if prepared.earlier is not None:
            copied = await self._copy_earlier(job, prepared.earlier)
            if copied is not None:
                return copied
        async with self._source.open(job.id, job.file, meter) as content:
            stored = prepared.planned or await self._plan(job, prepared.begun)
            journal = _Journal(self._objects, stored, self._clock)
            digest, uploaded = await self._fetch_and_upload(job, content, stored, meter, journal)
        if digest.size != uploaded.size:
            raise SizeMismatch(digest.size, uploaded.size)
        return stored, await self._result(job, journal, digest, uploaded.last_modified)

    async def _copy_earlier(
        self, job: Job, earlier: tuple[Job, StoredObject]
    ) -> tuple[StoredObject, Finished] | None:
        """Copy an earlier object of the same owner into a new one, or return `None`."""
        if self._deduplicator is None or not self._is_in_bucket(earlier[1]):
            return None
        stored = await self._plan(job, None)
        journal = _Journal(self._objects, stored, self._clock)
        target = Target(stored.key, self._meta(job))
        digest = await self._deduplicator.copy(earlier, target, journal)
        if digest is None:
            await self._objects.abandon(stored.id, self._clock.now())
            return None
        return stored, await self._result(job, journal, digest)

    def _is_in_bucket(self, stored: StoredObject) -> bool:
        """Return whether an object is in the configured bucket.

        The settings may have changed since it was planned. An empty placement counts as the
        configured bucket.
        """
        bucket, region = stored.placement.bucket, stored.placement.region
        return (bucket, region) in {("", ""), (self._placement.bucket, self._placement.region)}

    def _fits_settings(self, previous: StoredObject) -> bool:
        """Return whether an object has the configured bucket and link mode."""
        mode = previous.placement.mode
        return self._is_in_bucket(previous) and mode in {None, self._placement.mode}

    async def _plan(self, job: Job, previous: StoredObject | None) -> StoredObject:
        """Reuse the object of the previous attempt, or plan a new one.

        The ledger records an object before the first request to OSS names it.
        """
        now = self._clock.now()
        if previous is not None:
            complete_since = previous.completed_at or now
            half = self._lifetime_of(job) / 2
            is_young = previous.due_at - now > half > now - complete_since
            if previous.upload_id is not None and is_young and self._fits_settings(previous):
                return previous
            # Not reusable: it was planned with other settings, or it is so old that its link would
            # expire soon, or it has no upload id. In the last case the response to `initiate` may
            # have been lost; the reaper finds such an upload by its object key.
            await self._objects.abandon(previous.id, now)
        new = self.plan(job)
        return await self._objects.plan(job, new.key, new.due_at, new.placement)

    async def _fetch_and_upload(
        self,
        job: Job,
        content: Content,
        stored: StoredObject,
        meter: ProgressMeter,
        journal: "_Journal",
    ) -> tuple[Digest, Uploaded]:
        target = Target(stored.key, self._meta(job), stored.upload_id, stored.part_size)
        fetch: asyncio.Task[Digest] | None = None
        upload: asyncio.Task[Uploaded] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                fetch = tasks.create_task(self._timed(Span.FETCH, content.fill()))
                upload = tasks.create_task(
                    self._timed(Span.UPLOAD, self._uploads.upload(content, target, meter, journal))
                )
        except ExceptionGroup as group:
            raise leaf(group) from group
        except asyncio.CancelledError:
            # If both tasks succeeded, the cancel came after the last request was sent. It is then
            # ignored: the object is complete, and the user can press "Delete now".
            if not (_succeeded(fetch) and _succeeded(upload)):
                raise
            _forget_cancellation()
        assert fetch is not None and upload is not None  # noqa: S101, PT018 -- for the type checker: both were created.
        return fetch.result(), upload.result()

    async def _timed(self, span: Span, work: Awaitable[T]) -> T:
        """Record the duration of the download or the upload, if it succeeds."""
        started_at = self._clock.now()
        result = await work
        self._metrics.took(span, (self._clock.now() - started_at).total_seconds())
        return result

    def _meta(self, job: Job) -> ObjectMeta:
        return ObjectMeta(
            content_type=content_type(job.file.mime_type),
            content_disposition=content_disposition(job.file.name),
            public=self._placement.mode is LinkMode.PUBLIC,
        )

    def _lifetime_of(self, job: Job) -> timedelta:
        """Return how long the link of a job lives: as long as its sender asked for, but never
        longer than the settings allow.
        """
        return min(self._lifetime, max(job.wishes.lifetime or self._lifetime, SHORTEST_LIFETIME))

    async def _result(
        self,
        job: Job,
        journal: "_Journal",
        digest: Digest,
        last_modified: datetime | None = None,
    ) -> Finished:
        """Count the lifetime from the first moment at which the object may have been complete, so
        that neither a lost response nor an earlier attempt makes the link live longer.
        """
        completed_at = journal.earliest_of(last_modified or self._clock.now())
        ends_at = deadline(completed_at, self._lifetime_of(job))
        if self._link_limit is not None and self._placement.mode is LinkMode.SIGNED:
            ends_at = await self._link_limit.latest_end(ends_at)
        return Finished(digest.size, digest.sha256, ends_at, completed_at)


class _Journal:
    """Writes the uploader's journal into the ledger, and knows the earliest moment at which the
    object may have been complete.

    An object without an upload id is never continued by another attempt: its moment is not needed
    before the end of the job, which stores it.
    """

    def __init__(self, objects: ObjectLedger, stored: StoredObject, clock: Clock) -> None:
        self._objects = objects
        self._object_id = stored.id
        self._is_continued = stored.upload_id is not None
        self._completed_at = stored.completed_at
        self._clock = clock

    def earliest_of(self, moment: datetime) -> datetime:
        """Return the earliest moment of completion that is known, this one included."""
        return min(moment, self._completed_at or moment)

    async def initiated(self, upload_id: str, part_size: int) -> None:
        self._is_continued = True
        await self._objects.initiated(self._object_id, upload_id, part_size)

    async def progressed(self) -> None:
        await self._objects.progressed(self._object_id)

    async def completing(self) -> None:
        self._completed_at = self.earliest_of(self._clock.now())
        if self._is_continued:
            await self._objects.completing(self._object_id, self._completed_at)

    async def completed(self) -> None:
        self._completed_at = self._clock.now()
        if self._is_continued:
            await self._objects.completed(self._object_id, self._completed_at)


def _succeeded(task: "asyncio.Task[Digest] | asyncio.Task[Uploaded] | None") -> bool:
    return task is not None and task.done() and not task.cancelled() and task.exception() is None


def _forget_cancellation() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
