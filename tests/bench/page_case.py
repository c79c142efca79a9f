"""A server that shows pages, as a process with one processor: ours, or the least that could be
called one. `python -m tests.bench.page_case KIND LEDGER [ENDPOINT FILE]` prints its port, and ends
with its input; with an endpoint it uploads the file there again and again, `UPLOADS` at once.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web
from sqlalchemy import Connection, bindparam, select, update

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import pages
from bot.adapters.oss.bucket import OssLinkSigner
from bot.adapters.oss.client import AccessKey, BucketAddress, OssConnection
from bot.adapters.pages.guards import ArgonPasswords
from bot.adapters.pages.routes import PageRoutes
from bot.adapters.web import MetricsPage, MonitoringPages, open_web
from bot.adapters.web_limits import WITH_PAGES, Proxies
from bot.cli.run import favour_the_loop
from bot.clock import SystemClock
from bot.core.files import LinkMode
from bot.inbound.pages import PageVisits
from bot.supervision import ProcessPhase, ReadinessReport
from tests.adapters.oss.links import QUICK
from tests.bench.upload_case import ours as upload

OURS: Final = "ours"
FLOOR: Final = "floor"
UPLOADS: Final = 8
ORIGIN: Final = "https://files.example.org"

_READ = select(pages).where(pages.c.token == bindparam("token"))
_WRITE = (
    update(pages).where(pages.c.token == bindparam("its")).values(downloads=pages.c.downloads + 1)
)


def read(connection: Connection, token: str) -> int:
    """Read a row."""
    return int(connection.execute(_READ, {"token": token}).mappings().one()["id"])


def write(connection: Connection, token: str) -> None:
    """Change a row."""
    connection.execute(_WRITE, {"its": token})


@asynccontextmanager
async def floor(database: Database) -> AsyncIterator[int]:
    """Serve the library's own hello world, with one read or one write of the ledger."""

    async def get(request: web.Request) -> web.Response:
        await database.read(read, request.match_info["token"])
        return web.Response(text="Hello, world")

    async def post(request: web.Request) -> web.Response:
        await database.write(write, request.match_info["token"])
        return web.Response(text="Hello, world")

    app = web.Application()
    app.router.add_get("/{token}", get)
    app.router.add_post("/{token}", post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _ready() -> ReadinessReport:
    return ReadinessReport(ProcessPhase.RUNNING, (), None, None)


async def _metrics() -> MetricsPage:
    return MetricsPage(b"", "text/plain")


@asynccontextmanager
async def ours(database: Database) -> AsyncIterator[int]:
    """Serve pages."""
    clock = SystemClock()
    # Signing asks for nothing.
    address = BucketAddress(
        bucket="relay-bench", region="cn-hongkong", endpoint="http://127.0.0.1:9"
    )
    connection = OssConnection(
        address,
        clock,
        key=AccessKey(access_key_id="LTAI-bench", access_key_secret="invented"),
        limits=QUICK,
    )
    visits = PageVisits(SqlLedger(database).pages, OssLinkSigner(connection, LinkMode.PAGE), clock)
    routes = PageRoutes(ORIGIN, b"secret", clock, ArgonPasswords())
    routes.open(visits)
    counting = asyncio.create_task(visits.run())
    try:
        async with open_web(
            "127.0.0.1",
            0,
            MonitoringPages(_ready, _metrics),
            limits=WITH_PAGES,
            proxies=Proxies(["127.0.0.0/8"]),
            site=routes,
        ) as port:
            yield port
    finally:
        counting.cancel()
        await asyncio.wait([counting])
        connection.close()


async def upload_on(endpoint: str, file: Path) -> None:
    """Upload a file with the engine of this project, one object after the other."""
    while True:
        await upload(endpoint, file, 8)


async def serve(kind: str, ledger: Path, load: Sequence[str] = ()) -> None:
    """Serve until the end of the input, beside uploads if `load` has an endpoint and a file."""
    database = Database(ledger)
    uploads: list[asyncio.Task[None]] = []
    try:
        async with (ours if kind == OURS else floor)(database) as port:
            if load:
                endless = [upload_on(load[0], Path(load[1])) for _ in range(UPLOADS)]
                uploads = [asyncio.create_task(one) for one in endless]
            sys.stdout.write(f"{port}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
            # One that has failed would be no load.
            assert not any(task.done() for task in uploads)
    finally:
        await _cancel(uploads)
        await database.close()


async def _cancel(uploads: Iterable[asyncio.Task[None]]) -> None:
    """End tasks. A cancel that comes when an object is complete loses, so that it is repeated."""
    left = set(uploads)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


def main(kind: str, ledger: str, *load: str) -> None:
    """Serve on the first processor, beside those who ask on another one."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # As `relay-bot run` does at the end of its start.
    favour_the_loop()
    asyncio.run(serve(kind, Path(ledger), load))


if __name__ == "__main__":
    main(*sys.argv[1:])
