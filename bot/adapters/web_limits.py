"""Limits of a server's connections: how many there are, in all and of one address, and how long
one may take to send a request. The HTTP library has no limit of either kind. And the address of a
visitor who comes through a reverse proxy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Protocol

import structlog
from aiohttp import web

from bot.core.limits import BoundedMap

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

    @property
    def accepted_at_once(self) -> int:
        """Connections that one turn of the event loop accepts. Those that are closed for them have
        their descriptors until the next turn.
        """
        return min(100, self.connections // 3)


WITH_PAGES: Final = WebLimits(connections=512)
"""Where pages are shown to the world. A reverse proxy has no limit of its own among them: the
pages limit the requests of each visitor behind it.
"""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Address = IPv4Address | IPv6Address
V6_PREFIX: Final = 64
"""Bits of an IPv6 address that stand for one visitor: a provider gives each customer at least such
a network (source: RFC 6177).
"""
FORWARDED_FOR: Final = "X-Forwarded-For"
PROXIED: Final = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto")
"""Other headers that only a proxy sends."""


@lru_cache(maxsize=1024)
def read_address(text: str) -> Address | None:
    """Return an address as headers write it, with or without a port, `None` where it is none. A
    mapped IPv4 address is that address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def address_key(address: Address | None) -> str:
    """Return what is limited as one visitor: an IPv4 address, or the network of an IPv6 address;
    "" for those whose address is hidden, who share one limit.
    """
    if isinstance(address, IPv6Address):
        return str(ip_network((address, V6_PREFIX), strict=False))
    return str(address or "")


class Proxies:
    """Reverse proxies that are trusted, by their networks. `public_host` is the one that visitors
    ask for, "" without pages.
    """

    def __init__(self, networks: Sequence[str] = (), *, public_host: str = "") -> None:
        self._networks = [ip_network(network) for network in networks]
        self._public_host = public_host
        self._trusted: BoundedMap[Address, bool] = BoundedMap(1024)

    def trusts(self, address: Address | None) -> bool:
        """Return whether its X-Forwarded-For counts."""
        if address is None:
            return False
        known = self._trusted.get(address)
        if known is None:
            known = any(address in network for network in self._networks)
            self._trusted.set(address, known)
        return known

    def visitor(self, request: web.BaseRequest) -> Address | None:
        """Return who asks: the last address of X-Forwarded-For that is no trusted proxy, where a
        trusted proxy has added it. `None` where that cannot be read.
        """
        address = read_address(request.remote or "")
        if FORWARDED_FOR not in request.headers or not self.trusts(address):
            return address
        hops = ",".join(request.headers.getall(FORWARDED_FOR)).split(",")
        for hop in reversed([hop for hop in hops if hop.strip()]):
            address = read_address(hop)
            if not self.trusts(address):
                return address
        return address

    def may_monitor(self, request: web.BaseRequest) -> bool:
        """Return whether health and metrics are answered: to this machine and to trusted
        addresses, and not through a proxy that hides its visitor.
        """
        headers = request.headers
        if FORWARDED_FOR not in headers and any(name in headers for name in PROXIED):
            return False
        if self._public_host and request.host == self._public_host:
            return False
        visitor = self.visitor(request)
        return visitor is not None and (visitor.is_loopback or self.trusts(visitor))


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
        self._waits_until: float | None = None
        self.address: Address | None = None

    @property
    def waits(self) -> bool:
        """Whether no handler works on a request of this connection."""
        return self._waits_until is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer, and make room for this connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- a TCP server's.
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = read_address(str(peer[0])) if isinstance(peer, tuple) else None
        self._inner.connection_made(transport)
        self.wait()
        self._connections.add(self, transport)

    def wait(self) -> None:
        """Give the peer time for the head of the next request."""
        loop = asyncio.get_running_loop()
        self._waits_until = loop.time() + self._connections.limits.head
        # One timer for many requests, which is set again when it is due: at each request it would
        # cost more than the rest of these limits.
        if self._timer is None:
            self._timer = loop.call_at(self._waits_until, self._due)

    def work(self) -> None:
        """Give a request that is here as much time as it needs."""
        self._waits_until = None

    def _due(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._waits_until is None:
            return
        if loop.time() < self._waits_until:
            self._timer = loop.call_at(self._waits_until, self._due)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once. The log gets one line a minute, with the number."""
        self._stop()
        self._connections.count_closed()
        if self._transport is not None:
            self._transport.abort()

    def _stop(self) -> None:
        self._waits_until = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._stop()
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
    the new one, so that a request that is sent at once is answered. `exempt` says which peers have
    no limit of their own.
    """

    def __init__(
        self, limits: WebLimits, *, exempt: Callable[[Address | None], bool] | None = None
    ) -> None:
        self.limits = limits
        self._exempt = exempt
        self._open: dict[asyncio.BaseTransport, LimitedConnection] = {}
        self._closed = 0
        self._reported_at = -REPORT_EVERY

    def factory(self, server: Callable[[], HttpProtocol]) -> Callable[[], LimitedConnection]:
        """Return what makes the protocol of each new connection."""
        return lambda: LimitedConnection(server(), self)

    def add(self, connection: LimitedConnection, transport: asyncio.Transport) -> None:
        """Count a new connection, and close another one, or this, if there are too many."""
        self._open[transport] = connection
        is_exempt = self._exempt is not None and self._exempt(connection.address)
        key = address_key(connection.address)
        alike = [
            one for one in self._open.values() if not is_exempt and address_key(one.address) == key
        ]
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

    async def answer(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
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
