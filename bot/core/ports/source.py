"""The source of files: the chat service."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.core.files import IncomingFile
from bot.core.jobs import ProgressMeter


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and checksum of the file that arrived: `size` in bytes, `sha256` in hex."""

    size: int
    sha256: str


class Content(Protocol):
    """The bytes of one file on this machine, growing while they arrive or complete from the start.

    One coroutine fills it, one upload reads it. `pread` may be called from any thread.
    """

    @property
    def size(self) -> int | None:
        """Size of the whole file in bytes, as announced or known; `None` if unknown."""

    @property
    def largest(self) -> int:
        """Upper bound of the file's size in bytes."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole file is on disk."""

    async def fill(self) -> Digest:
        """Fetch every byte (or read the file once if it is on this machine) and return its digest.

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
    """Opens the files of the chat service."""

    @property
    def limit(self) -> int:
        """Return the largest file in bytes that the source can open."""

    def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AbstractAsyncContextManager[Content]:
        """Reserve room for the file and open its content; remove its bytes from this machine on
        exit.

        Entering may wait for room. Raises `SpoolQuotaTooSmall`, `DiskFull`. `meter.downloaded`
        counts the bytes.
        """
