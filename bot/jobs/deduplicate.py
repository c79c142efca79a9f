"""Deduplication: a file that its owner has sent before is copied inside OSS instead of being
transferred again.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from bot.core.errors import Corrupted, ObjectGone, StoreError, leaf
from bot.core.jobs import Job, StoredObject, plan_parts
from bot.core.ports.clock import Clock
from bot.core.ports.source import Digest
from bot.core.ports.store import ObjectStat, ObjectStore, PartReceipt
from bot.transfer.multipart import Completion, OpenUpload, Uploaded
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool, check_crc64
from bot.transfer.uploader import Target, UploadJournal

log = structlog.stdlib.get_logger(__name__)

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

        Undoes nothing, like `Uploader.upload`: the caller decides.

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
            raise Corrupted(f"the copy of {stat.key} is not there, or not as long")
        return Uploaded(stat.size, check_crc64(copied.crc64, stat.crc64, "the copy"))


STILL_LIVES_FOR = timedelta(minutes=1)
"""A source that expires sooner may be deleted during the copy."""


class Deduplicator:
    """Copies earlier objects of the same owner; never of another one, because the speed would
    reveal them.
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
