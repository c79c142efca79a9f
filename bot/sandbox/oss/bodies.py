"""Request and response bodies, limited by the shape, cut by faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from aiohttp import web

from bot.sandbox.oss.disk import BLOCK, Storage
from bot.sandbox.oss.model import Answer
from bot.sandbox.shaping import Bandwidth, Throttle

_SMALLEST_PIECE = 16 * 1024
_PIECE_SECONDS = 0.01
"""Seconds that one piece of a shaped transfer may take; small, so that progress is even."""


class ConnectionBroken(Exception):
    """The connection is broken or must be broken; no answer can be sent.

    `after_flush`: what was written so far must still arrive.
    """

    def __init__(self, *, after_flush: bool = False) -> None:
        super().__init__()
        self.after_flush = after_flush


def piece_size(rate: float | None) -> int:
    """Return the bytes to pass through a throttle at once."""
    if rate is None:
        return BLOCK
    return min(BLOCK, max(_SMALLEST_PIECE, int(rate * _PIECE_SECONDS)))


def slower(*rates: float | None) -> float | None:
    """Return the lowest rate; `None` means unlimited."""
    return min((rate for rate in rates if rate), default=None)


@dataclass
class RequestBody:
    """A request body. Iterated once, or drained in part before the connection is broken.

    `limit` is what the client asked for (`x-oss-traffic-limit`), bytes per second.
    """

    http: web.BaseRequest
    bandwidth: Bandwidth
    limit: float | None = None
    received: int = 0
    _own: Throttle = field(default_factory=Throttle)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ConnectionBroken: the client went away before its end.
        """
        self._say_continue()
        try:
            while chunk := await self.http.content.readany():
                size = piece_size(self._rate())
                for start in range(0, len(chunk), size):
                    piece = chunk[start : start + size]
                    await self._pass(len(piece))
                    self.received += len(piece)
                    yield piece
        except (OSError, web.RequestPayloadError) as error:
            raise ConnectionBroken from error

    async def drain(self, count: int) -> None:
        """Read up to `count` bytes of the body and drop them."""
        async for _ in self.chunks():
            if self.received >= count:
                return

    def _rate(self) -> float | None:
        shape = self.bandwidth.shape
        return slower(shape.up_per_connection, shape.up_total, self.limit)

    async def _pass(self, count: int) -> None:
        shape = self.bandwidth.shape
        await self._own.pass_through(count, slower(shape.up_per_connection, self.limit))
        await self.bandwidth.up.pass_through(count, shape.up_total)

    def _say_continue(self) -> None:
        """Answer `Expect: 100-continue`; some clients wait for it before they send."""
        expected = self.http.headers.get("Expect", "").lower() == "100-continue"
        if expected and self.http.transport is not None:
            self.http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@dataclass(frozen=True)
class Drip:
    """A rate of `count` bytes every `seconds`, until `closing`."""

    count: int
    seconds: float
    closing: asyncio.Event

    async def drops(self, data: bytes) -> AsyncIterator[bytes]:
        """Yield `data` drop by drop, each after its wait.

        Raises:
            ConnectionBroken: the server is closing.
        """
        for start in range(0, len(data), self.count):
            with suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    await self.closing.wait()
            if self.closing.is_set():
                raise ConnectionBroken
            yield data[start : start + self.count]


@dataclass
class ResponseBody:
    """An answer on its way to the client; `cut` ends it after so many bytes of the body, `drip`
    sends it slowly.
    """

    http: web.BaseRequest
    bandwidth: Bandwidth
    storage: Storage
    limit: float | None = None
    cut: int | None = None
    drip: Drip | None = None
    _own: Throttle = field(default_factory=Throttle)

    async def send(self, answer: Answer) -> web.StreamResponse:
        """Send head and body.

        Raises:
            ConnectionBroken: the client went away, or `cut` was reached.
        """
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        size = answer.count if answer.data else len(answer.body)
        has_body = self.http.method != "HEAD" and answer.status not in {204, 304}
        if answer.status not in {204, 304}:
            response.content_length = size
        try:
            if self.drip is not None and not (has_body and size):
                await self._drip_head(response, self.drip)
            await response.prepare(self.http)
            if has_body:
                await self._send_body(response, answer)
            await response.write_eof()
        except OSError as error:
            raise ConnectionBroken from error
        return response

    async def _drip_head(self, response: web.StreamResponse, drip: Drip) -> NoReturn:
        """Send the head alone, past the framework, which writes it at once."""
        lines = [f"HTTP/1.1 {response.status} {response.reason}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        async for drop in drip.drops("\r\n".join([*lines, "", ""]).encode()):
            transport = self.http.transport
            if transport is None or transport.is_closing():
                break
            transport.write(drop)
        raise ConnectionBroken(after_flush=True)

    async def _send_body(self, response: web.StreamResponse, answer: Answer) -> None:
        left = self.cut
        async for piece in self._pieces(answer):
            part = piece if left is None else piece[:left]
            await self._pass(len(part))
            await self._write(response, part)
            if left is not None:
                left -= len(part)
                if left <= 0:
                    raise ConnectionBroken(after_flush=True)

    async def _write(self, response: web.StreamResponse, part: bytes) -> None:
        if self.drip is not None:
            async for drop in self.drip.drops(part):
                await response.write(drop)
        elif part:
            await response.write(part)

    async def _pieces(self, answer: Answer) -> AsyncIterator[bytes]:
        if answer.data is None:
            if answer.body:
                yield answer.body
            return
        block = piece_size(self._rate())
        async for piece in self.storage.read(answer.data, answer.start, answer.count, block):
            yield piece

    def _rate(self) -> float | None:
        shape = self.bandwidth.shape
        return slower(shape.down_per_connection, shape.down_total, self.limit)

    async def _pass(self, count: int) -> None:
        shape = self.bandwidth.shape
        await self._own.pass_through(count, slower(shape.down_per_connection, self.limit))
        await self.bandwidth.down.pass_through(count, shape.down_total)
