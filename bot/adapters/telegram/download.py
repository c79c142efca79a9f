"""One connection to Telegram's file server: from an address into the spool, on from where the
last one broke.
"""

import asyncio
import re
import time
from typing import Final

import aiohttp

from bot.adapters.telegram.pace import MinimumThroughput, ThroughputCheck
from bot.adapters.telegram.session import without_address
from bot.core.errors import FileTooLarge, SizeMismatch, SourceError, SourceUnavailable
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.spool_file import SpoolFile

BLOCK: Final = 256 << 10
"""Bytes that are written at once at most; a fast line fills them, a slow one brings less."""

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
        pace: MinimumThroughput,
    ) -> None:
        self.size: int | None = None
        self._session = session
        self._file = file
        self._meter = meter
        self.limit = limit
        self._pace = pace
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
            sock_read=self._pace.patience.total_seconds(),
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
        keeper = ThroughputCheck(self._pace)
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
