"""Downloads: request the file's path with `getFile` and stream the file into the spool."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import aiohttp
from telegram import Bot
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot.adapters.telegram.request import readable_answers, without_address
from bot.core.errors import FileTooLarge, SizeMismatch, SourceError, SourceGone, SourceUnavailable
from bot.core.files import IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.transfer.body import BLOCK
from bot.transfer.spool_file import SpoolFile


@dataclass(frozen=True, slots=True)
class MinimumThroughput:
    """At least `minimum_rate` bytes per second, measured over `patience`; no data for that long is
    too slow at any rate.
    """

    minimum_rate: int = 8 << 10
    patience: timedelta = timedelta(seconds=20)


class ThroughputCheck:
    """Measures the rate of one connection. Only the time spent waiting for data counts, not that
    of the disk.
    """

    def __init__(self, throughput: MinimumThroughput) -> None:
        self._throughput = throughput
        self._waited = 0.0
        self._received = 0

    def add(self, count: int, seconds: float) -> None:
        """Record that `count` bytes came after a wait of `seconds`.

        Raises:
            SourceUnavailable: the connection is too slow.
        """
        self._waited += seconds
        self._received += count
        if self._waited < self._throughput.patience.total_seconds():
            return
        rate = self._received / self._waited
        if rate < self._throughput.minimum_rate:
            raise SourceUnavailable(
                f"{rate:.0f} bytes/s, at least {self._throughput.minimum_rate}"
            )
        self._waited, self._received = 0.0, 0


CLOUD_READ_TIMEOUT: Final = 60.0
"""Seconds: Telegram's server answers only when it has the complete file itself (source:
tdlib/telegram-bot-api `Client.cpp`, `process_get_file_query`)."""

# Source: tdlib/telegram-bot-api `Client.cpp`; in lower case, because the library changes the case.
_TOO_BIG: Final = "file is too big"
_UNAVAILABLE: Final = "temporarily unavailable"
"""Part of one sentence for two cases: the file is gone, or Telegram could not give it just now;
often a flood limit of the server is behind it (tdlib/telegram-bot-api issue 82).
"""


class SourceFlooded(SourceUnavailable):
    """Telegram asks for a pause, or gives no file now; another call at once would only make it
    longer.
    """


@dataclass(frozen=True, slots=True)
class ServerFile:
    """The path of a file: `path` as the server names it, relative or, in local mode, absolute;
    `size` bytes or `None` if the server sends none.
    """

    path: str = field(repr=False)
    size: int | None


async def look_up(
    bot: Bot, file: IncomingFile, *, limit: int, read_timeout: float = CLOUD_READ_TIMEOUT
) -> ServerFile:
    """Ask for the path of a file. The answer may take as long as `read_timeout` (seconds).

    Raises:
        FileTooLarge: the file is over the server's limit; `limit` is our knowledge of it.
        SourceGone: the server does not know such an id.
        SourceFlooded: the server asks for a pause, or cannot give the file now.
        SourceUnavailable: the server was unreachable, or refused for another reason.
    """
    with source_errors(file, limit):
        answer = await bot.get_file(file.file_id, read_timeout=read_timeout)
    if not answer.file_path:
        # The server omits the path if it would not serve the file.
        if answer.file_size and answer.file_size > limit:
            raise FileTooLarge(answer.file_size, limit)
        raise SourceUnavailable("getFile: the answer has no path")
    # The library has added its own address as a prefix, unless a file of that name exists on this
    # machine, which proves nothing (source: telegram/_bot.py, `Bot.get_file`).
    path = answer.file_path.removeprefix(f"{bot.base_file_url}/")
    return ServerFile(path=path, size=answer.file_size)


@contextmanager
def source_errors(file: IncomingFile, limit: int) -> Iterator[None]:
    """Translate the library's errors for `getFile`."""
    try:
        with readable_answers():
            yield
    # First, because it is a subclass of NetworkError.
    except BadRequest as error:
        if _TOO_BIG in error.message.lower():
            raise FileTooLarge(file.announced_size, limit) from error
        if _UNAVAILABLE in error.message.lower():
            raise SourceFlooded("getFile: unavailable for now") from error
        raise SourceGone(f"getFile: {error.message}") from error
    except RetryAfter as error:
        raise SourceFlooded("getFile: too many requests") from error
    except TelegramError as error:
        # Only its type: the message may contain text of any sender.
        raise SourceUnavailable(f"getFile: {type(error).__name__}") from error


