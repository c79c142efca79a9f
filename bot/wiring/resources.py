"""What everything else is built on, opened from the settings and closed again."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from bot.adapters.ledger.database import open_database, process_lock
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.adapters.telegram.application import TelegramResources, open_telegram
from bot.core.links import key_prefix
from bot.core.ports.clock import Clock
from bot.settings import Settings, TelegramMode
from bot.transfer.pool import TransferPool
from bot.transfer.spool import Spool, boot_id
from bot.transfer.store_caller import RetryPolicy, StoreCaller
from bot.wiring.monitoring import Monitoring

ADMINISTRATIVE_THREADS = 2
"""Deletions never wait behind uploads."""
ADMINISTRATIVE_RETRIES = RetryPolicy(attempts=3, cap=2.0)


@dataclass(frozen=True)
class Resources:
    """What everything else is built on."""

    settings: Settings
    clock: Clock
    ledger: SqlLedger
    oss: OssConnection
    pool: TransferPool
    """For parts of uploads."""
    disk: TransferPool
    """For files that are read where they are."""
    threads: StoreCaller
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
        StoreKeyRefused: there is no access key at all.
    """
    stack.enter_context(process_lock(settings.ledger.path))
    database = await stack.enter_async_context(open_database(settings.ledger.path))
    oss = open_oss(settings, clock)
    stack.callback(oss.close)
    pool = await stack.enter_async_context(TransferPool(settings.transfer.connections))
    # Two for each file: one opens or hashes it, one waits for the server.
    disk = await stack.enter_async_context(TransferPool(2 * settings.transfer.at_once))
    administrative = await stack.enter_async_context(TransferPool(ADMINISTRATIVE_THREADS))
    telegram = await stack.enter_async_context(
        open_telegram(
            settings.telegram.token.get_secret_value(),
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
            zone=settings.telegram.timezone,
            answered=monitoring.telegram_answered,
        )
    )
    store = OssBucket(oss, monitoring.oss_answered)
    return Resources(
        settings=settings,
        clock=clock,
        ledger=SqlLedger(database, boot_id=boot_id()),
        oss=oss,
        pool=pool,
        disk=disk,
        threads=StoreCaller(store, administrative, ADMINISTRATIVE_RETRIES),
        spool=Spool(
            settings.spool.folder,
            quota=settings.spool.quota,
            keep_free=settings.spool.keep_free,
        ),
        telegram=telegram,
        monitoring=monitoring,
    )


class _Secret(Protocol):
    def get_secret_value(self) -> str: ...


def plain(value: _Secret | None) -> str | None:
    """Return what a secret setting hides, if it is set."""
    return value.get_secret_value() if value is not None else None


def open_oss(settings: Settings, clock: Clock) -> OssConnection:
    """Build the connection to OSS that the settings describe; nothing is sent yet."""
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
