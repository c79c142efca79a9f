"""The OSS stand-in: an HTTP server on loopback that speaks the protocol of OSS."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import FaultScript
from bot.sandbox.oss.control import OssControl
from bot.sandbox.oss.disk import Storage
from bot.sandbox.oss.exchange import RequestHandler
from bot.sandbox.oss.lifecycle_run import run_lifecycle_hourly
from bot.sandbox.oss.model import AccessKey, Bucket
from bot.sandbox.oss.world import World
from bot.sandbox.server import LOOPBACK, SHUTDOWN_TIMEOUT, LoopbackServer
from bot.sandbox.shaping import Shape

OWNER = "1234567890123456"
"""The id of the account that owns everything unless said otherwise."""
_READ_BUFFER = 128 * 1024
_LINE = 16 * 1024


class OssStandIn(LoopbackServer):
    """An OSS endpoint with its files below `data_dir`/oss, serving while its `async with` block
    runs.

    `log` holds every request, `faults` the script of faults, `clock` drives
    signatures, expiry and lifecycle; `clock_skew` moves the service's own time away from it. State
    may be looked at and changed from the event loop of the server. Leaving the block stops the
    server and keeps the files below `data_dir`; `stop` and `start` in between are an outage.
    """

    receive_buffer = 256 * 1024
    """Small, so that a shaped upload is slow for its sender."""

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
        super().__init__(clock=clock, shape=shape, faults=faults, port=port)
        self.region = region
        self.access_key_id = access_key_id
        self.access_key_secret = access_key_secret
        self.world = World(region, OWNER, self.clock, Storage(data_dir / "oss"))
        self._requests = RequestHandler(self.world, self.log, self.faults, self.bandwidth)
        self._verbs = OssControl(self.world, self.log, self.faults, self.bandwidth)
        self._sweeper: asyncio.Task[None] | None = None
        self.add_key(access_key_id, access_key_secret)

    def _make_runner(self) -> web.BaseRunner:
        self._requests.closing.clear()
        server = web.Server(
            self.handle,
            access_log=None,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            max_line_size=_LINE,
            max_field_size=_LINE,
        )
        return web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT)

    def _control(self) -> OssControl:
        return self._verbs

    async def _exchange(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._requests.handle(request)

    async def _start_tasks(self) -> None:
        self._sweeper = asyncio.create_task(run_lifecycle_hourly(self.world, self.log))

    async def _stop_tasks(self) -> None:
        self._requests.closing.set()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
            self._sweeper = None

    def _close(self) -> None:
        self.world.storage.close()

    @property
    def endpoint(self) -> str:
        """Base URL; valid inside the `async with` block."""
        return f"http://{LOOPBACK}:{self._port}"

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
        """Create a bucket without the protocol and return it.

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
        """Bind a custom domain to a bucket, as a CNAME does."""
        self.world.domains[domain] = bucket
