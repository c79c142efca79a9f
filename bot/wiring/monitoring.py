"""What an operator watches, put together: counters, vitals, health, and the port that shows them.

Built before everything else, so that a bot that waits for Telegram can already say so.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bot import __version__
from bot.adapters.ledger.totals import LedgerHealth
from bot.adapters.metrics import CONTENT_TYPE, PrometheusMetrics
from bot.adapters.telegram.intake import webhook_secret
from bot.adapters.web.server import MetricsPage, MonitoringPages, open_web
from bot.adapters.web.webhook import WebhookRoute
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Readings
from bot.jobs.queue import JobQueue
from bot.monitoring.health import Check, HealthState, Readiness
from bot.settings import Settings
from bot.transfer.spool import Spool

POLL: Final = "getupdates"
"""In lower case, which is how the intake writes it."""


@dataclass(frozen=True)
class MonitoredParts:
    """What is looked at when somebody asks."""

    queue: JobQueue
    spool: Spool
    probe: LedgerHealth


class Monitoring:
    """Hears of every call, and answers those who watch. Notes may come from any thread."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        telegram = settings.telegram
        self._clock = clock
        self._monitored: MonitoredParts | None = None
        self.metrics = PrometheusMetrics(__version__)
        self.health_state = HealthState(clock)
        self.health = Readiness(self.health_state, clock, polls=telegram.webhook_url is None)
        self.pages = MonitoringPages(self.health.report, self._page)
        self.hook: WebhookRoute | None = None
        if telegram.webhook_url is not None:
            self.hook = WebhookRoute(
                urlsplit(telegram.webhook_url).path or "/",
                webhook_secret(telegram.token.get_secret_value()),
            )

    def telegram_answered(self, method: str, status: int) -> None:
        """Note a call of the Bot API; 0 where no answer came."""
        self.metrics.telegram_answered(method, status)
        if method.lower() == POLL and status == 200:
            self.health_state.heard()

    def oss_answered(self, operation: str, code: str) -> None:
        """Note a call of OSS; an empty code is a success."""
        self.metrics.oss_answered(operation, code)
        self.health_state.oss_answered(code)

    def look_at(self, monitored: MonitoredParts) -> None:
        """Look at these too from now on."""
        self._monitored = monitored
        checks: dict[str, Check] = {"ledger": monitored.probe.trouble}

        async def spool() -> str:
            missing = monitored.spool.missing()
            return f"{missing} bytes are missing to spool.keep_free" if missing else ""

        self.health.add(checks | {"spool": spool})

    async def _page(self) -> MetricsPage:
        report = await self.health.report()
        body = self.metrics.page(await self._readings(), ready=report.ready)
        return MetricsPage(body, CONTENT_TYPE)

    async def _readings(self) -> Readings | None:
        if self._monitored is None:
            return Readings()
        running, waiting = self._monitored.queue.counts
        links = await self._monitored.probe.links(self._clock.now())
        if links is None:
            return None
        return Readings(
            jobs_running=running,
            jobs_waiting=waiting,
            links_live=links.live,
            links_overdue=links.overdue,
            spool_reserved=self._monitored.spool.quota.reserved,
        )


async def open_monitoring(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Monitoring:
    """Build the watch, and listen where the settings say; without a port nobody can ask.

    Raises:
        PortTaken: nobody can listen there.
    """
    monitoring = Monitoring(settings, clock)
    if settings.web.port is not None:
        await stack.enter_async_context(
            open_web(settings.web.host, settings.web.port, monitoring.pages, monitoring.hook)
        )
    return monitoring
