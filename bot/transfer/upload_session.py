"""The upload of one file: in one request, in parts, or resumed where it stopped; and its
completion.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from bot.core.errors import (
    Corrupted,
    FileEmpty,
    SizeMismatch,
    StoreError,
    StoreUnavailable,
    UploadGone,
)
from bot.core.objects import Part, choose_part_size
from bot.core.ports.source import Content
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.body import ContentBody, CrcCombiner
from bot.transfer.multipart import ConcurrencyWindow, OpenUpload, PartSender
from bot.transfer.pool import working_for
from bot.transfer.store_caller import StoreCaller, abort_strays, check_crc64

BOTH_GONE_AFTER: Final = 3
"""How often upload and object must both be missing before it is believed: between the two, OSS may
be busy putting the object together.
"""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that is certainly there: `size` in bytes, `crc64` of all of it."""

    size: int
    crc64: int


def expect(parts: Sequence[PartReceipt], part_size: int) -> Uploaded:
    """Return what OSS must have once the verified `parts` (ascending, of `part_size` bytes but for
    the last) are put together.
    """
    combiner = CrcCombiner(part_size)
    crc64 = 0
    for part in parts:
        crc64 = combiner.append(crc64, part.crc64 or 0, part.size)
    return Uploaded(sum(part.size for part in parts), crc64)


class Completion:
    """Sends Complete until its outcome is known.

    OSS goes on with a Complete whose client has gone, and the upload id becomes invalid by it
    (source: OSS API reference, "CompleteMultipartUpload"). So after a lost answer, and after
    `UploadGone`, the object itself is looked at. A missing object proves nothing while the upload
    still exists: Complete is repeated until it succeeds, or until both are gone.

    The rule for a cancel: before the first Complete is sent, it wins. Afterwards it loses against
    success: the request that is under way is never cut, and an object that is there is reported
    as uploaded. Only while attempts fail does a cancel end the waiting between them.
    """

    def __init__(
        self,
        line: StoreCaller,
        upload: OpenUpload,
        meta: ObjectMeta,
        parts: Sequence[PartReceipt],
        expected: Uploaded,
    ) -> None:
        self._line = line
        self._upload = upload
        self._meta = meta
        self._parts = parts
        self._expected = expected

    async def settle(self) -> Uploaded:
        """Complete the upload. A cancel that comes too late is forgotten, as said above.

        Raises:
            UploadGone: neither the upload nor its object exists.
            Corrupted: the object is there, but its bytes are not ours.
            StoreError: the attempts are used up, or an error is permanent; the object may or may
                not be there.
        """
        return await self._line.pool.run(self._settle, self._line.flag, result_wins=True)

    def _settle(self) -> Uploaded:
        self._line.flag.raise_if_set()
        failures = absences = 0
        while True:
            try:
                return self._complete()
            except Corrupted:
                raise
            except StoreError as error:
                failures += 1
                found = self._look(error)
                absences += found is False and isinstance(error, UploadGone)
                if found:
                    return self._expected
                if absences >= BOTH_GONE_AFTER:
                    raise
                self._line.policy.pause(failures, error, self._line.flag)

    def _complete(self) -> Uploaded:
        with working_for(None):
            crc64 = self._line.store.complete(
                self._upload.key, self._upload.upload_id, self._parts, self._meta
            )
        if crc64 is not None:  # Every part was compared already; this is the second lock.
            check_crc64(crc64, self._expected.crc64, "the object")
        return self._expected

    def _look(self, error: StoreError) -> bool | None:
        """Say whether the object is there after `error`; `None` if that cannot be told now."""
        if not isinstance(error, UploadGone | StoreUnavailable):
            return None
        try:
            with working_for(None):
                return self._is_stored()
        except StoreError as second:
            if second.permanent or isinstance(second, Corrupted):
                raise
            return None

    def _is_stored(self) -> bool:
        stat = self._line.store.head(self._upload.key)
        if stat is None:
            return False
        if stat.size != self._expected.size:
            raise Corrupted(f"the object has {stat.size} bytes, the file {self._expected.size}")
        check_crc64(stat.crc64, self._expected.crc64, "the object")
        return True


@dataclass(frozen=True, slots=True)
class Target:
    """What is to become of a file. `upload_id` and `part_size` (bytes) are both set, from the
    journal, when an earlier run has initiated the upload; then its parts are kept.
    """

    key: str
    meta: ObjectMeta
    upload_id: str | None = None
    part_size: int | None = None


class UploadJournal(Protocol):
    """Remembers what must not be forgotten in a crash."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Commit that parts of `part_size` bytes are about to be sent to `upload_id`.

        Awaited before the first part leaves. A second call replaces the first, whose upload is
        gone.
        """


class UploadSession:
    """One upload; lives as long as it."""

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
        """Do all of it; the contract is that of `Uploader.upload`."""
        self._meter.restart_parts()
        upload = None
        if self._target.upload_id is not None and self._target.part_size is not None:
            upload = await self._reopen(self._target.upload_id, self._target.part_size)
            if upload is None and (finished := await self._find_object()):
                return finished
        # Nothing is initiated before there is a byte to send.
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
        sender = PartSender(self._line, upload, self._content, self._meter, window)
        receipts = await sender.send_all()
        self._meter.phase = Phase.FINISHING
        expected = expect(receipts, upload.part_size)
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

        return await self._line.call(attempt)

    async def _initiate(self, part_size: int) -> OpenUpload:
        key, meta = self._target.key, self._target.meta
        lost: list[StoreError] = []
        upload_id = await self._line.call(
            lambda: self._line.store.initiate(key, meta), on_trouble=lost.append
        )
        await self._journal.initiated(upload_id, part_size)
        if any(isinstance(error, StoreUnavailable) for error in lost):
            # An earlier attempt may have succeeded without telling us. Where that cannot be found
            # out now, the reaper will: no unfinished job owns such an upload.
            with suppress(StoreError):
                await abort_strays(self._line, key, known=upload_id)
        return OpenUpload(key, upload_id, part_size, kept={})

    async def _reopen(self, upload_id: str, part_size: int) -> OpenUpload | None:
        key = self._target.key
        try:
            parts = await self._line.call(lambda: self._line.store.list_parts(key, upload_id))
        except UploadGone:
            return None
        return OpenUpload(key, upload_id, part_size, _by_number(parts))

    async def _find_object(self) -> Uploaded | None:
        """Look whether the upload that is gone was completed, with the bytes that we have."""
        key = self._target.key
        stat = await self._line.call(lambda: self._line.store.head(key))
        if stat is None:
            return None
        size = await self._content.wait_for(stat.size + 1)
        part = Part(number=1, offset=0, size=size)
        body = ContentBody(self._content, part, self._meter, self._line.flag)
        if size == stat.size and await self._line.call(body.read_through) == stat.crc64:
            return Uploaded(stat.size, stat.crc64)
        self._meter.restart_parts()
        return None  # Other bytes: a new upload replaces them.


def _by_number(parts: list[PartReceipt]) -> Mapping[int, PartReceipt]:
    return {part.part_number: part for part in parts}
