"""A file in memory that arrives when the test says so."""

import asyncio
import hashlib

from bot.core.errors import RelayError
from bot.core.ports.chat import Digest


class FakeContent:
    """Fulfils the `Content` port. `arrived` bytes are there from the start (all, if not given)."""

    def __init__(
        self,
        data: bytes,
        *,
        arrived: int | None = None,
        size_known: bool = True,
        largest: int | None = None,
    ) -> None:
        self.data = data
        self.largest = largest if largest is not None else max(1, len(data))
        self._on_disk = len(data) if arrived is None else arrived
        self._ended = arrived is None
        self._size_known = size_known
        self._failure: RelayError | None = None
        self._changed = asyncio.Condition()

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, unless the test hides it until the end."""
        return len(self.data) if self._size_known or self._ended else None

    @property
    def is_whole(self) -> bool:
        """Whether everything has arrived."""
        return self._ended

    async def arrive(self, count: int) -> None:
        """Let `count` more bytes arrive; the end is seen with the last one."""
        async with self._changed:
            self._on_disk = min(len(self.data), self._on_disk + count)
            self._ended = self._on_disk == len(self.data)
            self._changed.notify_all()

    async def fail(self, error: RelayError) -> None:
        """Break the download."""
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

    async def fill(self) -> Digest:
        """Wait until all has arrived."""
        await self.wait_for(len(self.data) + 1)
        return Digest(len(self.data), hashlib.sha256(self.data).hexdigest())

    async def wait_for(self, end: int) -> int:
        """Wait for bytes."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._failure or self._ended or self._on_disk >= end
            )
            if self._failure:
                raise self._failure
            return self._on_disk

    def pread(self, count: int, offset: int) -> bytes:
        """Read bytes that are there."""
        assert offset + count <= self._on_disk, "read ahead of the disk"
        return self.data[offset : offset + count]
