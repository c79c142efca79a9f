"""The bytes of one file in the folder of a local Bot API server."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bot.adapters.telegram.local_copies import ServerCopies
from bot.adapters.telegram.local_server import LocalServer
from bot.adapters.telegram.lookup import ServerFile
from bot.core.errors import (
    FileEmpty,
    FileTooLarge,
    SizeMismatch,
    SourceGone,
    SourceUnavailable,
    TransferCancelled,
)
from bot.core.files import IncomingFile
from bot.core.ports.source import Digest
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.flag import CancelFlag
from bot.transfer.pool import TransferPool

BLOCK: Final = 1 << 20
"""Bytes that are hashed at once; the flag is looked at in between."""


class LocalContent:
    """A file that is complete as soon as it can be opened, and is read where it lies; fulfils the
    `Content` port.
    """

    def __init__(
        self,
        server: LocalServer,
        copies: ServerCopies,
        pool: TransferPool,
        job_id: int,
        file: IncomingFile,
        meter: ProgressMeter,
    ) -> None:
        self.job_id = job_id
        self.file = file
        self._server = server
        self._copies = copies
        self._pool = pool
        self._meter = meter
        self._size = file.size
        self._handle: int | None = None
        self._flag = CancelFlag()
        self._settled = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, as announced and then as found."""
        return self._size

    @property
    def largest(self) -> int:
        """Bytes that the file can have at most."""
        return self._server.limit if self._size is None else self._size

    @property
    def is_whole(self) -> bool:
        """Whether the file is here; it comes as a whole."""
        return self._settled.is_set() and self._failure is None

    async def fill(self) -> Digest:
        """Wait for the server, then read the file once, in a thread; see the port for the
        errors.
        """
        try:
            await self._server.bring(self.file, self._open, self._flag)
            self._announce_whole()
            return await self._pool.run(self._digest, self._flag)
        except asyncio.CancelledError:
            self._fail(TransferCancelled("waiting for the file was cancelled"))
            raise
        except Exception as error:
            self._fail(error)
            raise

    async def wait_for(self, end: int) -> int:  # noqa: ARG002 - the port's; it comes as a whole.
        """Wait until the file is here; return its size."""
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure
        return self._size or 0

    def pread(self, count: int, offset: int) -> bytes:
        """Read bytes of the file; from a thread, and never after `close`."""
        with _reading():
            return os.pread(self._opened(), count, offset)

    def close(self) -> None:
        """Close the file. No thread may read it any more."""
        self._fail(TransferCancelled("the file was closed"))
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self, found: ServerFile) -> int:
        """Open what the server has, and look at it before anybody reads it. In a thread."""
        if self._handle is None:
            # Kept at once: a cancel may come before anybody else has seen it.
            self._handle = self._copies.take(self.job_id, self.file.file_unique_id, found.path)
        status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode):
            raise SourceGone("what the server names is not a file")
        if status.st_size == 0:
            raise FileEmpty("the server's file has no bytes")
        if status.st_size > self._server.limit:
            raise FileTooLarge(status.st_size, self._server.limit)
        for told in (self.file.size, found.size):
            if told is not None and told != status.st_size:
                raise SizeMismatch(announced=told, received=status.st_size)
        self._size = status.st_size
        return status.st_size

    def _announce_whole(self) -> None:
        self._meter.total = self._size
        self._meter.downloaded = self._size or 0
        if self._meter.phase is Phase.FETCHING:
            self._meter.phase = Phase.MOVING
        self._settled.set()

    def _digest(self) -> Digest:
        sha256, offset, size = hashlib.sha256(), 0, self._size or 0
        while block := self.pread(BLOCK, offset):
            self._flag.raise_if_set()
            sha256.update(block)
            offset += len(block)
            if offset > size:
                break
        if offset != size:
            raise SizeMismatch(announced=size, received=offset)
        return Digest(size, sha256.hexdigest())

    def _opened(self) -> int:
        if self._handle is None:
            raise ValueError("the file is not open")
        return self._handle

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
            self._settled.set()


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceUnavailable(f"the server's file: {error.strerror}") from error
