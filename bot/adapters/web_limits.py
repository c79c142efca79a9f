"""Limits of a server's connections: how many there are, in all and of one address, and how long
one may take to send a request. The HTTP library has no limit of either kind.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebLimits:
    """`connections` in all, `per_address` of one peer, and seconds (real) for the head of a
    request, counted from the connection or the response before, and for its body.

    Telegram delivers by up to 40 connections, all from one address where a proxy stands between.
    """

    connections: int = 96
    per_address: int = 64
    head: float = 10.0
    body: float = 10.0


REPORT_EVERY: Final = 60.0
"""Seconds (real) between two lines in the log about connections that were closed."""


class HttpProtocol(Protocol):
    """Methods of the library's connection that the event loop calls."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...  # noqa: D102 -- asyncio's.
    def connection_lost(self, exc: BaseException | None) -> None: ...  # noqa: D102 -- asyncio's.
    def data_received(self, data: bytes) -> None: ...  # noqa: D102 -- asyncio's.
    def eof_received(self) -> None: ...  # noqa: D102 -- asyncio's.
    def pause_writing(self) -> None: ...  # noqa: D102 -- asyncio's.
    def resume_writing(self) -> None: ...  # noqa: D102 -- asyncio's.


class LimitedConnection(asyncio.Protocol):
    """A connection between the event loop and the HTTP library, which closes it when it waits for
    a request too long.
    """

    def __init__(self, inner: HttpProtocol, connections: "Connections") -> None:
        self._inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address = ""

    @property
    def waits(self) -> bool:
        """Whether no handler works on a request of this connection."""
        return self._timer is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer, and make room for this connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- a TCP server's.
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._inner.connection_made(transport)
        self.wait()
        self._connections.add(self, transport)

    def wait(self) -> None:
        """Give the peer time for the head of the next request."""
        self.work()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._connections.limits.head, self.abort)

    def work(self) -> None:
        """Stop the timer: a request is here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """Close at once. The log gets one line a minute, with the number."""
        self.work()
        self._connections.count_closed()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.work()
        self._connections.remove(self, self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on."""
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Hand the end of the bytes on."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on that the peer reads slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that the peer reads again."""
        self._inner.resume_writing()


class Connections:
    """All connections of a server, the oldest first. Lives in one event loop.

    Where there are too many, the one that has waited longest for a request is closed in favour of
    the new one, so that a request that is sent at once is answered.
    """

    def __init__(self, limits: WebLimits) -> None:
        self.limits = limits
        self._open: dict[asyncio.BaseTransport, LimitedConnection] = {}
        self._closed = 0
        self._reported_at = -REPORT_EVERY

    def factory(self, server: Callable[[], HttpProtocol]) -> Callable[[], LimitedConnection]:
        """Return what makes the protocol of each new connection."""
        return lambda: LimitedConnection(server(), self)

    def add(self, connection: LimitedConnection, transport: asyncio.Transport) -> None:
        """Count a new connection, and close another one, or this, if there are too many."""
        self._open[transport] = connection
        alike = [one for one in self._open.values() if one.address == connection.address]
        for group, most in (
            (alike, self.limits.per_address),
            (list(self._open.values()), self.limits.connections),
        ):
            if len(group) > most:
                next((one for one in group if one.waits), connection).abort()
                return

    def remove(
        self, connection: LimitedConnection, transport: asyncio.BaseTransport | None
    ) -> None:
        """Forget a connection that is closed."""
        if transport is not None and self._open.get(transport) is connection:
            del self._open[transport]

    def count_closed(self) -> None:
        """Count a connection that is closed here, and write a line if the last one is old."""
        self._closed += 1
        now = asyncio.get_running_loop().time()
        if now - self._reported_at >= REPORT_EVERY:
            log.warning("web connections closed", count=self._closed, open=len(self._open))
            self._reported_at, self._closed = now, 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stop the timer of the connection while a request is handled."""
        transport = request.transport
        connection = self._open.get(transport) if transport is not None else None
        if connection is None:
            return await handler(request)
        connection.work()
        try:
            return await handler(request)
        finally:
            # The response has not been sent yet: a peer that does not read it is closed as well.
            connection.wait()
