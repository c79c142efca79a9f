"""Monitoring of the process: metrics, health, readiness, and the pages that show them."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bot import __version__
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.totals import LedgerHealth
from bot.adapters.metrics import CONTENT_TYPE, PrometheusMetrics
from bot.adapters.telegram.application import webhook_secret
from bot.core.errors import DiskError
from bot.core.ports import Clock
from bot.core.ports.metrics import Metrics, Readings
from bot.core.ports.runs import Role
from bot.jobs.queue import JobQueue
from bot.jobs.remote import RemoteRunner, RunWorker
from bot.settings import Settings
from bot.settings.types import is_loopback
from bot.supervision import LEDGER, Check, HealthState, Readiness
from bot.transfer.spool import Spool, free_bytes

if TYPE_CHECKING:
    from bot.adapters.pages.routes import PageRoutes
    from bot.adapters.web import MetricsPage, WebhookRoute


@dataclass(frozen=True)
class MonitoredParts:
    """Parts that metrics and readiness read."""

    queue: JobQueue | RunWorker
    spool: Spool
    file_trouble: Callable[[], str] | None
    """Returns why files of a Bot API server of our own cannot be read, or nothing. Blocks."""
    remote: RemoteRunner | None = None
    """What has the jobs run elsewhere, in a front, which has no use for spool and files."""


LATE: Final = timedelta(seconds=60)
"""By which a public link ends after its deadline, at the latest."""


def spool_trouble(spool: Spool) -> str:
    """Return why nothing can be put into the spool, or nothing. Blocks."""
    try:
        spool.require_writable()
        missing = spool.missing()
    except DiskError as error:
        return f"{spool.folder} cannot be written: {error}"
    except OSError as error:
        return f"{spool.folder} cannot be written: {error.strerror}"
    return f"{missing} bytes are missing to spool.keep_free" if missing else ""


def folder_trouble(folder: Path) -> str:
    """Return why files below a folder cannot be read, or nothing. Blocks."""
    try:
        with os.scandir(folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"


def page_routes(settings: Settings, clock: Clock, metrics: Metrics) -> "PageRoutes | None":
    """Return what shows the pages behind links, if they have an address. Pages of links that were
    made before another `link.mode` was set are shown as well.
    """
    if settings.web.url is None:
        return None
    # Imported only here: a bot without pages needs none of their libraries.
    from bot.adapters.pages.guards import ArgonPasswords
    from bot.adapters.pages.routes import PageRoutes

    secret = settings.telegram.token.get_secret_value().encode()
    return PageRoutes(settings.web.url, secret, clock, ArgonPasswords(), metrics)


class Monitoring:
    """Metrics, health and readiness of the process, and the pages that show them.

    Built first, so that readiness can be queried while the bot waits for Telegram.
    """

    def __init__(self, settings: Settings, clock: Clock, role: Role = Role.ALL) -> None:
        telegram = settings.telegram
        is_worker = role is Role.WORKER
        self._monitored: MonitoredParts | None = None
        self._probe: LedgerHealth | None = None
        self._link_clock = clock
        self._disks = {"spool": settings.spool.folder}
        if isinstance(settings.ledger.place, Path):
            self._disks["ledger"] = settings.ledger.place.parent
        self.metrics = PrometheusMetrics(__version__)
        self.health_state = HealthState(clock, self.metrics)
        has_webhook = telegram.webhook_url is not None and not is_worker
        polls = telegram.webhook_url is None and not is_worker
        self.readiness = Readiness(self.health_state, clock, polls=polls)
        self.page_routes = None if is_worker else page_routes(settings, clock, self.metrics)
        self.webhook_route = self._webhook(settings) if has_webhook else None
        self.stands_by: Callable[[str], None] = lambda _: None
        """Hears why the process waits for its turn, once for each reason."""

    def _webhook(self, settings: Settings) -> "WebhookRoute":
        from bot.adapters.web import WebhookRoute

        telegram = settings.telegram
        return WebhookRoute(
            urlsplit(telegram.webhook_url or "").path or "/",
            webhook_secret(telegram.token.get_secret_value()),
            may_take=lambda: not self.health_state.obstacles and not self._ledger_trouble(),
        )

    def _ledger_trouble(self) -> str:
        return self._probe.known_trouble if self._probe is not None else ""

    def observe_links(self, ledger: SqlLedger, link_clock: Clock, *, is_public: bool) -> None:
        """Include the ledger from now on, and links that only we can end; `link_clock` is OSS's
        time.
        """
        self._probe, self._link_clock = ledger.probe, link_clock
        self.readiness.add({LEDGER: ledger.probe.trouble})
        if not is_public:
            return

        async def overdue() -> str:
            links = await ledger.probe.links(link_clock.now() - LATE)
            count = links.overdue if links is not None else 0
            return f"{count} are open past their end" if count else ""

        self.readiness.add({"links": overdue})

    def observe(self, monitored: MonitoredParts) -> None:
        """Include these parts from now on."""
        self._monitored = monitored
        if (remote := monitored.remote) is not None:

            async def workers() -> str:
                return remote.trouble

            self.readiness.add({"workers": workers})
            return

        async def spool() -> str:
            return await asyncio.to_thread(spool_trouble, monitored.spool)

        checks: dict[str, Check] = {"spool": spool}
        if (file_trouble := monitored.file_trouble) is not None:

            async def files() -> str:
                return await asyncio.to_thread(file_trouble)

            checks["telegram.file_root"] = files
        self.readiness.add(checks)

    async def page(self) -> "MetricsPage":
        """Return the metrics page for Prometheus."""
        from bot.adapters.web import MetricsPage

        report = await self.readiness.report()
        body = self.metrics.page(await self._readings(), report.causes)
        return MetricsPage(body, CONTENT_TYPE)

    async def _readings(self) -> Readings | None:
        if self._probe is None:
            return Readings()
        links = await self._probe.links(self._link_clock.now())
        if links is None:
            return None
        found = Readings(links_live=links.live, links_overdue=links.overdue)
        if self._monitored is None:
            return found
        running, waiting = self._monitored.queue.counts
        remote = self._monitored.remote
        workers = remote.workers if remote is not None else []
        return replace(
            found,
            workers=len(workers),
            slots=sum(worker.slots for worker in workers),
            jobs_running=running,
            jobs_waiting=waiting,
            spool_reserved=self._monitored.spool.quota.reserved,
            set_aside=await self._probe.set_aside(),
            disk_free=await asyncio.to_thread(self._disk_free),
        )

    def _disk_free(self) -> dict[str, int]:
        return {name: free_bytes(folder) for name, folder in self._disks.items()}


async def open_monitoring(
    settings: Settings, clock: Clock, stack: AsyncExitStack, role: Role = Role.ALL
) -> Monitoring:
    """Build the monitoring, and listen on `web.port` if it is set.

    Raises:
        PortTaken: the port cannot be used.
    """
    monitoring = Monitoring(settings, clock, role)
    given = settings.web
    if given.port is not None:
        # Imported only here: a bot without a port needs no server.
        from bot.adapters.web import MonitoringPages, open_web
        from bot.adapters.web_limits import WITH_PAGES, Proxies

        host = "" if given.url is None or is_loopback(given.url) else urlsplit(given.url).netloc
        await stack.enter_async_context(
            open_web(
                given.host,
                given.port,
                MonitoringPages(monitoring.readiness.report, monitoring.page),
                monitoring.webhook_route,
                limits=WITH_PAGES if monitoring.page_routes is not None else None,
                proxies=Proxies(given.trusted_proxies, public_host=host),
                site=monitoring.page_routes,
            )
        )
    return monitoring
