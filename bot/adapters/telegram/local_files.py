"""Files of a local Bot API server (`--local`): read where they are, never copied."""

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
from bot.core.ports.source import Digest
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.pool import CancelFlag, TransferPool, to_the_end

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=480)
"""How long one `getFile` may take; the server itself hangs up after 500 s (source:
tdlib/telegram-bot-api `HttpServer.h`)."""

ATTEMPTS: Final = 6
"""Quick failures in a row, the waits between them up to a few seconds; after that the queue
decides."""


class StillFetching(SourceUnavailable):
    """The server worked on it for long and then hung up, or we did; asking again joins in."""


class LocalServer:
    """Asks until the server has a file.

    However long that takes: asking again joins the download that runs, and a user who has waited
    enough can cancel. Only failures that come quickly are counted, for they mean something else.
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
        return what that returns.

        A file that has gone before it was opened is asked for again.

        Raises:
            FileTooLarge, SourceGone, SourceUnavailable: see `look_up`.
            Exception: what `open_here` raises, `SourceUnavailable` after several tries.
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
            # A server that is down or restarts is known within seconds.
            if time.monotonic() - asked < self._patience / 8:
                raise
            raise StillFetching("the server is still fetching the file") from error


def _is_quick_failure(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(
        error, SourceFlooded | StillFetching
    )


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
        self._size = file.announced_size
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
    """A `FileSource` in local mode. Lives in one event loop; blocking work is done in `pool`.

    `keeps` is set when the process stops: from then on copies stay for the next start. So does
    that of an attempt which may be repeated; if it is not, `sweep` finds it, at the end of another
    job or at the next start.
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

    async def sweep(self, *, over: int | None = None) -> int:
        """Remove the copies that no unfinished job needs; return of how many jobs they were.

        The job `over` counts as finished, whatever the ledger still says.

        Raises:
            DiskError: the notes cannot be read or removed.
        """
        # Running ones too: one may have begun after the ledger was asked.
        unfinished = {**await self._unfinished(), **self._running}
        if over is not None:
            unfinished.pop(over, None)
        return await self._pool.run(lambda: self._copies.sweep(unfinished), CancelFlag())

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator[LocalContent]:
        """Hand over a file that the server will have; on exit its copy is removed, unless it is
        needed again. Takes no room in the spool.

        Raises:
            FileTooLarge, FileEmpty: Telegram has announced it so; nothing is asked for.
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
            # Not worth more than the result of the job; the next sweep finds what is left.
            log.warning("server copies left", why=str(error))
