"""The bytes of one request, read from disk block by block while they leave."""

from collections.abc import Iterator
from typing import Final

from bot.core.errors import DiskError, SizeMismatch
from bot.core.parts import Part
from bot.core.ports.source import Content
from bot.core.progress import ProgressMeter
from bot.transfer.crc64 import crc64
from bot.transfer.flag import CancelFlag

BLOCK: Final = 256 << 10
"""Bytes that one connection holds in memory. Larger ones make cancel slow and a slow link look
stalled, because one block is one `sendall` with one deadline; smaller ones cost CPU.
"""


class ContentBody:
    """A stretch of a `Content` as the body of one request (fulfils the `PartBody` port).

    Restartable: every `iter()` reads from the beginning and sets the progress back. It has a
    length and no `__next__`, so it is sent with Content-Length and may be sent again. One thread
    at a time iterates it.

    Raises:
        TransferCancelled: the flag was raised; seen at every block.
        DiskError: they cannot be read.
        SizeMismatch: the bytes are not on disk (any more).
    """

    def __init__(
        self, content: Content, part: Part, meter: ProgressMeter, flag: CancelFlag
    ) -> None:
        self._content = content
        self._part = part
        self._meter = meter
        self._flag = flag
        self.crc64: int | None = None
        """Checksum of the whole stretch; `None` until an iteration has reached its end."""

    def __len__(self) -> int:
        return self._part.size

    def __iter__(self) -> Iterator[bytes]:
        self.crc64 = None
        checksum, offset = 0, self._part.offset
        self._meter.set_part(self._part.number, 0)
        while offset < self._part.end:
            self._flag.raise_if_set()
            block = self._read(offset)
            checksum = crc64(block, checksum)
            yield block
            # Whoever asks for the next block has handed this one to the connection.
            offset += len(block)
            self._meter.set_part(self._part.number, offset - self._part.offset)
        self.crc64 = checksum

    def _read(self, offset: int) -> bytes:
        try:
            block = self._content.pread(min(BLOCK, self._part.end - offset), offset)
        except OSError as error:
            # Named here, or the HTTP library would take it for a broken connection.
            raise DiskError(f"cannot read at {offset}: {error.strerror}") from error
        if not block:
            raise SizeMismatch(announced=self._part.end, received=offset)
        return block

    def read_through(self) -> int:
        """Read all of it without sending anything; return its checksum. Blocks."""
        for _ in self:
            pass
        return self.crc64 or 0
