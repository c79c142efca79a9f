"""Files of a local Bot API server (`--local`): read in place, never copied."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Final

import stamina
import structlog
from telegram import Bot

from bot.adapters.telegram.download import ServerFile, SourceFlooded, look_up
from bot.adapters.telegram.local_copies import ServerCopies
from bot.core.errors import (
    DiskError,
    FileEmpty,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    SourceUnavailable,
    TransferCancelled,
)
from bot.core.files import IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Digest
from bot.transfer.body import BLOCK
from bot.transfer.pool import CancelFlag, TransferPool, to_the_end

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=480)
"""Longest wait for one `getFile`; the server itself closes the connection after 500 s (source:
tdlib/telegram-bot-api `HttpServer.h`).
"""

ATTEMPTS: Final = 6
"""Quick failures in a row, with waits of up to a few seconds between them; after that the queue
decides.
"""


class StillFetching(SourceUnavailable):
    """The server or the bot ended a long call; another call waits for the same download."""


class LocalServer:
    """Repeats `getFile` until the server has a file.

    There is no limit on the time: a further call joins the running download, and the user can
    cancel. Only quick failures count, because they have another cause.
    """

    def __init__(
        self, bot: Bot, pool: TransferPool, *, limit: int, patience: timedelta = PATIENCE
    ) -> None:
        self.limit = limit
        self._bot = bot
        self._pool = pool
        self._patience = patience.total_seconds()

    async def bring(
        self, file: IncomingFile, open_here: Callable[[ServerFile], int], flag: CancelFlag
    ) -> int:
        """Wait until the server has the file and `open_here`, called in a thread, has opened it;
        return its result.

        A file that was removed before it was opened is requested again.

        Raises:
            FileTooLarge, SourceGone, SourceUnavailable: see `look_up`.
            Exception: the errors of `open_here`, `SourceUnavailable` after several tries.
        """
        persistent = stamina.AsyncRetryingCaller(
            attempts=ATTEMPTS, wait_initial=0.2, wait_max=3.0, timeout=None
        ).on(_is_quick_failure)

        async def once() -> int:
            found = await self._ask(file)
            return await self._pool.run(lambda: open_here(found), flag)

        while True:
            with suppress(StillFetching):
                return await persistent(once)

    async def _ask(self, file: IncomingFile) -> ServerFile:
        asked = time.monotonic()
        try:
            return await look_up(self._bot, file, limit=self.limit, read_timeout=self._patience)
        except SourceFlooded:
            raise
        except SourceUnavailable as error:
            # A server that is down or restarting is noticed within seconds.
            if time.monotonic() - asked < self._patience / 8:
                raise
            raise StillFetching("the server is still fetching the file") from error


def _is_quick_failure(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(
        error, SourceFlooded | StillFetching
    )


class LocalContent:
    """A file that is complete once it can be opened, and is read in place; implements the
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
        self._size = file.announced_size
        self._handle: int | None = None
        self._flag = CancelFlag()
        self._settled = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def size(self) -> int | None:
        """Size of the whole file in bytes, first as announced, then as found."""
        return self._size

    @property
    def largest(self) -> int:
        """Upper bound of the file's size in bytes."""
        return self._server.limit if self._size is None else self._size

    @property
    def is_whole(self) -> bool:
        """Whether the file is available; it arrives as a whole."""
        return self._settled.is_set() and self._failure is None

    async def fill(self) -> Digest:
        """Wait for the server, then read the file once, in a thread. Raises the errors of the
        port.
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
        """Wait until the file is available; return its size."""
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
        """Open the server's file and check it before it is read. In a thread."""
        if self._handle is None:
            # Stored at once: a cancel may come before the descriptor is returned.
            self._handle = self._copies.take(self.job_id, self.file.file_unique_id, found.path)
        status = os.fstat(self._handle)
        if status.st_size == 0:
            raise FileEmpty("the server's file has no bytes")
        if status.st_size > self._server.limit:
            raise FileTooLarge(status.st_size, self._server.limit)
        for told in (self.file.announced_size, found.size):
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


Unfinished = Callable[[], Awaitable[Mapping[int, str]]]
"""Returns the id and the `file_unique_id` of every job that is not finished."""


class LocalFiles:
    """A `FileSource` in local mode. Belongs to one event loop; blocking work is done in `pool`.

    `keeps` is set when the process stops: from then on copies stay for the next start. So does
    that of an attempt which may be repeated; if it is not repeated, `sweep` removes it, at the end
    of another job or at the next start.
    """

    def __init__(
        self,
        server: LocalServer,
        copies: ServerCopies,
        pool: TransferPool,
        *,
        unfinished: Unfinished,
    ) -> None:
        self.keeps = False
        self._server = server
        self._copies = copies
        self._pool = pool
        self._unfinished = unfinished
        self._running: dict[int, str] = {}

    @property
    def limit(self) -> int:
        """The largest file in bytes."""
        return self._server.limit

    @property
    def trouble(self) -> str:
        """Why the server's files cannot be opened, if they cannot."""
        return self._copies.trouble

    async def sweep(self, *, over: int | None = None) -> int:
        """Remove the copies that no unfinished job needs; return the number of their jobs.

        The job `over` counts as finished, even if the ledger has it as unfinished.

        Raises:
            DiskError: the records cannot be read or removed.
        """
        # Running ones too: one may have started after the ledger was read.
        unfinished = {**await self._unfinished(), **self._running}
        if over is not None:
            unfinished.pop(over, None)
        return await self._pool.run(lambda: self._copies.sweep(unfinished), CancelFlag())

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator[LocalContent]:
        """Open a file that the server is going to have; remove its copy on exit, unless it is
        needed again. Takes no room in the spool.

        Raises:
            FileTooLarge, FileEmpty: the announced size is out of bounds; nothing is requested.
        """
        if file.announced_size is not None and file.announced_size > self.limit:
            raise FileTooLarge(file.announced_size, self.limit)
        if file.announced_size == 0:
            raise FileEmpty("announced as empty")
        meter.total, meter.downloaded, meter.phase = file.announced_size, 0, Phase.FETCHING
        content = LocalContent(self._server, self._copies, self._pool, job_id, file, meter)
        self._running[job_id] = file.file_unique_id
        is_over = True
        try:
            yield content
        except RelayError as error:
            is_over = error.permanent
            raise
        finally:
            del self._running[job_id]
            content.close()
            if not self.keeps:
                await to_the_end(self._tidy_up(job_id if is_over else None))

    async def _tidy_up(self, over: int | None) -> None:
        try:
            await self.sweep(over=over)
        except DiskError as error:
            # A failure here must not replace the result of the job; the next sweep removes the
            # rest.
            log.warning("cannot remove server copies", why=str(error))
