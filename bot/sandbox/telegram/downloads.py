"""Downloads at `/file`: ranges, bandwidth, faults."""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bot.sandbox.faults import Effect, Fault, close_connection, reset_connection
from bot.sandbox.shaping import Bandwidth, Throttle
from bot.sandbox.telegram.files import StoredFile

BLOCK: Final = 1 << 18
SHAPED_BLOCK: Final = 1 << 14
"""Bytes at once when bandwidth is limited, so that progress is even."""

_RANGE: Final = re.compile(r"^bytes=(\d*)-(\d*)$")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to before `stop`; `partial` when a range was asked for."""

    start: int
    stop: int
    partial: bool


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Parse a Range header; return `None` when the range is outside the file.

    Other than one range of bytes is ignored, as RFC 9110 requires.
    """
    match = _RANGE.match(header or "")
    if match is None or match.group() == "bytes=-":
        return ByteRange(0, size, partial=False)
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    return ByteRange(start, stop, partial=True) if start < stop else None


class Downloads:
    """Streams files; never holds more than one block per connection."""

    def __init__(self, bandwidth: Bandwidth) -> None:
        self._bandwidth = bandwidth
        self.ranges = True

    async def send(
        self, request: web.BaseRequest, stored: StoredFile, fault: Fault | None
    ) -> web.StreamResponse:
        """Answer a request for an existing file."""
        size = stored.size
        span = parse_range(request.headers.get("Range") if self.ranges else None, size)
        if span is None:
            headers = {"Content-Range": f"bytes */{size}"}
            return web.Response(status=416, headers=headers)
        answer = web.StreamResponse(status=206 if span.partial else 200)
        answer.content_type = "application/octet-stream"
        answer.content_length = span.stop - span.start
        if self.ranges:
            answer.headers["Accept-Ranges"] = "bytes"
        if span.partial:
            answer.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        await answer.prepare(request)
        if request.method == "HEAD":
            return answer
        return await self._body(request, answer, stored, span, fault)

    async def _body(
        self,
        request: web.BaseRequest,
        answer: web.StreamResponse,
        stored: StoredFile,
        span: ByteRange,
        fault: Fault | None,
    ) -> web.StreamResponse:
        stop = span.stop
        breaks = fault is not None and fault.effect in BREAKING
        if fault is not None and breaks:
            stop = min(span.start + int(fault.args.get("bytes", 0)), stop)
        try:
            await self._copy(answer, stored, span.start, stop)
        except ConnectionError:
            # The client closed the connection, as it does when a transfer is cancelled.
            return reset_connection(request)
        if fault is None or not breaks:
            await answer.write_eof()
            return answer
        if fault.effect is Effect.STALL:
            await asyncio.sleep(float(fault.args.get("seconds", 60)))
        if fault.effect is Effect.TRUNCATE:
            return close_connection(request)
        return reset_connection(request)

    async def _copy(
        self, answer: web.StreamResponse, stored: StoredFile, start: int, stop: int
    ) -> None:
        gate = Throttle()
        with stored.source.open("rb") as file:
            file.seek(start)
            while start < stop:
                block = await asyncio.to_thread(file.read, min(self._block(), stop - start))
                if not block:
                    return
                await gate.pass_through(len(block), self._bandwidth.shape.down_per_connection)
                await self._bandwidth.down.pass_through(
                    len(block), self._bandwidth.shape.down_total
                )
                await answer.write(block)
                start += len(block)

    def _block(self) -> int:
        limited = self._bandwidth.shape.down_per_connection or self._bandwidth.shape.down_total
        return SHAPED_BLOCK if limited else BLOCK


BREAKING: Final = frozenset({Effect.TRUNCATE, Effect.RESET, Effect.STALL})
