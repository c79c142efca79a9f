"""The parts of one multipart upload, each sent the moment its bytes are on disk."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bot.core.errors import (
    SizeMismatch,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
    TransferCancelled,
)
from bot.core.parts import Part, plan_parts
from bot.core.ports.source import Content
from bot.core.ports.store import PartReceipt
from bot.core.progress import ProgressMeter
from bot.transfer.body import ContentBody
from bot.transfer.line import StoreCaller, check_crc64
from bot.transfer.pool import in_own_task
from bot.transfer.window import ConcurrencyWindow


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
