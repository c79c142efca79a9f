"""The upload of one file: in one request, in parts while the file is still being downloaded, or
resumed from the parts of an earlier attempt.
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
from bot.core.ports.chat import Content
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
    """The object to create. If an earlier attempt initiated a multipart upload, `upload_id` and
    `part_size` (bytes) are both set, from the journal, and the parts sent so far are reused.
    """

    key: str
    meta: ObjectMeta
    upload_id: str | None = None
    part_size: int | None = None


class UploadJournal(Protocol):
    """Records the data that must survive a crash."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Commit that parts of `part_size` bytes are about to be sent to `upload_id`.

        Awaited before the first part is sent. A second call replaces the first, whose upload no
        longer exists.
        """

    async def progressed(self) -> None:
        """Commit that this run has stored a part that no earlier run has stored. Awaited once."""

    async def completing(self) -> None:
        """Record that a request is about to be sent that may make the object complete.

        Awaited before each CompleteMultipartUpload ("Complete"), PutObject or CopyObject. The time
        of the first call is the one that counts, because the response to that request may be lost.
        """

    async def completed(self) -> None:
        """Commit that the object became complete now and not earlier: every earlier request was
        refused.
        """


class UploadSession:
    """One upload; an instance is used once."""

    def __init__(
        self,
        caller: StoreCaller,
        content: Content,
        target: Target,
        meter: ProgressMeter,
        journal: UploadJournal,
    ) -> None:
        self._caller = caller
        self._content = content
        self._target = target
        self._meter = meter
        self._journal = journal

    async def run(self, window: ConcurrencyWindow) -> Uploaded:
        """Upload the content; see `Uploader.upload` for the contract."""
        self._meter.restart_parts()
        upload = None
        if self._target.upload_id is not None and self._target.part_size is not None:
            upload = await self._reopen(self._target.upload_id, self._target.part_size)
            if upload is None and (finished := await self._find_object()):
                return finished
        # No request that creates an object or an upload is sent before the first byte has arrived.
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
            self._caller,
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
        return await Completion(
            self._caller, upload, self._target.meta, receipts, expected
        ).settle()

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
            body = ContentBody(self._content, part, self._meter, self._caller.flag)
            store_crc64 = self._caller.store.put_object(key, body, meta)
            return Uploaded(part.size, check_crc64(store_crc64, body.crc64, "the object"))

        await self._journal.completing()
        errors: list[StoreError] = []
        uploaded = await self._caller.call(attempt, on_trouble=errors.append)
        self._meter.store_part(part.number, size)
        if errors and all(isinstance(error, ClockSkewed) for error in errors):
            # OSS refused every earlier request because the clock was wrong. It has been corrected
            # since, so the time that `completing` stored is wrong as well.
            await self._journal.completed()
        return uploaded

    async def _initiate(self, part_size: int) -> OpenUpload:
        key, meta = self._target.key, self._target.meta
        errors: list[StoreError] = []
        upload_id = await self._caller.call(
            lambda: self._caller.store.initiate(key, meta), on_trouble=errors.append
        )
        await self._journal.initiated(upload_id, part_size)
        if any(isinstance(error, StoreUnavailable) for error in errors):
            # An earlier request may have initiated an upload although its response was lost. If it
            # cannot be aborted now, the reaper does it: no unfinished job owns such an upload.
            with suppress(StoreError):
                await abort_orphans(self._caller, key, known=upload_id)
        return OpenUpload(key, upload_id, part_size, kept={})

    async def _reopen(self, upload_id: str, part_size: int) -> OpenUpload | None:
        key = self._target.key
        try:
            parts = await self._caller.call(lambda: self._caller.store.list_parts(key, upload_id))
        except UploadGone:
            return None
        return OpenUpload(key, upload_id, part_size, _by_number(parts))

    async def _find_object(self) -> Uploaded | None:
        """Return the object if the upload no longer exists because an earlier attempt completed it
        with the same bytes.
        """
        key = self._target.key
        stat = await self._caller.call(lambda: self._caller.store.head(key))
        if stat is None:
            return None
        # Waiting for one byte more than the object has shows whether the content is longer.
        size = await self._content.wait_for(stat.size + 1)
        part = Part(number=1, offset=0, size=size)
        body = ContentBody(self._content, part, self._meter, self._caller.flag)
        if size == stat.size and await self._caller.call(body.read_through) == stat.crc64:
            return Uploaded(stat.size, stat.crc64, stat.last_modified)
        self._meter.restart_parts()
        return None  # The bytes differ: a new upload replaces the object.


def _by_number(parts: list[PartReceipt]) -> Mapping[int, PartReceipt]:
    return {part.part_number: part for part in parts}


class Uploader:
    """Uploads files: larger ones in parts while they are being downloaded, others in one request.

    `connections_per_file` bounds the parts in flight of one file; the pool bounds those of all
    files together. Each part in flight uses one block of 256 KiB and the buffers of its
    connection, together below 1 MiB, independent of the size of the file.
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

        A file that is known to fit into one part is sent by one PutObject, without an upload id.

        After a cancel, every thread of this upload has ended before `CancelledError` is raised.
        Neither a cancel nor a failure removes anything from OSS here, because a later attempt may
        resume the upload. If the caller abandons the object instead, the reaper removes the rest.
        A cancel that comes after Complete was sent has no effect if the object exists: the upload
        returns normally (`Completion` implements this rule).

        Raises:
            FileEmpty: the file has no bytes.
            SizeMismatch: the file is longer or shorter than `content.size`.
            StoreError: the retries are used up, or the error is permanent. A new attempt with the
                same target resumes from what OSS has.
            SourceError, DiskError: `content.wait_for` raised it.
        """
        session = UploadSession(self._new_caller(), content, target, meter, journal)
        return await session.run(ConcurrencyWindow(self._connections))

    def _new_caller(self) -> StoreCaller:
        return StoreCaller(self._store, self._pool, self._retry)
