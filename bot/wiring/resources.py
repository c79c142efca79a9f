"""Resources of the bot: monitoring, the connection to OSS, and everything else that is opened from
the settings and must be closed. The commands of the CLI open the same ones.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot import __version__
from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.process_locks import process_lock
from bot.adapters.ledger.totals import LedgerHealth
from bot.adapters.metrics import CONTENT_TYPE, PrometheusMetrics
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.adapters.oss.errors import Answered, unnoted
from bot.adapters.telegram.application import TelegramResources, open_telegram
from bot.adapters.telegram.intake import webhook_secret
from bot.adapters.web import MetricsPage, MonitoringPages, WebhookRoute, open_web
from bot.core.links import key_prefix
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Readings
from bot.jobs.queue import JobQueue
from bot.monitoring import Check, HealthState, Readiness
from bot.settings import Settings, TelegramMode
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool
from bot.transfer.spool import Spool, boot_id

ADMINISTRATIVE_THREADS = 2
"""Threads of their own, so that deletions never wait behind uploads."""
ADMINISTRATIVE_RETRIES = RetryPolicy(attempts=3, cap=2.0)


@dataclass(frozen=True)
class MonitoredParts:
    """Parts that metrics and readiness read."""

    queue: JobQueue
    spool: Spool
    probe: LedgerHealth


class Monitoring:
    """Metrics, health and readiness of the process, and the pages that show them.

    Built first, so that readiness can be queried while the bot waits for Telegram.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        telegram = settings.telegram
        self._clock = clock
        self._monitored: MonitoredParts | None = None
        self.metrics = PrometheusMetrics(__version__)
        self.health_state = HealthState(clock, self.metrics)
        self.readiness = Readiness(self.health_state, clock, polls=telegram.webhook_url is None)
        self.pages = MonitoringPages(self.readiness.report, self._page)
        self.webhook_route: WebhookRoute | None = None
        if telegram.webhook_url is not None:
            self.webhook_route = WebhookRoute(
                urlsplit(telegram.webhook_url).path or "/",
                webhook_secret(telegram.token.get_secret_value()),
            )

    def observe(self, monitored: MonitoredParts) -> None:
        """Include these parts from now on."""
        self._monitored = monitored
        checks: dict[str, Check] = {"ledger": monitored.probe.trouble}

        async def spool() -> str:
            missing = monitored.spool.missing()
            return f"{missing} bytes are missing to spool.keep_free" if missing else ""

        self.readiness.add(checks | {"spool": spool})

    async def _page(self) -> MetricsPage:
        report = await self.readiness.report()
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
    """Build the monitoring, and listen on `web.port` if it is set.

    Raises:
        PortTaken: the port cannot be used.
    """
    monitoring = Monitoring(settings, clock)
    if settings.web.port is not None:
        await stack.enter_async_context(
            open_web(
                settings.web.host, settings.web.port, monitoring.pages, monitoring.webhook_route
            )
        )
    return monitoring


@dataclass(frozen=True)
class StoreAccess:
    """A connection to OSS, its bucket, and threads for blocking calls."""

    oss: OssConnection
    store: OssBucket
    threads: StoreCaller


@asynccontextmanager
async def open_store_access(
    settings: Settings, clock: Clock, answered: Answered = unnoted
) -> AsyncIterator[StoreAccess]:
    """Open the connection that the settings describe; send nothing yet. `answered` is called after
    every call.

    Raises:
        StoreKeyRefused: there is no access key at all.
    """
    oss = open_oss(settings, clock)
    try:
        async with TransferPool(ADMINISTRATIVE_THREADS) as pool:
            store = OssBucket(oss, answered)
            yield StoreAccess(oss, store, StoreCaller(store, pool, ADMINISTRATIVE_RETRIES))
    finally:
        oss.close()


def open_oss(settings: Settings, clock: Clock) -> OssConnection:
    """Build the connection to OSS that the settings describe; send nothing yet."""
    given, transfer = settings.oss, settings.transfer
    key = None
    if given.access_key_id is not None and given.access_key_secret is not None:
        key = AccessKey(
            access_key_id=given.access_key_id.get_secret_value(),
            access_key_secret=given.access_key_secret.get_secret_value(),
        )
    address = BucketAddress(
        bucket=given.bucket,
        region=given.region,
        endpoint=given.endpoint,
        upload_endpoint=given.upload_endpoint,
        link_domain=settings.link.domain,
        path_style=given.path_style,
    )
    limits = ConnectionLimits(
        connections=transfer.connections + ADMINISTRATIVE_THREADS,
        minimum_rate=transfer.minimum_rate,
        proxy=plain(given.proxy),
    )
    return OssConnection(address, clock, key=key, limits=limits)


def plain(value: SecretStr | None) -> str | None:
    """Return the value of a secret setting, if it is set."""
    return value.get_secret_value() if value is not None else None


@dataclass(frozen=True)
class Resources:
    """The opened resources that all parts use."""

    settings: Settings
    clock: Clock
    ledger: SqlLedger
    oss: OssConnection
    pool: TransferPool
    """Threads for parts of uploads."""
    disk: TransferPool
    """Threads for files that are read in place."""
    threads: StoreCaller
    spool: Spool
    telegram: TelegramResources
    monitoring: Monitoring
    trusted: set[int] = field(default_factory=set)
    """Jobs with a spool file that an earlier process of this boot has left."""

    @property
    def is_local(self) -> bool:
        """Whether files come from a local Bot API server."""
        return self.settings.telegram.mode is TelegramMode.LOCAL

    @property
    def prefix(self) -> str:
        """The prefix of the bot's objects in the bucket."""
        return key_prefix(self.telegram.bot_id)


async def open_resources(
    settings: Settings, clock: Clock, stack: AsyncExitStack, monitoring: Monitoring
) -> Resources:
    """Open all resources; `stack` closes them in reverse order. Every call is reported to
    `monitoring`.

    Raises:
        LedgerError: the ledger cannot be used, or another process runs on it.
        TokenRefused: Telegram does not know the token.
        StoreKeyRefused: there is no access key at all.
    """
    stack.enter_context(process_lock(settings.ledger.path))
    database = await stack.enter_async_context(open_database(settings.ledger.path))
    store = await stack.enter_async_context(
        open_store_access(settings, clock, monitoring.health_state.oss_answered)
    )
    pool = await stack.enter_async_context(TransferPool(settings.transfer.connections))
    # Two for each file: one opens or hashes it, one waits for the server.
    disk = await stack.enter_async_context(TransferPool(2 * settings.transfer.at_once))
    telegram = await stack.enter_async_context(
        open_telegram(
            settings.telegram.token.get_secret_value(),
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
            zone=settings.telegram.timezone,
            answered=monitoring.health_state.telegram_answered,
        )
    )
    return Resources(
        settings=settings,
        clock=clock,
        ledger=SqlLedger(database, boot_id=boot_id()),
        oss=store.oss,
        pool=pool,
        disk=disk,
        threads=store.threads,
        spool=Spool(
            settings.spool.folder,
            quota=settings.spool.quota,
            keep_free=settings.spool.keep_free,
        ),
        telegram=telegram,
        monitoring=monitoring,
    )
