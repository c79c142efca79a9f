"""Files of Telegram's own Bot API server: located with `getFile`, streamed into the spool.

The library's own download is not used: it holds whole files in memory, and in this mode may return
a file of this machine instead of the user's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp
import stamina
from telegram import Bot

from bot.adapters.telegram.download import (
    AddressExpired,
    Download,
    MinimumThroughput,
    ServerFile,
    SourceFlooded,
    look_up,
)
from bot.adapters.telegram.request import open_session
from bot.core.errors import (
    FileEmpty,
    FileTooLarge,
    SizeMismatch,
    SourceGone,
    SourceUnavailable,
    TransferCancelled,
)
from bot.core.files import CLOUD_DOWNLOAD_LIMIT, IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Digest
from bot.transfer.pool import to_the_end
from bot.transfer.spool import Spool
from bot.transfer.spool_file import SpoolFile

ATTEMPTS: Final = 6
"""Connections for one file, with waits of up to a few seconds between them; after that the queue
decides.
"""


class CloudFiles:
    """A `FileSource` in cloud mode. Belongs to one event loop; `close` it there.

    `base_url` is the server's root without `/bot`. `trusts` returns whether a job's bytes in the
    spool from before the start are valid; by default they are not.
    """

    def __init__(  # noqa: PLR0913 - independent knobs, all but the first two by keyword.
        self,
        bot: Bot,
        spool: Spool,
        *,
        base_url: str,
        proxy: str | None = None,
        limit: int = CLOUD_DOWNLOAD_LIMIT,
        throughput: MinimumThroughput | None = None,
        trusts: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._bot = bot
        self._spool = spool
        self._root = f"{base_url.rstrip('/')}/file/bot{bot.token}"
        self._proxy = proxy
        self._limit = limit
        self._throughput = throughput or MinimumThroughput()
        self._trusts = trusts
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"CloudFiles(limit={self._limit})"

    @property
    def limit(self) -> int:
        """The largest file in bytes."""
        return self._limit

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator["CloudContent"]:
        """Reserve room for the file; remove it from this machine on exit.

        Raises:
            FileTooLarge, FileEmpty: the announced size is out of bounds; nothing is requested.
            SpoolQuotaTooSmall, DiskFull, DiskError: the spool cannot store it.
        """
        if file.announced_size is not None and file.announced_size > self._limit:
            raise FileTooLarge(file.announced_size, self._limit)
        if file.announced_size == 0:
            raise FileEmpty("announced as empty")
        room = self._limit if file.announced_size is None else file.announced_size
        resume = self._trusts(job_id)
        meter.total, meter.phase = file.announced_size, Phase.ROOM
        async with self._spool.open(job_id, largest=room, resume=resume) as spooled:
            meter.total, meter.downloaded = file.announced_size, spooled.size
            meter.phase = Phase.FETCHING
            download = Download(
                self._kept_session(),
                spooled,
                meter,
                limit=self._limit,
                throughput=self._throughput,
            )
            if file.announced_size is not None:
                download.announce(file.announced_size)
            yield CloudContent(self._bot, self._root, file, spooled, download)

    def _kept_session(self) -> aiohttp.ClientSession:
        # Kept for files to come: a new connection is a TLS handshake.
        if self._session is None:
            self._session = open_session(proxy=self._proxy, connections=0)
        return self._session

    async def close(self) -> None:
        """Close all connections; the next file opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await to_the_end(session.close())


class CloudContent:
    """The bytes of one file while they arrive; implements the `Content` port."""

    def __init__(
        self, bot: Bot, root: str, file: IncomingFile, spooled: SpoolFile, download: Download
    ) -> None:
        self._bot = bot
        self._root = root
        self._incoming = file
        self._file = spooled
        self._download = download
        self._found: ServerFile | None = None

    @property
    def size(self) -> int | None:
        """Size of the whole file in bytes, once it is known."""
        return self._file.size if self._file.is_whole else self._download.size

    @property
    def largest(self) -> int:
        """Upper bound of the file's size in bytes."""
        return self._file.largest

    @property
    def is_whole(self) -> bool:
        """Whether every byte is on disk."""
        return self._file.is_whole

    async def fill(self) -> Digest:
        """Fetch every byte and wake waiting readers at the end. Raises the errors of the port."""
        try:
            await self._fill()
            return self._file.finish()
        except asyncio.CancelledError:
            self._file.fail(TransferCancelled("the download was cancelled"))
            raise
        except Exception as error:
            self._file.fail(error)
            raise

    async def wait_for(self, end: int) -> int:
        """Wait until the bytes before `end` are on disk or the file is whole."""
        return await self._file.wait_for(end)

    def pread(self, count: int, offset: int) -> bytes:
        """Read bytes that are on disk; from a thread."""
        return self._file.pread(count, offset)

    async def _fill(self) -> None:
        async for attempt in stamina.retry_context(
            on=_is_worth_another, attempts=ATTEMPTS, wait_initial=0.2, wait_max=3.0, timeout=None
        ):
            with attempt:
                await self._advance()
        received = self._file.size
        if received == 0:
            raise FileEmpty("no bytes came")
        if self._download.size is not None and received != self._download.size:
            raise SizeMismatch(announced=self._download.size, received=received)

    async def _advance(self) -> None:
        if self._found is None:
            self._found = await self._find()
        try:
            await self._download.receive(f"{self._root}/{quote(self._found.path)}")
        except AddressExpired:
            self._found = None
            raise

    async def _find(self) -> ServerFile:
        found = await look_up(self._bot, self._incoming, limit=self._download.limit)
        if found.path.startswith("/"):
            # A server that runs with --local; its paths mean nothing over HTTP.
            raise SourceGone('the server hands out local paths: telegram.mode must be "local"')
        if found.size is not None:
            self._download.announce(found.size)
        return found


def _is_worth_another(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(error, SourceFlooded)
