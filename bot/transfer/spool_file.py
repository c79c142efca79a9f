"""One file on its way: it grows at the end, and is read behind it while it grows."""

import asyncio
import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import aiofiles
import aiofiles.os
import structlog
from aiofiles.threadpool.binary import AsyncFileIO

from bot.core.errors import DiskError, DiskFull, SourceUnavailable, TransferCancelled
from bot.core.ports.source import Digest
from bot.transfer.body import BLOCK
from bot.transfer.pool import to_the_end

log = structlog.get_logger(__name__)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate what the system says of the disk."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("no space left in the spool") from error
        raise DiskError(f"the spool: {error.strerror or type(error).__name__}") from error


class SpoolFile:
    """A file that one coroutine fills and one upload reads; mode 0600.

    Bytes that are on disk never change and never go away before `close`. So an upload may send
    them at once, and the digest is that of what was sent. `pread` may be called from any thread;
    everything else belongs to the event loop.
    """

    def __init__(self, path: Path, largest: int) -> None:
        self.path = path
        self.largest = largest
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
        """Create the file, or with `resume` take over what an earlier run has left of it.

        Raises:
            DiskFull, DiskError: the disk does not let us.
        """
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

        After `restart` it is compared with what is there, until that is over.

        Raises:
            DiskFull, DiskError: the disk does not take it; nothing more can be appended.
            SourceUnavailable: after a restart other bytes came than before.
        """
        if self._failure is not None:
            raise self._failure
        if self._whole:
            raise ValueError("the file is whole already")
        try:
            await to_the_end(self._append(block))
        except (DiskError, SourceUnavailable) as error:
            # Where the position is now, nobody knows.
            self.fail(error)
            raise

    async def _append(self, block: bytes) -> None:
        file = self._opened()
        known = min(len(block), self._size - self._position)
        with disk_errors():
            if known and not await self._is_there(file, block[:known]):
                raise SourceUnavailable("the file changed between two connections")
            rest = memoryview(block)[known:]
            # A raw file may take less than it is given.
            while rest:
                written = await file.write(rest)
                self._hash.update(rest[:written])
                self._size += written
                self._position = self._size
                rest = rest[written:]
        self._wake()

    async def _is_there(self, file: AsyncFileIO, block: bytes) -> bool:
        """Read on from the position, which thereby ends up where writing goes on."""
        there = b""
        while len(there) < len(block):
            more = await file.read(len(block) - len(there))
            if not more:
                return False
            there += more
        self._position += len(block)
        return there == block

    async def restart(self) -> None:
        """Expect the file from its beginning once more, because the source cannot go on from the
        middle.

        What is on disk stays: parts of it may have been uploaded. The bytes that come again are
        compared with it, not trusted to be the same.

        Raises:
            DiskError: the disk does not let us.
        """
        with disk_errors():
            await to_the_end(self._opened().seek(0))
        self._position = 0

    async def resume(self) -> None:
        """Go on behind the last byte on disk, wherever a restart had got to.

        Raises:
            DiskError: the disk does not let us.
        """
        with disk_errors():
            await to_the_end(self._opened().seek(self._size))
        self._position = self._size

    def finish(self) -> Digest:
        """Say that the last byte has been appended; wakes whoever waits."""
        if self._position < self._size:
            raise SourceUnavailable("the file is shorter than it was on an earlier connection")
        self._whole = True
        self._wake()
        return Digest(self._size, self._hash.hexdigest())

    def fail(self, error: Exception) -> None:
        """Say that no more bytes will come; whoever waits gets `error`. The first one counts."""
        if self._failure is None and not self._whole:
            self._failure = error
            self._wake()

    async def wait_for(self, end: int) -> int:
        """Wait until the bytes before offset `end` are on disk or the file is whole; return the
        bytes on disk.

        Raises:
            Exception: what `fail` was told.
        """
        while not self._whole and self._size < end:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
        return self._size

    def _wake(self) -> None:
        # Each growth has an event of its own, so nobody has to reset one that others wait for.
        self._changed.set()
        self._changed = asyncio.Event()

    def pread(self, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at `offset`. Blocks; call it from a thread, and never after
        `close`.
        """
        with disk_errors():
            return os.pread(self._opened().fileno(), count, offset)

    async def close(self, *, keep: bool = False) -> None:
        """Close the file and, unless it is to be kept for the next start, remove it.

        No thread may read it any more. Does nothing if the file was never opened.
        """
        self.fail(TransferCancelled("the file was closed"))
        if self._file is not None:
            await to_the_end(self._close(self._file, keep=keep))

    async def _close(self, file: AsyncFileIO, *, keep: bool) -> None:
        # The name goes first: whatever happens now, nothing is left behind.
        try:
            if not keep:
                await aiofiles.os.unlink(self.path)
        except FileNotFoundError:
            pass  # somebody tidied up by hand
        except OSError as error:
            # Not worth more than the error that may be on its way already; the next sweep gets it.
            log.warning("spool file left", path=str(self.path), why=error.strerror)
        finally:
            await file.close()

    def _opened(self) -> AsyncFileIO:
        if self._file is None:
            raise ValueError("the file is not open")
        return self._file


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