SMALL_BLOCK: Final = 64 << 10
PAUSE: Final = 0.05
"""Seconds for which pieces are collected until they are a small block: on a slow connection bytes
come in many small pieces, and each write costs a call in a thread.
"""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for a connection."""

_SPAN: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class AddressExpired(SourceUnavailable):
    """The file server does not know the path (any more); `getFile` returns a new one."""


class Download:
    """Downloads into a spool file, over one connection after the other.

    `size` is bytes as announced, `None` while it is unknown; at most `limit` are accepted.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        file: SpoolFile,
        meter: ProgressMeter,
        *,
        limit: int,
        throughput: MinimumThroughput,
    ) -> None:
        self.size: int | None = None
        self._session = session
        self._file = file
        self._meter = meter
        self.limit = limit
        self._throughput = throughput
        self._ranges = True
        self._at = 0

    def announce(self, size: int) -> None:
        """Record the file's size as announced or as the server sends it; all sources must agree.

        Raises:
            FileTooLarge: it is over the limit.
            SizeMismatch: it differs from the recorded size.
        """
        if size > self.limit:
            raise FileTooLarge(size, self.limit)
        if self.size is not None and size != self.size:
            raise SizeMismatch(announced=self.size, received=size)
        self.size = size
        self._meter.total = size

    async def receive(self, url: str) -> None:
        """Receive the missing bytes, until the server ends the body.

        Raises:
            AddressExpired: a new address is needed.
            SourceUnavailable: the connection broke; the bytes received are in the spool.
            FileTooLarge, SizeMismatch: the file is not as announced.
            DiskFull, DiskError: the spool could not store it.
        """
        if self.size is not None and self.size == self._file.size:
            return  # The connection broke behind the last byte.
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=CONNECT_TIMEOUT,
            sock_read=self._throughput.patience.total_seconds(),
        )
        try:
            async with self._session.get(
                url, headers=self._headers(), timeout=timeout, allow_redirects=False
            ) as response:
                await self._begin(response)
                await self._copy(response.content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SourceUnavailable(f"file: {type(error).__name__}") from without_address(error)

    def _headers(self) -> dict[str, str]:
        # Bytes must be counted as they are on disk, hence no compression.
        headers = {"Accept-Encoding": "identity"}
        if self._file.size and self._ranges:
            headers["Range"] = f"bytes={self._file.size}-"
        return headers

    async def _begin(self, response: aiohttp.ClientResponse) -> None:
        """Check status and headers, and move the spool file to where the body begins."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceUnavailable("file: the body is compressed")
        if response.status == 206:
            await self._go_on(response.headers.get("Content-Range", ""))
        elif response.status == 200:
            await self._start_over(response.content_length)
        else:
            raise self._refused(response.status)

    async def _go_on(self, content_range: str) -> None:
        span = _SPAN.fullmatch(content_range)
        if span is None or int(span[1]) != self._file.size:
            self._ranges = False
            raise SourceUnavailable("file: not the requested range")
        if span[2] != "*":
            self.announce(int(span[2]))
        await self._file.resume()
        self._at = self._file.size

    async def _start_over(self, length: int | None) -> None:
        if length is not None:
            self.announce(length)
        await self._file.restart()
        self._at = 0

    def _refused(self, status: int) -> SourceError:
        if status == 416:
            # The server has fewer bytes than the spool; only a read from the beginning can show
            # the cause.
            self._ranges = False
        if status in {401, 403, 404, 410, 416}:
            return AddressExpired(f"file: HTTP {status}")
        return SourceUnavailable(f"file: HTTP {status}")

    async def _copy(self, body: aiohttp.StreamReader) -> None:
        keeper = ThroughputCheck(self._throughput)
        asked = time.monotonic()
        while block := await _read(body):
            keeper.add(len(block), time.monotonic() - asked)
            await self._take(block)
            asked = time.monotonic()

    async def _take(self, block: bytes) -> None:
        self._at += len(block)
        if self._at > self.limit:
            raise FileTooLarge(self.size, self.limit)
        if self.size is not None and self._at > self.size:
            raise SizeMismatch(announced=self.size, received=self._at)
        if self._meter.phase is Phase.FETCHING:
            self._meter.phase = Phase.MOVING
        await self._file.append(block)
        self._meter.downloaded = self._file.size


async def _read(body: aiohttp.StreamReader) -> bytes:
    """Return the next bytes, at most a block; nothing at the end of the body."""
    block = await body.read(BLOCK)
    try:
        async with asyncio.timeout(PAUSE if 0 < len(block) < SMALL_BLOCK else None):
            while 0 < len(block) < SMALL_BLOCK and not body.at_eof():
                block += await body.read(BLOCK - len(block))
    except (TimeoutError, aiohttp.ClientError):
        # It is slow, or has broken, which the next read says; what has come is kept.
        pass
    return block
