"""One file in transfer, read while it grows at the end."""

import asyncio
import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import aiofiles
import aiofiles.os
import structlog
from aiofiles.threadpool.binary import AsyncFileIO

from bot.core.errors import DiskError, DiskFull, SourceUnavailable, TransferCancelled
from bot.core.ports.chat import Digest
from bot.transfer.body import BLOCK
from bot.transfer.pool import to_the_end

log = structlog.get_logger(__name__)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate errors of the disk into `DiskFull` and `DiskError`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("no space left in the spool") from error
        raise DiskError(f"the spool: {error.strerror or type(error).__name__}") from error


_CHANGED: Final = "the file changed between two connections"


class SpoolFile:
    """A file that one coroutine fills and one upload reads; mode 0600.

    Bytes that are on disk never change and are never removed before `close`. So an upload may send
    them at once, and the digest is that of the bytes sent. `pread` may be called from any thread;
    call all other methods from the event loop.

    With `in_memory` the bytes are kept in memory instead, and there is no file: for a small one
    the calls in threads would take longer than its transfer.
    """

    def __init__(self, path: Path, largest: int, *, in_memory: bool = False) -> None:
        self.path = path
        self.largest = largest
        self._memory = bytearray() if in_memory else None
        self._size = 0
        self._position = 0
        self._hash = hashlib.sha256()
        self._whole = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._file: AsyncFileIO | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def is_whole(self) -> bool:
        """Whether the last byte is on disk."""
        return self._whole

    async def open(self, *, resume: bool = False) -> None:
        """Create the file, or with `resume` reuse that of an earlier run.

        Raises:
            DiskFull, DiskError: the file cannot be created or opened.
        """
        if self._memory is None:
            await to_the_end(self._open(resume=resume and self.path.exists()))

    async def _open(self, *, resume: bool) -> None:
        mode: Literal["r+b", "w+b"] = "r+b" if resume else "w+b"
        with disk_errors():
            self._file = await aiofiles.open(self.path, mode, buffering=0, opener=_open_private)
            if resume:
                await self._take_over(self._file)

    async def _take_over(self, file: AsyncFileIO) -> None:
        while block := await file.read(BLOCK):
            self._hash.update(block)
            self._size += len(block)
        if self._size > self.largest:
            await file.truncate(0)
            await file.seek(0)
            self._size, self._hash = 0, hashlib.sha256()
        self._position = self._size

    async def append(self, block: bytes) -> None:
        """Write `block` at the end; when this returns it is on disk. On cancel the write ends
        first.

        After `restart` blocks are compared with the bytes on disk, up to the end of these.

        Raises:
            DiskFull, DiskError: the block cannot be written; nothing more can be appended.
            SourceUnavailable: after a restart the bytes differ from the earlier ones.
        """
        if self._failure is not None:
            raise self._failure
        if self._whole:
            raise ValueError("the file is whole already")
        try:
            if self._memory is None:
                await to_the_end(self._append(block))
            else:
                self._keep(self._memory, block)
        except (DiskError, SourceUnavailable) as error:
            # The position is unknown now.
            self.fail(error)
            raise
        self._wake()

    async def _append(self, block: bytes) -> None:
        file = self._opened()
        known = min(len(block), self._size - self._position)
        with disk_errors():
            if known and not await self._is_there(file, block[:known]):
                raise SourceUnavailable(_CHANGED)
            rest = memoryview(block)[known:]
            # A raw file may write less than it is given.
            while rest:
                written = await file.write(rest)
                self._hash.update(rest[:written])
                self._size += written
                self._position = self._size
                rest = rest[written:]

    def _keep(self, memory: bytearray, block: bytes) -> None:
        known = min(len(block), self._size - self._position)
        if memory[self._position : self._position + known] != block[:known]:
            raise SourceUnavailable(_CHANGED)
        memory += block[known:]
        self._hash.update(block[known:])
        self._size = len(memory)
        self._position += len(block)

    async def _is_there(self, file: AsyncFileIO, block: bytes) -> bool:
        """Return whether the next bytes of the file are `block`; the position moves behind
        them.
        """
        there = b""
        while len(there) < len(block):
            more = await file.read(len(block) - len(there))
            if not more:
                return False
            there += more
        self._position += len(block)
        return there == block

    async def restart(self) -> None:
        """Expect the file from its beginning again, because the source cannot continue from the
        middle.

        The bytes on disk stay: parts of them may have been uploaded. The repeated bytes are
        compared with them.

        Raises:
            DiskError: the file cannot be accessed.
        """
        await self._seek(0)

    async def resume(self) -> None:
        """Continue behind the last byte on disk, also in the middle of a restart.

        Raises:
            DiskError: the file cannot be accessed.
        """
        await self._seek(self._size)

    async def _seek(self, position: int) -> None:
        if self._memory is None and position != self._position:
            with disk_errors():
                await to_the_end(self._opened().seek(position))
        self._position = position

    def finish(self) -> Digest:
        """Mark the file as whole, after the last byte was appended, and wake the waiting
        readers.
        """
        if self._position < self._size:
            raise SourceUnavailable("the file is shorter than it was on an earlier connection")
        self._whole = True
        self._wake()
        return Digest(self._size, self._hash.hexdigest())

    def fail(self, error: Exception) -> None:
        """Mark the file as failed: waiting readers get `error`. Only the first call counts."""
        if self._failure is None and not self._whole:
            self._failure = error
            self._wake()

    async def wait_for(self, end: int) -> int:
        """Wait until the bytes before offset `end` are on disk or the file is whole; return the
        bytes on disk.

        Raises:
            Exception: the error given to `fail`.
        """
        while not self._whole and self._size < end:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
        return self._size

    def _wake(self) -> None:
        # Each growth has an event of its own, so no reader has to reset an event that others wait
        # for.
        self._changed.set()
        self._changed = asyncio.Event()

    def pread(self, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at `offset`. Blocks; call it from a thread, and never after
        `close`.
        """
        if self._memory is not None:
            return bytes(self._memory[offset : offset + count])
        with disk_errors():
            return os.pread(self._opened().fileno(), count, offset)

    async def close(self, *, keep: bool = False) -> None:
        """Close the file and remove it, unless `keep` leaves it for the next start.

        No thread may read it any more. Does nothing if the file was never opened.
        """
        self.fail(TransferCancelled("the file was closed"))
        if self._file is not None:
            await to_the_end(self._close(self._file, keep=keep))

    async def _close(self, file: AsyncFileIO, *, keep: bool) -> None:
        # The name goes first, so that an error further on leaves no file behind.
        try:
            if not keep:
                await aiofiles.os.unlink(self.path)
        except FileNotFoundError:
            pass  # Removed by hand.
        except OSError as error:
            # A failure here must not hide an error in progress; the next sweep removes the file.
            log.warning("cannot remove spool file", path=str(self.path), why=error.strerror)
        finally:
            await file.close()

    def _opened(self) -> AsyncFileIO:
        if self._file is None:
            raise ValueError("the file is not open")
        return self._file


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
