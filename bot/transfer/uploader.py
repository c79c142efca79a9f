"""The upload of one file: in one request, in parts while it arrives, or resumed where it
stopped.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from bot.core.errors import (
    ClockSkewed,
    FileEmpty,
    SizeMismatch,
    StoreError,
    StoreUnavailable,
    UploadGone,
)
from bot.core.jobs import Part, Phase, ProgressMeter, choose_part_size
from bot.core.ports.source import Content
from bot.core.ports.store import ObjectMeta, ObjectStore, PartReceipt
from bot.transfer.body import ContentBody
from bot.transfer.multipart import (
    Completion,
    ConcurrencyWindow,
    OpenUpload,
    PartSender,
    Uploaded,
    expect,
)
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool, abort_orphans, check_crc64


@dataclass(frozen=True, slots=True)
class Target:
    """The object to create. `upload_id` and `part_size` (bytes) are both set, from the journal, if
    an earlier run has initiated the upload; then its parts are kept.
    """

    key: str
    meta: ObjectMeta
    upload_id: str | None = None
    part_size: int | None = None


class UploadJournal(Protocol):
    """Records the data that must survive a crash."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Commit that parts of `part_size` bytes are about to be sent to `upload_id`.

        Awaited before the first part leaves. A second call replaces the first; the earlier upload
        is gone.
        """

    async def progressed(self) -> None:
        """Commit that this run has stored a part that no earlier run has stored. Awaited once."""

    async def completing(self) -> None:
        """Record that a request is about to be sent by which the object may become complete.

        Awaited before each Complete, PutObject or CopyObject; the first one counts, since its
        answer may be lost.
        """

    async def completed(self) -> None:
        """Commit that the object became complete just now and not before: every earlier request
        was refused.
        """


class UploadSession:
    """One upload; an instance is used once."""

    def __init__(
        self,
        line: StoreCaller,
        content: Content,
        target: Target,
        meter: ProgressMeter,
        journal: UploadJournal,
    ) -> None:
        self._line = line
        self._content = content
        self._target = target
        self._meter = meter
        self._journal = journal

    async def go(self, window: ConcurrencyWindow) -> Uploaded:
        """Run the upload; the contract is that of `Uploader.upload`."""
        self._meter.restart_parts()
        upload = None
        if self._target.upload_id is not None and self._target.part_size is not None:
            upload = await self._reopen(self._target.upload_id, self._target.part_size)
            if upload is None and (finished := await self._find_object()):
                return finished
        # Nothing is initiated before the first byte has arrived.
        if await self._content.wait_for(1) == 0:
            raise FileEmpty("the file has no bytes")
        self._meter.phase = Phase.MOVING
        if upload is None:
            part_size = self._choose_part_size()
            if self._content.size is not None and self._content.size <= part_size:
                return await self._put(self._content.size)
            upload = await self._initiate(part_size)
        return await self._send_parts(upload, window)

    async def _send_parts(self, upload: OpenUpload, window: ConcurrencyWindow) -> Uploaded:
        sender = PartSender(
            self._line,
            upload,
            self._content,
            self._meter,
            window,
            progressed=self._journal.progressed,
        )
        receipts = await sender.send_all()
        self._meter.phase = Phase.FINISHING
        expected = expect(receipts, upload.part_size)
        await self._journal.completing()
        return await Completion(self._line, upload, self._target.meta, receipts, expected).settle()

    def _choose_part_size(self) -> int:
        size = self._content.size or self._content.largest
        return choose_part_size(size, arrives_while_uploading=not self._content.is_whole)

    async def _put(self, size: int) -> Uploaded:
        on_disk = await self._content.wait_for(size)
        if on_disk != size:
            raise SizeMismatch(announced=size, received=on_disk)
        part = Part(number=1, offset=0, size=size)
        key, meta = self._target.key, self._target.meta

        def attempt() -> Uploaded:
            body = ContentBody(self._content, part, self._meter, self._line.flag)
            told = self._line.store.put_object(key, body, meta)
            return Uploaded(part.size, check_crc64(told, body.crc64, "the object"))

        await self._journal.completing()
        troubles: list[StoreError] = []
        uploaded = await self._line.call(attempt, on_trouble=troubles.append)
        if troubles and all(isinstance(trouble, ClockSkewed) for trouble in troubles):
            # The clock has been corrected since the moment before the first request.
            await self._journal.completed()
        return uploaded

    async def _initiate(self, part_size: int) -> OpenUpload:
        key, meta = self._target.key, self._target.meta
        lost: list[StoreError] = []
        upload_id = await self._line.call(
            lambda: self._line.store.initiate(key, meta), on_trouble=lost.append
        )
        await self._journal.initiated(upload_id, part_size)
        if any(isinstance(error, StoreUnavailable) for error in lost):
            # An earlier attempt may have succeeded unnoticed. If that cannot be checked now, the
            # reaper will do it: no unfinished job owns such an upload.
            with suppress(StoreError):
                await abort_orphans(self._line, key, known=upload_id)
        return OpenUpload(key, upload_id, part_size, kept={})

    async def _reopen(self, upload_id: str, part_size: int) -> OpenUpload | None:
        key = self._target.key
        try:
            parts = await self._line.call(lambda: self._line.store.list_parts(key, upload_id))
        except UploadGone:
            return None
        return OpenUpload(key, upload_id, part_size, _by_number(parts))

    async def _find_object(self) -> Uploaded | None:
        """Return the object if the missing upload was completed with the bytes that we have."""
        key = self._target.key
        stat = await self._line.call(lambda: self._line.store.head(key))
        if stat is None:
            return None
        size = await self._content.wait_for(stat.size + 1)
        part = Part(number=1, offset=0, size=size)
        body = ContentBody(self._content, part, self._meter, self._line.flag)
        if size == stat.size and await self._line.call(body.read_through) == stat.crc64:
            return Uploaded(stat.size, stat.crc64, stat.last_modified)
        self._meter.restart_parts()
        return None  # Other bytes: a new upload replaces them.


def _by_number(parts: list[PartReceipt]) -> Mapping[int, PartReceipt]:
    return {part.part_number: part for part in parts}


class Uploader:
    """Uploads files in parts while they arrive.

    `connections_per_file` bounds the parts in flight of one file, the pool those of all files
    together. Memory for one file: one block of 256 KiB and the connection's buffers for each part
    in flight, together below 1 MiB, independent of the size of the file.
    """

    def __init__(
        self,
        store: ObjectStore,
        pool: TransferPool,
        *,
        connections_per_file: int = 8,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._pool = pool
        self._connections = connections_per_file
        self._retry = retry or RetryPolicy()

    async def upload(
        self, content: Content, target: Target, meter: ProgressMeter, journal: UploadJournal
    ) -> Uploaded:
        """Upload `content` as `target.key`; return when the object is complete and verified.

        A file that is known to fit into one part is one PutObject without an upload id.

        On cancel every thread of this upload has ended when `CancelledError` leaves. Neither then
        nor on failure is anything undone here, because the upload may go on later; where it shall
        not, the reaper removes what is left once the caller has given the object up. A cancel
        that comes after Complete was sent loses: if the object is there, it is returned as if
        nothing had happened (`Completion` holds the rule).

        Raises:
            FileEmpty: there is not one byte.
            SizeMismatch: the file turned out longer or shorter than `content.size`.
            StoreError: attempts are used up, or the error is permanent. A new try with the same
                target finds out by itself what is there and goes on from it.
            SourceError, DiskError: what `content.wait_for` raises.
        """
        session = UploadSession(self._line(), content, target, meter, journal)
        return await session.go(ConcurrencyWindow(self._connections))

    def _line(self) -> StoreCaller:
        return StoreCaller(self._store, self._pool, self._retry)
