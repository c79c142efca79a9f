"""The parts of a multipart upload, and its completion. Each part is sent as soon as its bytes are
on disk, within a concurrency window.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
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
from bot.core.jobs import Part, ProgressMeter, plan_parts
from bot.core.ports.chat import Content
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.transfer.body import ContentBody, CrcCombiner
from bot.transfer.pool import StoreCaller, check_crc64, in_own_task, working_for


class ConcurrencyWindow:
    """Adaptive limit of parts in flight: halved on throttling and stalls, raised by one after each
    window of successes, always between 1 and `largest`.

    `slot` and its callees run in the event loop; `shrink` may be called from any thread and does
    not use the loop: it only lowers a number that the next `enter` reads.
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
        """Parts that may be in flight at this moment."""
        return self._size

    async def enter(self) -> int:
        """Wait for a free slot and take it; return a ticket. Pair each call with `leaving`."""
        while self._in_flight >= self._size:
            self._freed.clear()
            await self._freed.wait()
        self._in_flight += 1
        self._entered += 1
        return self._entered

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Free the slot at the end of the block, which counts as a success unless it raises."""
        try:
            yield
            self._grow()
        finally:
            self._in_flight -= 1
            self._freed.set()

    def shrink(self, ticket: int) -> None:
        """Halve the window because the part with `ticket` was throttled or stalled.

        A network problem affects all parts in flight; only the first report counts.
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
    """An initiated upload: its key and id, the part size in bytes, and the parts that OSS has, by
    number.
    """

    key: str
    upload_id: str
    part_size: int
    kept: Mapping[int, PartReceipt]


class PartSender:
    """Sends every part of `content` once; one instance per upload. `progressed` is awaited once,
    after the first part that OSS did not have before.

    Memory: `window` times one block of 256 KiB and the buffers of the connection, for any part
    size.
    """

    def __init__(
        self,
        line: StoreCaller,
        upload: OpenUpload,
        content: Content,
        meter: ProgressMeter,
        window: ConcurrencyWindow,
        *,
        progressed: Callable[[], Awaitable[None]],
    ) -> None:
        self._line = line
        self._upload = upload
        self._content = content
        self._meter = meter
        self._window = window
        self._progressed = progressed
        self._has_progressed = False
        self._receipts: dict[int, PartReceipt] = {}

    async def send_all(self) -> list[PartReceipt]:
        """Send all parts and return their receipts, ascending; each CRC-64 matches the bytes on
        disk.

        The first failure stops the other parts at once. On failure and on cancel every thread of
        this upload has ended before the error is raised.

        Raises:
            StoreError, or the errors of `content.wait_for`: one plain error, never a group.
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
                self._meter.store_part(part.number, part.size)
        except BaseException:
            # Set it now: the group cancels the other parts only when the loop runs it again.
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

        receipt = await self._line.call(attempt, on_trouble=on_trouble)
        if not self._has_progressed:
            self._has_progressed = True
            await self._progressed()
        return receipt

    async def _kept(self, part: Part) -> PartReceipt | None:
        # A part at OSS is reused only if the bytes that are on disk now have the same CRC-64.
        kept = self._upload.kept.get(part.number)
        if kept is None or kept.size != part.size or kept.crc64 is None:
            return None
        local = await self._line.call(self._body(part).read_through)
        return kept if local == kept.crc64 else None

    def _body(self, part: Part) -> ContentBody:
        return ContentBody(self._content, part, self._meter, self._line.flag)


@contextmanager
def one_error() -> Iterator[None]:
    """Raise the first cause in place of the group that a `TaskGroup` raises."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        # Parts that were stopped because another one failed are not the cause.
        reasons = [error for error in errors if not isinstance(error, TransferCancelled)]
        raise (reasons or errors)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


BOTH_GONE_AFTER: Final = 3
"""Number of checks that must find both upload and object missing: in between, OSS may still be
assembling the object.
"""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that was verified to exist: `size` in bytes, `crc64` of all of it."""

    size: int
    crc64: int
    last_modified: datetime | None = field(default=None, compare=False)
    """The time of the object at OSS, where it was looked at."""


def expect(parts: Sequence[PartReceipt], part_size: int) -> Uploaded:
    """Return the object that the verified `parts` make (ascending, of `part_size` bytes but for
    the last).
    """
    combiner = CrcCombiner(part_size)
    crc64 = 0
    for part in parts:
        crc64 = combiner.append(crc64, part.crc64 or 0, part.size)
    return Uploaded(sum(part.size for part in parts), crc64)


class Completion:
    """Repeats Complete until its outcome is known.

    OSS finishes a Complete after the client has disconnected, and the upload id becomes invalid
    then (source: OSS API reference, "CompleteMultipartUpload"). So after a lost answer, and after
    `UploadGone`, the object itself is checked. A missing object proves nothing while the upload
    still exists: Complete is repeated until it succeeds, or until both are gone.

    A cancel before the first Complete stops the upload. A cancel after it does not interrupt the
    request, and is ignored if the object exists: it is then reported as uploaded. If an attempt
    fails, the cancel ends the wait before the next one.
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
        """Complete the upload. A cancel that comes too late is ignored, see the class.

        Raises:
            UploadGone: neither the upload nor its object exists.
            Corrupted: the object exists, but its bytes differ from ours.
            StoreError: the attempts are used up, or an error is permanent; the object may or may
                not exist.
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
        """Return whether the object exists after `error`; `None` if that cannot be determined
        now.
        """
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
