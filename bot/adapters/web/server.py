"""The server: opened and closed with the process, on one port, for everything that calls us."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

from bot.adapters.web.pages import MonitoringPages
from bot.adapters.web.webhook import WebhookRoute

log = structlog.stdlib.get_logger(__name__)

LARGEST_BODY: Final = 1 << 20
"""Bytes of a request. Updates have a few KiB."""
LAST_ANSWERS: Final = 1.0
"""Seconds that requests under way are given at the end."""


class PortTaken(Exception):
    """Another program listens there, or the address is not one of this machine."""


@asynccontextmanager
async def open_web(
    host: str, port: int, pages: MonitoringPages, hook: WebhookRoute | None = None
) -> AsyncIterator[int]:
    """Listen on `host`, and give the port (0 takes a free one); stop at the end.

    Raises:
        PortTaken: nobody can listen there.
    """
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_get("/healthz", pages.alive)
    app.router.add_get("/readyz", pages.ready)
    app.router.add_get("/metrics", pages.metrics)
    if hook is not None:
        app.router.add_post(hook.path, hook.handle)
    # No access log: each line would be a look of somebody who watches.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound = int(runner.addresses[0][1])
        log.info("web server listens", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        # The text of the event loop says the address once more.
        why = os.strerror(error.errno) if error.errno else str(error)
        raise PortTaken(f"web.port: cannot listen on {host}:{port}: {why}") from error
