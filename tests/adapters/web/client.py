"""The server of the program on a free port, and a client of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp

from bot.adapters.web import MetricsPage, MonitoringPages, WebhookRoute, open_web
from bot.adapters.web_limits import WebLimits
from bot.supervision import ProcessPhase, ReadinessReport

WELL = ReadinessReport(ProcessPhase.RUNNING, (), None, None)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Client:
    """Asks the server at one port."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self._session = session

    async def get(self, path: str) -> Answer:
        """Look at a page."""
        return await self._ask("GET", path)

    async def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Deliver something; the names of headers have `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._ask("POST", path, data=BytesIO(body), headers=named)

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, url, **more) as response:
            return Answer(response.status, await response.read(), response.headers)


@asynccontextmanager
async def serving(
    *,
    report: ReadinessReport = WELL,
    page: bytes = b"",
    hook: WebhookRoute | None = None,
    port: int = 0,
    limits: WebLimits | None = None,
) -> AsyncIterator[Client]:
    """Serve these on loopback, at a free port unless one is given."""

    async def look() -> ReadinessReport:
        return report

    async def metrics() -> MetricsPage:
        return MetricsPage(page, "text/plain; version=0.0.4")

    async with (
        open_web("127.0.0.1", port, MonitoringPages(look, metrics), hook, limits=limits) as bound,
        aiohttp.ClientSession() as session,
    ):
        yield Client(bound, session)
