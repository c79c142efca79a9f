"""Where files come from."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.core.files import IncomingFile
from bot.core.progress import ProgressMeter


@dataclass(frozen=True, slots=True)
class Digest:
    """What arrived: `size` in bytes, `sha256` in hex."""

    size: int
    sha256: str


class Content(Protocol):
    """The bytes of one file on this machine: growing while they arrive, or complete from the
    start.

    One coroutine fills it, one upload reads it. Reading goes through `pread` and may be done from
    any thread.
    """

    @property
    def size(self) -> int | None:
        """Bytes of the whole file as announced or known; `None` while nobody knows."""

    @property
    def largest(self) -> int:
        """Bytes that the file can have at most."""

    @property
    def is_whole(self) -> bool:
        """Whether every byte is on disk already."""

    async def fill(self) -> Digest:
        """Bring in every byte (or, where they are here already, read them once) and return what
        arrived.

        Raises `SourceUnavailable`, `SourceGone`, `SizeMismatch`, `FileTooLarge`, `FileEmpty`,
        `DiskFull`.
        """

    async def wait_for(self, end: int) -> int:
        """Wait until the bytes before offset `end` are on disk or the file is whole; return the
        bytes on disk.

        If filling fails meanwhile, raises the same error as `fill`.
        """

    def pread(self, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at `offset`, which must be on disk. Blocks; call it from a
        thread.
        """


class FileSource(Protocol):
    """Hands over the files of the chat service."""

    @property
    def limit(self) -> int:
        """The largest file in bytes that can be handed over."""

    def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AbstractAsyncContextManager[Content]:
        """Reserve room for the file and open its content; on exit everything of it on this machine
        is removed.

        Entering may wait for room. Raises `SpoolQuotaTooSmall`, `DiskFull`. `meter.downloaded`
        follows the bytes.
        """
