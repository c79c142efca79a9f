"""What the bot is built on: monitoring, the connection to OSS, and everything else that is opened
from the settings and has to be closed again. The commands of the CLI open the same pieces.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from bot import __version__
from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.process_locks import process_lock
from bot.adapters.ledger.totals import LedgerHealth
from bot.adapters.metrics import CONTENT_TYPE, PrometheusMetrics
from bot.adapters.oss.bucket import OssBucket, OssStores
from bot.adapters.oss.client import BucketAddress, ConnectionLimits, OssConnection
from bot.adapters.oss.errors import Answered, unnoted
from bot.adapters.telegram.application import TelegramResources, open_telegram
from bot.adapters.telegram.intake import webhook_secret
from bot.adapters.web import MetricsPage, MonitoringPages, WebhookRoute, open_web
from bot.core.errors import StoreKeyRefused, StoreUnavailable
from bot.core.jobs import Placement
from bot.core.links import LinkMode, key_prefix
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Readings
from bot.core.ports.store import LinkLimit
from bot.jobs.queue import JobQueue
from bot.monitoring import Check, HealthState, Readiness
from bot.settings import Settings, TelegramMode
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool
from bot.transfer.spool import Spool, boot_id
from bot.wiring.keys import access_key

ADMINISTRATIVE_THREADS = 2
"""Deletions never wait behind uploads."""
ADMINISTRATIVE_RETRIES = RetryPolicy(attempts=3, cap=2.0)


KEY_EVERY = timedelta(seconds=10)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class MonitoredParts:
    """Parts that metrics and readiness read."""

    queue: JobQueue
    spool: Spool
    probe: LedgerHealth
    link_clock: Clock


class Monitoring:
    """Metrics, health and readiness of the process, and the pages that show them.

    Built before everything else, so that a bot that waits for Telegram can already say so.
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
        links = await self._monitored.probe.links(self._monitored.link_clock.now())
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
    """A connection to OSS, the bucket behind it, and threads for calls that block."""

    oss: OssConnection
    store: OssBucket
    stores: OssStores
    threads: StoreCaller

    async def latest_end(self, wanted: datetime) -> datetime:
        """Fulfil the `LinkLimit` port; a key that stays is not looked at in a thread."""
        if self.oss.signable_until(wanted) == wanted:
            return wanted
        return await self.threads.call(lambda: self.oss.prepare_link(wanted))

    async def first_key(self) -> None:
        """Get the key that signs, which a view cannot wait for.

        Raises:
            StoreError: there is none to be had.
        """
        if self.oss.keys.is_renewable:
            await self.threads.call(self.oss.keys.get_credentials)


@asynccontextmanager
async def open_store_access(
    settings: Settings, clock: Clock, answered: Answered = unnoted
) -> AsyncIterator[StoreAccess]:
    """Open the connection that the settings describe; nothing is sent yet. `answered` hears of
    every call.

    Raises:
        StoreKeyRefused: there is no access key at all.
    """
    oss = open_oss(settings, clock)
    try:
        async with TransferPool(ADMINISTRATIVE_THREADS) as pool:
            store = OssBucket(oss, answered)
            threads = StoreCaller(store, pool, ADMINISTRATIVE_RETRIES)
            with closing(OssStores(oss, store, answered)) as stores:
                yield StoreAccess(oss, store, stores, threads)
    finally:
        oss.close()


def open_oss(settings: Settings, clock: Clock) -> OssConnection:
    """Build the connection to OSS that the settings describe; nothing is sent yet."""
    given, transfer = settings.oss, settings.transfer
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
    return OssConnection(address, clock, key=access_key(settings), limits=limits)


async def wait_for_key(store: StoreAccess, clock: Clock) -> None:
    """Wait until there is a key that signs: without one no link can be ended or shown.

    Raises:
        StoreKeyRefused: there will be none.
    """
    while True:
        try:
            await store.first_key()
        except StoreUnavailable as error:
            log.error("there is no access key yet; nothing is taken in", why=str(error))  # noqa: TRY400 -- the text says it all.
            await clock.sleep_until(clock.now() + KEY_EVERY)
        else:
            return


def refuse_unrenewable_key(settings: Settings, oss: OssConnection) -> None:
    """Refuse what cannot keep its promise: public links end by deletion only, and a key with a
    token that nobody renews deletes nothing once the token has expired.

    Raises:
        StoreKeyRefused: the key is temporary, and links are public.
    """
    if settings.link.mode is not LinkMode.PUBLIC or oss.keys.is_renewable:
        return
    if oss.credentials_are_temporary:
        raise StoreKeyRefused(
            'link.mode = "public" needs a key without a token: when the token expires, the bot'
            " cannot end links any more"
        )


def placement(settings: Settings) -> Placement:
    """Return where new objects go."""
    oss = settings.oss
    return Placement(oss.bucket, oss.region, settings.link.mode)


def plain(value: SecretStr | None) -> str | None:
    """Return what a secret setting hides, if it is set."""
    return value.get_secret_value() if value is not None else None


@dataclass(frozen=True)
class Resources:
    """What everything else is built on."""

    settings: Settings
    clock: Clock
    link_clock: Clock
    """OSS's time: deadlines, signatures, views of links and deletions use no other."""
    ledger: SqlLedger
    oss: OssConnection
    pool: TransferPool
    """For parts of uploads."""
    disk: TransferPool
    """For files that are read where they are."""
    threads: StoreCaller
    stores: OssStores
    link_limit: LinkLimit
    spool: Spool
    telegram: TelegramResources
    monitoring: Monitoring
    trusted: set[int] = field(default_factory=set)
    """Jobs whose spool file an earlier process of this boot has left."""

    @property
    def is_local(self) -> bool:
        """Whether files come from a Bot API server of our own."""
        return self.settings.telegram.mode is TelegramMode.LOCAL

    @property
    def prefix(self) -> str:
        """The part of the bucket that is ours."""
        return key_prefix(self.telegram.bot_id)


async def open_resources(
    settings: Settings, clock: Clock, stack: AsyncExitStack, monitoring: Monitoring
) -> Resources:
    """Open everything that has to be closed again; `stack` does that, in reverse order.
    `monitoring` hears of every call.

    Raises:
        LedgerError: the ledger cannot be used, or another process runs on it.
        TokenRefused: Telegram does not know the token.
        StoreKeyRefused: there is no access key at all, or one that cannot end public links.
    """
    stack.enter_context(process_lock(settings.ledger.path))
    database = await stack.enter_async_context(open_database(settings.ledger.path))
    store = await stack.enter_async_context(
        open_store_access(settings, clock, monitoring.health_state.oss_answered)
    )
    await wait_for_key(store, clock)
    refuse_unrenewable_key(settings, store.oss)
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
    ledger = SqlLedger(database, boot_id=boot_id())
    store.oss.time.start_with(await ledger.offset.oss_offset())
    return Resources(
        settings=settings,
        clock=clock,
        link_clock=store.oss.link_clock,
        ledger=ledger,
        oss=store.oss,
        pool=pool,
        disk=disk,
        threads=store.threads,
        stores=store.stores,
        link_limit=store,
        spool=Spool(
            settings.spool.folder,
            quota=settings.spool.quota,
            keep_free=settings.spool.keep_free,
        ),
        telegram=telegram,
        monitoring=monitoring,
    )
