"""The stand-in itself: a real HTTP server on loopback that OSS clients cannot tell from OSS."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import FaultScript
from bot.sandbox.memory import RequestLog
from bot.sandbox.oss.control import PREFIX, Control
from bot.sandbox.oss.disk import Storage
from bot.sandbox.oss.exchange import Front
from bot.sandbox.oss.model import AccessKey, Bucket
from bot.sandbox.oss.sweeping import sweep_for_ever
from bot.sandbox.oss.transmission import Pace
from bot.sandbox.oss.world import World
from bot.sandbox.shaping import Shape

OWNER = "1234567890123456"
"""The id of the account that owns everything unless said otherwise."""
_LOOPBACK = "127.0.0.1"
_READ_BUFFER = 128 * 1024
_RECEIVE_BUFFER = 256 * 1024
"""Bytes that the kernel holds for us: little, so that a shaped upload is slow for its sender."""
_LINE = 16 * 1024


class OssStandIn:
    """An OSS endpoint with its files below `data_dir`/oss, serving while its `async with` block
    runs.

    `log` remembers every request, `faults` is the script of what goes wrong, `clock` drives
    signatures, expiry and lifecycle; `clock_skew` moves the service's own time away from it. State
    may be looked at and changed from the event loop of the server. Leaving the block stops the
    server and keeps the files below `data_dir`; `stop` and `start` in between are an outage.
    """

    def __init__(  # noqa: PLR0913 - everything but the folder is an independent, optional knob.
        self,
        data_dir: Path,
        *,
        clock: SandboxClock | None = None,
        shape: Shape | None = None,
        faults: FaultScript | None = None,
        region: str = "cn-hongkong",
        access_key_id: str = "LTAI-sandbox",
        access_key_secret: str = "sandbox-secret",  # noqa: S107 - opens nothing but this stand-in.
        port: int = 0,
    ) -> None:
        self.clock = clock or SandboxClock()
        self.faults = faults or FaultScript()
        self.log = RequestLog()
        self.region = region
        self.access_key_id = access_key_id
        self.access_key_secret = access_key_secret
        self.world = World(region, OWNER, self.clock, Storage(data_dir / "oss"))
        self._pace = Pace(shape or Shape())
        self._front = Front(self.world, self.log, self.faults, self._pace)
        self._control = Control(self.world, self.log, self.faults, self._pace)
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.add_key(access_key_id, access_key_secret)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        self.world.storage.close()

    async def start(self) -> None:
        """Bind to 127.0.0.1 and answer from now on; after a `stop` at the same port.

        Raises:
            OSError: the port is taken.
        """
        server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            max_line_size=_LINE,
            max_field_size=_LINE,
        )
        self._front.closing.clear()
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()
        self._sweeper = asyncio.create_task(sweep_for_ever(self.world, self.log))

    async def stop(self) -> None:
        """Break what still runs and free the port: connections are refused from now on. What is
        stored stays; does nothing if it is stopped.
        """
        self._front.closing.set()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
            self._sweeper = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        if http.path.startswith(PREFIX):
            return await self._control.handle(http)
        return await self._front.handle(http)

    @property
    def endpoint(self) -> str:
        """Base URL; valid inside the `async with` block."""
        return f"http://{_LOOPBACK}:{self._port}"

    @property
    def shape(self) -> Shape:
        """Latency and bandwidth; may be changed or replaced at any time."""
        return self._pace.shape

    @shape.setter
    def shape(self, shape: Shape) -> None:
        self._pace.shape = shape

    @property
    def clock_skew(self) -> timedelta:
        """How far the service's own clock is ahead of `clock`."""
        return self.world.clock_skew

    @clock_skew.setter
    def clock_skew(self, skew: timedelta) -> None:
        self.world.clock_skew = skew

    @property
    def buckets(self) -> dict[str, Bucket]:
        """All buckets by name."""
        return self.world.buckets

    def add_bucket(
        self,
        name: str,
        acl: str = "private",
        *,
        owner: str | None = None,
        region: str | None = None,
        blocks_public_access: bool = False,
    ) -> Bucket:
        """Create a bucket past the protocol and return it.

        Raises:
            ValueError: no such ACL.
            OssError: no bucket can have this name.
        """
        return self.world.add_bucket(
            name, acl, owner=owner, region=region, blocks_public_access=blocks_public_access
        )

    def add_key(  # noqa: PLR0913 - a key has these properties.
        self,
        key_id: str,
        secret: str,
        *,
        enabled: bool = True,
        allow: Iterable[str] | None = None,
        owner: str | None = None,
        user: str = "",
        token: str | None = None,
        expires_at: datetime | None = None,
    ) -> AccessKey:
        """Add or replace an access key. `allow` holds RAM actions; `None` allows everything."""
        return self.world.add_key(
            key_id,
            secret,
            enabled=enabled,
            allow=allow,
            owner=owner,
            user=user,
            token=token,
            expires_at=expires_at,
        )

    def add_domain(self, domain: str, bucket: str) -> None:
        """Bind an own domain to a bucket, as a CNAME does."""
        self.world.domains[domain] = bucket

    async def wait_for(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until `condition` holds; it is looked at after every request and change.

        Raises:
            TimeoutError: it did not hold in time (real seconds).
        """
        await self.log.wait_for(condition, timeout=timeout)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; it must be set before they exist.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the signature of the standard library.
    return listener
