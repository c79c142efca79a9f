"""A server that shows pages, on a real ledger and before the stand-in for OSS, and visitors."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.bucket import OssBucket, OssLinkSigner
from bot.adapters.oss.client import OssConnection
from bot.adapters.pages.guards import ArgonPasswords
from bot.adapters.pages.routes import PageRoutes
from bot.adapters.web import MetricsPage, MonitoringPages, open_web
from bot.adapters.web_limits import WITH_PAGES, Proxies, WebLimits
from bot.core.files import LinkMode, content_disposition, make_key
from bot.core.jobs import Job, Placement, Wishes
from bot.core.ports.pages import PageContent, page_url
from bot.core.ports.store import ObjectMeta
from bot.inbound.pages import PageReports, PageVisits
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from bot.supervision import ProcessPhase, ReadinessReport
from tests.adapters.oss.links import BUCKET, connect
from tests.fakes.body import BytesBody
from tests.fakes.ledger import empty_ledger
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import BOT_ID, LIFETIME, NOW, a_result, acquire, make_file, make_origin

ORIGIN: Final = "https://files.example.org"
BROWSER: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Site": "same-origin",
}
CURL: Final = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
ADMIN: Final = 9001
SECRET: Final = b"123456789:AAE-invented_token_of_a_bot"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    text: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]

    @property
    def location(self) -> str:
        """Where it redirects to, "" if nowhere."""
        return self.headers.get("Location", "")


@dataclass
class Site:
    """Pages at `port`, everything behind them, and a visitor."""

    ledger: SqlLedger
    oss: OssStandIn
    connection: OssConnection
    clock: SandboxClock
    visits: PageVisits
    metrics: FakeMetrics
    session: aiohttp.ClientSession
    database: Database
    port: int = 0
    passwords: ArgonPasswords = field(default_factory=lambda: ArgonPasswords(memory=8))

    async def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        client: Mapping[str, str] = BROWSER,
        data: Any = None,
        **headers: str,
    ) -> Answer:
        """Send a request and follow no redirect; `path` may be a whole address of a page. The
        names of headers have `_` for `-`.
        """
        parts = urlsplit(path.removeprefix(ORIGIN))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        query = f"?{parts.query}" if parts.query else ""
        url = URL(f"http://127.0.0.1:{self.port}{parts.path}{query}", encoded=True)
        async with self.session.request(
            method, url, headers={**client, **named}, data=data, allow_redirects=False
        ) as got:
            cookies = {name: morsel.value for name, morsel in got.cookies.items()}
            return Answer(got.status, await got.text(), got.headers, cookies)

    async def follow(
        self, answer: Answer, method: str = "GET", **headers: str
    ) -> tuple[int, bytes]:
        """Open what an answer redirects to; return status and bytes."""
        url = URL(answer.location, encoded=True)
        async with self.session.request(method, url, headers=headers) as got:
            return got.status, await got.read()

    async def page(
        self,
        *contents: bytes,
        name: str = "report.pdf",
        wishes: Wishes | None = None,
        mime_type: str = "application/pdf",
        **options: Any,
    ) -> PageContent:
        """Upload files, and return their page; `options` are fields of `PageOptions`."""
        jobs = [
            await self._upload(content, name, mime_type, wishes or Wishes())
            for content in contents or (b"content",)
        ]
        answer = await self.ledger.answers.begin(jobs, None)
        await self.ledger.answers.sent(answer.id, 77)
        found = (await self.ledger.pages.of_jobs([jobs[0].id]))[jobs[0].id]
        if options:
            await self.ledger.pages.set_options(found.page.id, **options)
        return await self.again(found)

    async def again(self, content: PageContent) -> PageContent:
        """Read a page again."""
        job_id = content.files[0].job_id
        return (await self.ledger.pages.of_jobs([job_id]))[job_id]

    async def _upload(self, content: bytes, name: str, mime_type: str, wishes: Wishes) -> Job:
        now = self.clock.now()
        file = replace(make_file(name), mime_type=mime_type)
        accepted = await self.ledger.jobs.accept(make_origin(), file, now, wishes)
        assert accepted is not None
        job = await acquire(self.ledger, accepted, now)
        key = make_key(BOT_ID, name)
        placement = Placement(BUCKET, self.oss.region, LinkMode.PAGE)
        stored = await self.ledger.objects.plan(job, key, now + timedelta(hours=24), placement)
        meta = ObjectMeta(mime_type, content_disposition(name), public=False)
        bucket = OssBucket(self.connection)
        await asyncio.to_thread(bucket.put_object, key, BytesBody(content), meta)
        assert await self.ledger.jobs.finish(job, stored, a_result(now, len(content)), now)
        return job


def path_of(content: PageContent, rest: str = "") -> str:
    """Return the path of a page, or of something below it."""
    return page_url("", content.page.token) + rest


async def _ready() -> ReadinessReport:
    return ReadinessReport(ProcessPhase.RUNNING, (), None, None)


async def _metrics() -> MetricsPage:
    return MetricsPage(b"relay_ready 1\n", "text/plain")


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    proxies: Proxies | None = None,
    opened: bool = True,
    domain: str = "",
    limits: WebLimits = WITH_PAGES,
    port: int = 0,
    origin: str = ORIGIN,
) -> AsyncIterator[Site]:
    """Show pages at a port of loopback, 0 takes a free one; `domain` is that of the operator for
    the bucket ("{port}" stands for OSS's), `origin` how visitors name the server.
    """
    clock, metrics = SandboxClock(NOW, running=False), FakeMetrics()
    async with (
        OssStandIn(folder, clock=clock) as oss,
        empty_ledger(folder / "ledger.db") as database,
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
        ) as session,
    ):
        oss.add_bucket(BUCKET)
        connection = connect(oss)
        own = domain.format(port=urlsplit(oss.endpoint).port)
        signing = connect(oss, link_domain=own) if own else connection
        ledger = SqlLedger(database)
        reports = PageReports(ledger, (ADMIN,), clock, lambda: None)
        signer = OssLinkSigner(signing, LinkMode.PAGE)
        visits = PageVisits(ledger.pages, signer, clock, metrics, reports)
        site = Site(ledger, oss, connection, clock, visits, metrics, session, database)
        routes = PageRoutes(origin, SECRET, clock, site.passwords, metrics)
        if opened:
            routes.open(visits)
        try:
            async with open_web(
                "127.0.0.1",
                port,
                MonitoringPages(_ready, _metrics),
                limits=limits,
                proxies=proxies or Proxies(["127.0.0.0/8"]),
                site=routes,
            ) as site.port:
                yield site
        finally:
            connection.close()
            signing.close()


LAST_SECOND: Final = LIFETIME - timedelta(seconds=1)
"""From the upload to the last moment at which a file is handed out."""
