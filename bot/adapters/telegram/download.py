"""Downloads: asks `getFile` where the bytes are and streams them into the spool."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import aiohttp
import stamina
from telegram import Bot
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot.adapters.telegram.errors import readable_answers
from bot.adapters.telegram.request import without_address
from bot.core.errors import FileTooLarge, SizeMismatch, SourceError, SourceGone, SourceUnavailable
from bot.core.files import IncomingFile
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.body import BLOCK
from bot.transfer.spool_file import SpoolFile


@dataclass(frozen=True, slots=True)
class MinimumThroughput:
    """At least `minimum_rate` bytes per second, measured over `patience`; silence for so long is
    too slow at any rate.
    """

    minimum_rate: int = 8 << 10
    patience: timedelta = timedelta(seconds=20)


class ThroughputCheck:
    """Watches one connection. Only the time spent waiting for it counts, not that of our disk."""

    def __init__(self, throughput: MinimumThroughput) -> None:
        self._throughput = throughput
        self._waited = 0.0
        self._received = 0

    def add(self, count: int, seconds: float) -> None:
        """Record that `count` bytes came after a wait of `seconds`.

        Raises:
            SourceUnavailable: the connection trickles.
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


class SourceFlooded(SourceUnavailable):
    """Telegram asks for a pause; asking again at once would only make it longer."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """Where a file is: `path` as the server names it, relative or, in local mode, absolute; `size`
    bytes or `None` where the server does not say.
    """

    path: str = field(repr=False)
    size: int | None


async def look_up(
    bot: Bot, file: IncomingFile, *, limit: int, read_timeout: float = CLOUD_READ_TIMEOUT
) -> ServerFile:
    """Ask for the path of a file. The answer may take as long as `read_timeout` (seconds).

    Raises:
        FileTooLarge: the server does not hand out so much, `limit` being what we know of that.
        SourceGone: twice it did not know the file; once proves nothing, because it says the same
            when it has troubles of its own.
        SourceFlooded: it wants to be left alone for a while.
        SourceUnavailable: it was out of reach, or refused for another reason.
    """
    async for attempt in stamina.retry_context(
        on=SourceGone, attempts=2, wait_initial=0.5, timeout=None
    ):
        with attempt, source_errors(file, limit):
            answer = await bot.get_file(file.file_id, read_timeout=read_timeout)
    if not answer.file_path:
        # The server leaves the path out where it would not serve the file.
        if answer.file_size and answer.file_size > limit:
            raise FileTooLarge(answer.file_size, limit)
        raise SourceUnavailable("getFile: the answer has no path")
    # The library has put its own address in front, unless a file of that name exists on this
    # machine, which proves nothing at all (source: telegram/_bot.py, `Bot.get_file`).
    path = answer.file_path.removeprefix(f"{bot.base_file_url}/")
    return ServerFile(path=path, size=answer.file_size)


@contextmanager
def source_errors(file: IncomingFile, limit: int) -> Iterator[None]:
    """Translate what the library raises for `getFile`."""
    try:
        with readable_answers():
            yield
    # First, because it is a subclass of NetworkError.
    except BadRequest as error:
        if _TOO_BIG in error.message.lower():
            raise FileTooLarge(file.announced_size, limit) from error
        raise SourceGone(f"getFile: {error.message}") from error
    except RetryAfter as error:
        raise SourceFlooded("getFile: too many requests") from error
    except TelegramError as error:
        # No more than its kind: a message may have been made from an answer of anybody.
        raise SourceUnavailable(f"getFile: {type(error).__name__}") from error


SMALL_BLOCK: Final = 64 << 10
PAUSE: Final = 0.05
"""Seconds until more is taken from a line that brought less than a small block: on a slow line
bytes come in many small pieces, and each write costs a visit to a thread.
"""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for a connection."""

_SPAN: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class AddressExpired(SourceUnavailable):
    """The file server does not know the path (any more); `getFile` gives a new one."""


class Download:
    """Brings bytes into a spool file, over one connection after the other.

    `size` is bytes as announced, `None` until somebody says it; at most `limit` are taken.
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
        """Take note of what somebody says of the size; everybody must say the same.

        Raises:
            FileTooLarge: it is over the limit.
            SizeMismatch: somebody said something else.
        """
        if size > self.limit:
            raise FileTooLarge(size, self.limit)
        if self.size is not None and size != self.size:
            raise SizeMismatch(announced=self.size, received=size)
        self.size = size
        self._meter.total = size

    async def receive(self, url: str) -> None:
        """Receive what is still missing, until the server says that this was all.

        Raises:
            AddressExpired: a new address is needed.
            SourceUnavailable: the connection broke; what came is in the spool.
            FileTooLarge, SizeMismatch: not what was announced.
            DiskFull, DiskError: the spool could not take it.
        """
        if self.size is not None and self.size == self._file.size:
            return  # it broke behind the last byte
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
        """Look at status and headers, and put the spool where the body begins."""
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
            raise SourceUnavailable("file: another range than asked for")
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
            # It has less than we have; only from the beginning can we tell what is wrong.
            self._ranges = False
        if status in {401, 403, 404, 410, 416}:
            return AddressExpired(f"file: HTTP {status}")
        return SourceUnavailable(f"file: HTTP {status}")

    async def _copy(self, body: aiohttp.StreamReader) -> None:
        keeper = ThroughputCheck(self._throughput)
        asked = time.monotonic()
        while block := await body.read(BLOCK):
            keeper.add(len(block), time.monotonic() - asked)
            await self._take(block)
            asked = time.monotonic()
            if len(block) < SMALL_BLOCK and not body.at_eof():
                await asyncio.sleep(PAUSE)

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
