"""The parts of a multipart upload, and its completion. Each part is sent as soon as its bytes are
on disk, within a concurrency window.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from bot.core.errors import (
    Corrupted,
    SizeMismatch,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
    TransferCancelled,
    UploadGone,
)
from bot.core.jobs import Part, plan_parts
from bot.core.ports.source import Content
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.core.progress import ProgressMeter
from bot.transfer.body import ContentBody, CrcCombiner
from bot.transfer.pool import StoreCaller, check_crc64, in_own_task, working_for


class ConcurrencyWindow:
    """Adapts to what the line and OSS can take: halved on trouble, one more after each window full
    of successes, never below 1 nor above `largest`.

    `slot` and what it calls belong to the event loop; `shrink` may be called from any thread and
    touches no loop: it only lowers a number that the next `enter` reads.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = largest
        self._lock = threading.Lock()
        self._in_flight = 0
        self._entered = 0
        self._shrunk_at = 0
        self._successes = 0
        self._freed = asyncio.Event()

    @property
    def size(self) -> int:
        """Parts that may be on their way at this moment."""
        return self._size

    async def enter(self) -> int:
        """Wait for a place and take it; return a ticket. Whoever enters must `leave`."""
        while self._in_flight >= self._size:
            self._freed.clear()
            await self._freed.wait()
        self._in_flight += 1
        self._entered += 1
        return self._entered

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Give the place back at the end of the block, which counts as a success unless it
        raises.
        """
        try:
            yield
            self._grow()
        finally:
            self._in_flight -= 1
            self._freed.set()

    def shrink(self, ticket: int) -> None:
        """Halve the window because the part with `ticket` was throttled or stalled.

        One bad moment hits all parts in flight; only the first of them counts.
        """
        with self._lock:
            if ticket > self._shrunk_at:
                self._size = max(1, self._size // 2)
                self._shrunk_at = self._entered
                self._successes = 0

    def _grow(self) -> None:
        with self._lock:
            self._successes += 1
            if self._successes >= self._size and self._size < self._largest:
                self._size += 1
                self._successes = 0


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was initiated: where its parts go, how large they are (bytes), and those that
    OSS has already, by number.
    """

    key: str
    upload_id: str
    part_size: int
    kept: Mapping[int, PartReceipt]


class PartSender:
    """Sends every part of `content` once; lives for one upload.

    Memory: `window` times one block of 256 KiB and what the connection buffers, whatever the size
    of a part.
    """

    def __init__(
        self,
        line: StoreCaller,
        upload: OpenUpload,
        content: Content,
        meter: ProgressMeter,
        window: ConcurrencyWindow,
    ) -> None:
        self._line = line
        self._upload = upload
        self._content = content
        self._meter = meter
        self._window = window
        self._receipts: dict[int, PartReceipt] = {}

    async def send_all(self) -> list[PartReceipt]:
        """Send all parts and return their receipts, ascending; each CRC-64 is that of the disk.

        The first failure stops the other parts at once. On failure and on cancel no thread of
        this upload runs any more when the error leaves.

        Raises:
            StoreError, or what `content.wait_for` raises: one plain error, never a group.
        """
        await in_own_task(self._send_group())
        receipts = [self._receipts[number] for number in sorted(self._receipts)]
        self._check_size(sum(receipt.size for receipt in receipts))
        return receipts

    async def _send_group(self) -> None:
        with one_error():
            async with asyncio.TaskGroup() as group:
                await self._start_parts(group)

    async def _start_parts(self, group: asyncio.TaskGroup) -> None:
        size = self._content.size or self._content.largest
        for part in plan_parts(size, self._upload.part_size):
            on_disk = await self._content.wait_for(part.end)
            if on_disk <= part.offset:
                return
            arrived = replace(part, size=min(part.end, on_disk) - part.offset)
            ticket = await self._window.enter()
            group.create_task(self._send(arrived, ticket))
            if arrived.size < part.size:
                return

    def _check_size(self, sent: int) -> None:
        if self._content.size is not None and sent != self._content.size:
            raise SizeMismatch(announced=self._content.size, received=sent)

    async def _send(self, part: Part, ticket: int) -> None:
        try:
            with self._window.leaving():
                self._receipts[part.number] = await self._receipt(part, ticket)
        except BaseException:
            # At once: the group cancels the other parts only when the loop comes round to it.
            self._line.flag.set()
            raise

    async def _receipt(self, part: Part, ticket: int) -> PartReceipt:
        if (kept := await self._kept(part)) is not None:
            return kept

        def attempt() -> PartReceipt:
            body = self._body(part)
            upload = self._upload
            receipt = self._line.store.upload_part(upload.key, upload.upload_id, part.number, body)
            check_crc64(receipt.crc64, body.crc64, f"part {part.number}")
            return receipt

        def on_trouble(error: StoreError) -> None:
            if isinstance(error, StoreThrottled | StoreUnavailable):
                self._window.shrink(ticket)

        return await self._line.call(attempt, on_trouble=on_trouble)

    async def _kept(self, part: Part) -> PartReceipt | None:
        # What OSS has is believed only when the bytes that are on disk now have the same CRC-64.
        kept = self._upload.kept.get(part.number)
        if kept is None or kept.size != part.size or kept.crc64 is None:
            return None
        local = await self._line.call(self._body(part).read_through)
        return kept if local == kept.crc64 else None

    def _body(self, part: Part) -> ContentBody:
        return ContentBody(self._content, part, self._meter, self._line.flag)


@contextmanager
def one_error() -> Iterator[None]:
    """Turn the group that a `TaskGroup` raises into the one error that began it."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        # Parts that were stopped because another one failed are not the reason of anything.
        reasons = [error for error in errors if not isinstance(error, TransferCancelled)]
        raise (reasons or errors)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


BOTH_GONE_AFTER: Final = 3
"""How often upload and object must both be missing before it is believed: between the two, OSS may
be busy putting the object together.
"""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that is certainly there: `size` in bytes, `crc64` of all of it."""

    size: int
    crc64: int
    last_modified: datetime | None = field(default=None, compare=False)
    """The time of the object at OSS, where it was looked at."""


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
        self._last_modified: datetime | None = None

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
                    return replace(self._expected, last_modified=self._last_modified)
                if absences >= BOTH_GONE_AFTER:
                    raise
                self._line.policy.pause(failures, error, self._line.flag)

    def _complete(self) -> Uploaded:
        with working_for(None):
            crc64 = self._line.store.complete(
                self._upload.key, self._upload.upload_id, self._parts, self._meta
            )
        if crc64 is None:
            raise StoreUnavailable("Complete: the answer proves nothing")
        # Every part was compared already; this is the second lock.
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
        self._last_modified = stat.last_modified
        return True
