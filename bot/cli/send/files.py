"""Files to send: a file of this machine or standard input, as a source for the relay."""

import asyncio
import hashlib
import mimetypes
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.cli.common import CommandFailed
from bot.core.errors import DiskFull, FileEmpty, FileTooLarge, SizeMismatch, SourceUnavailable
from bot.core.files import IncomingFile
from bot.core.jobs import Phase, ProgressMeter, shell_file
from bot.core.ports.chat import Digest
from bot.transfer.pool import CancelFlag, TransferPool, current_flag
from bot.transfer.spool import free_bytes
from bot.transfer.spool_file import SpoolFile, disk_errors


@dataclass(frozen=True, slots=True)
class Input:
    """An open file or pipe. `size` is `None` if it is known only at the end."""

    descriptor: int
    name: str
    size: int | None

    def describe(self) -> IncomingFile:
        """Return it as a file of the ledger."""
        mime_type, _ = mimetypes.guess_type(self.name)
        return shell_file(self.name, mime_type=mime_type, size=self.size)


@contextmanager
def open_input(path: Path | None, *, standard_input: int, name: str) -> Iterator[Input]:
    """Open a file or a named pipe, or with `None` the descriptor of standard input, which stays
    open.

    Raises:
        CommandFailed: it cannot be opened, or is neither a file nor a pipe.
    """
    try:
        # Without blocking, because a named pipe may have no writer yet; the loop waits for one.
        how = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = standard_input if path is None else os.open(path, how)
    except OSError as error:
        raise CommandFailed(f"cannot open {path}: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            # The part that a shell has read of it already is not sent again.
            skipped = os.lseek(descriptor, 0, os.SEEK_CUR)
            if skipped:
                raise CommandFailed(f"{name} has been read already")
            yield Input(descriptor, name, status.st_size)
        elif stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            yield Input(descriptor, name, None)
        else:
            raise CommandFailed(f"{path or name} is neither a file nor a pipe")
    finally:
        if path is not None:
            os.close(descriptor)


BLOCK: Final = 1 << 20
"""Bytes that are read at once."""
LARGEST: Final = 40 << 40
"""Bytes; OSS takes objects of up to 48.8 TB (source: OSS documentation, "Limits")."""


class ShellFiles:
    """Implements the `FileSource` port for one input. A file is read in place; a pipe is copied to
    an unnamed file in the spool folder, which cannot be left behind.
    """

    limit = LARGEST

    def __init__(self, given: Input, pool: TransferPool, folder: Path, *, keep_free: int) -> None:
        self._given = given
        self._pool = pool
        self._folder = folder
        self._keep_free = keep_free

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator["WholeFile | PipedFile"]:
        """Open the content as defined by the port."""
        meter.total, meter.phase = file.announced_size, Phase.MOVING
        if self._given.size is not None:
            if self._given.size == 0:
                raise FileEmpty("the file has no bytes")
            if self._given.size > self.limit:
                raise FileTooLarge(self._given.size, self.limit)
            yield WholeFile(self._given.descriptor, self._given.size, self._pool, meter)
            return
        room = self._room()
        with disk_errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        spooled = SpoolFile(self._folder / f"send-{job_id}-{secrets.token_hex(8)}", room)
        await spooled.open()
        try:
            with disk_errors():
                spooled.path.unlink()
            yield PipedFile(self._given.descriptor, spooled, meter)
        finally:
            await spooled.close()

    def _room(self) -> int:
        place = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        room = free_bytes(place) - self._keep_free
        if room <= 0:
            raise DiskFull(f"{place}: less than {self._keep_free} bytes are free")
        return min(room, LARGEST)


class WholeFile:
    """A file of this machine; implements the `Content` port."""

    is_whole = True

    def __init__(
        self, descriptor: int, size: int, pool: TransferPool, meter: ProgressMeter
    ) -> None:
        self.size = self.largest = size
        self._descriptor = descriptor
        self._pool = pool
        self._meter = meter

    async def fill(self) -> Digest:
        """Read the file once, in a thread.

        Raises:
            SizeMismatch: its size changed meanwhile.
            SourceUnavailable: it cannot be read.
        """
        return await self._pool.run(self._digest, CancelFlag())

    async def wait_for(self, end: int) -> int:  # noqa: ARG002 - the port's; all of it is here.
        """Return the size."""
        return self.size

    def pread(self, count: int, offset: int) -> bytes:
        """Read bytes of the file, from any thread."""
        try:
            return os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise SourceUnavailable(f"the file cannot be read: {error.strerror}") from error

    def _digest(self) -> Digest:
        sha256, offset, flag = hashlib.sha256(), 0, current_flag()
        while block := self.pread(BLOCK, offset):
            if flag is not None:
                flag.raise_if_set()
            sha256.update(block)
            offset += len(block)
            self._meter.downloaded = offset
            if offset > self.size:
                break
        if offset != self.size:
            raise SizeMismatch(announced=self.size, received=offset)
        return Digest(offset, sha256.hexdigest())


class PipedFile:
    """The data of a pipe, uploaded while it arrives; implements the `Content` port."""

    size = None

    def __init__(self, descriptor: int, spooled: SpoolFile, meter: ProgressMeter) -> None:
        self.largest = spooled.largest
        self._descriptor = descriptor
        self._spooled = spooled
        self._meter = meter

    @property
    def is_whole(self) -> bool:
        """Whether the pipe has ended."""
        return self._spooled.is_whole

    async def fill(self) -> Digest:
        """Read the pipe to its end.

        Raises:
            FileEmpty: the pipe had no data.
            DiskFull, DiskError: the spool cannot store it.
        """
        try:
            return await self._read()
        except BaseException as error:
            self._spooled.fail(error if isinstance(error, Exception) else FileEmpty("stopped"))
            raise

    async def _read(self) -> Digest:
        reader, loop = asyncio.StreamReader(limit=BLOCK), asyncio.get_running_loop()
        pipe = os.fdopen(os.dup(self._descriptor), "rb", buffering=0)
        # Not a thread: one that waits for an idle pipe cannot be interrupted.
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while block := await reader.read(BLOCK):
                if self._spooled.size + len(block) > self.largest:
                    raise DiskFull("more comes out of the pipe than there is room on the disk")
                await self._spooled.append(block)
                self._meter.downloaded = self._spooled.size
        finally:
            transport.close()
        if not self._spooled.size:
            raise FileEmpty("nothing came out of the pipe")
        self._meter.total = self._spooled.size
        return self._spooled.finish()

    async def wait_for(self, end: int) -> int:
        """Wait until these bytes have arrived, or the pipe has ended."""
        return await self._spooled.wait_for(end)

    def pread(self, count: int, offset: int) -> bytes:
        """Read bytes that have arrived, from any thread."""
        return self._spooled.pread(count, offset)
