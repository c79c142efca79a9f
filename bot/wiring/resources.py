"""Resources of the bot: monitoring, the connection to OSS, and everything else that is opened from
the settings and must be closed. The commands of the CLI open the same ones.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

import structlog
from pydantic import SecretStr

from bot.adapters.ledger.database import Database, open_alone
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.recovery import note_unknown
from bot.adapters.ledger.totals import touch_tables
from bot.adapters.oss.bucket import Answered, OssBucket, OssStores, unnoted
from bot.adapters.oss.client import BucketAddress, ConnectionLimits, OssConnection, OssLinkLimit
from bot.adapters.oss.keys import AccessKey, Fetch, environment_key
from bot.adapters.oss.role_keys import RoleKeys
from bot.adapters.telegram.application import TelegramResources, open_telegram
from bot.clock import ForgottenOffset, StoreClockKeeper
from bot.core.errors import StoreKeyRefused, StoreUnavailable
from bot.core.files import LinkMode, key_prefix
from bot.core.jobs import Placement
from bot.core.ports import Clock
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import Role
from bot.core.ports.store import LinkLimit
from bot.jobs.runner import Signals
from bot.logs import hide
from bot.settings import Settings, TelegramMode
from bot.supervision import LOOK_AGAIN_AFTER
from bot.transfer.body import BLOCK
from bot.transfer.pool import RetryPolicy, StoreCaller, TransferPool
from bot.transfer.spool import Spool, boot_id
from bot.wiring.monitoring import Monitoring

ADMINISTRATIVE_THREADS = 2
"""Threads of their own, so that deletions never wait behind uploads."""
ADMINISTRATIVE_RETRIES = RetryPolicy(attempts=3, cap=2.0)
KEY_EVERY = timedelta(seconds=10)
"""Between two attempts to get a first access key."""

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class StoreAccess:
    """A connection to OSS, its bucket, and threads for blocking calls."""

    oss: OssConnection
    store: OssBucket
    stores: OssStores
    threads: StoreCaller

    @property
    def link_limit(self) -> OssLinkLimit:
        """The latest end of a link: that of the key that signs it."""
        return OssLinkLimit(self.oss, self.threads)

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
    """Open the connection that the settings describe; send nothing yet. `answered` is called after
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
    """Build the connection to OSS that the settings describe; send nothing yet."""
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
    """Wait until there is a key that signs: without one no link can be deleted or shown.

    Raises:
        StoreKeyRefused: there is no key, and another attempt would not help.
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
    """Refuse public links with a key that is not renewed: they end only by deletion, and a key
    with an expired token deletes nothing.

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
    """Return the value of a secret setting, if it is set."""
    return value.get_secret_value() if value is not None else None


@dataclass(frozen=True)
class LinkResources:
    """What links are ended with: neither Telegram nor anything that takes files in."""

    settings: Settings
    clock: Clock
    monitoring: Monitoring
    database: Database
    ledger: SqlLedger
    store: StoreAccess
    signals: Signals
    role: Role = Role.ALL

    @property
    def link_clock(self) -> Clock:
        """OSS's time: deadlines, signatures, views of links and deletions use no other."""
        return self.store.oss.link_clock

    @property
    def link_limit(self) -> LinkLimit:
        """The latest end of a link that the present access key can sign."""
        return self.store.link_limit

    @property
    def prefix(self) -> str:
        """The part of the bucket that is ours."""
        return key_prefix(self.settings.telegram.bot_id)

    @cached_property
    def clock_keeper(self) -> StoreClockKeeper:
        """Keeps the time of OSS known and stored; one for the start and for the reaper."""
        store = self.store
        # A worker's clock may be another than that of the front, for whose next start it is kept.
        is_worker = self.role is Role.WORKER
        ledger = ForgottenOffset() if is_worker else self.ledger.offset
        return StoreClockKeeper(
            store.oss.time, ledger, store.store, store.threads, prefix=self.prefix
        )

    async def any_live(self) -> bool:
        """Return whether a link is live, as far as the ledger knows."""
        return bool(await self.ledger.objects.live())


async def open_link_resources(
    settings: Settings,
    clock: Clock,
    stack: AsyncExitStack,
    monitoring: Monitoring,
    role: Role = Role.ALL,
) -> LinkResources:
    """Open ledger and OSS; `stack` closes them again. `monitoring` hears of every call.

    From now on a ledger that stops to work is waited for. Beside other processes, a front waits
    for its turn, and every role for a ledger of its own version.

    Raises:
        LedgerError: the ledger cannot be used, or another process runs on it.
        StoreKeyRefused: there is no access key at all, or one that cannot end public links.
    """
    database, ledger = await _open_ledger(settings, stack, monitoring, role)
    store = await stack.enter_async_context(
        open_store_access(settings, clock, monitoring.health_state.oss_answered)
    )
    database.metrics = monitoring.metrics
    # A damaged file shows itself only when it is read.
    await database.read(touch_tables)
    await database.read(note_unknown)
    # Before the key, because its end counts by the time of OSS.
    store.oss.time.start_with(await ledger.offset.oss_offset())
    await wait_for_key(store, clock)
    refuse_unrenewable_key(settings, store.oss)
    database.endure()
    is_public = settings.link.mode is LinkMode.PUBLIC
    monitoring.observe_links(ledger, store.oss.link_clock, is_public=is_public)
    return LinkResources(settings, clock, monitoring, database, ledger, store, Signals(), role)


async def _open_ledger(
    settings: Settings, stack: AsyncExitStack, monitoring: Monitoring, role: Role
) -> tuple[Database, SqlLedger]:
    place = settings.ledger.place
    if role is Role.ALL:
        database = await stack.enter_async_context(open_alone(place))
        if isinstance(place, LedgerServer):
            from bot.adapters.ledger.runs import begin_alone

            await database.write(begin_alone)
        ledger = SqlLedger(database, boot_id=boot_id())
    else:
        # Imported only here: most bots have one process, and no need of the engine.
        from bot.wiring.roles import open_shared_ledger

        database, ledger = await open_shared_ledger(settings, stack, monitoring, role)
    if isinstance(place, LedgerServer) and role is not Role.WORKER:
        from bot.adapters.ledger.backup import require_nothing_left

        await require_nothing_left(database, settings.ledger.path)
    return database, ledger


async def hold(
    links: LinkResources,
    name: str,
    refusal: type[Exception],
    work: Callable[[], Coroutine[Any, Any, T]],
) -> T:
    """Return what `work` returns. While it is refused and links are live, say why nothing is taken
    in, and try again now and then: links are ended meanwhile.

    Raises what `work` raises when no link is live (any more).
    """
    health_state = links.monitoring.health_state
    while True:
        try:
            result = await work()
        except refusal as error:
            if not await links.any_live():
                raise
            health_state.obstruct(name, error)
            await links.clock.sleep_until(links.clock.now() + LOOK_AGAIN_AFTER)
        else:
            health_state.obstacles.pop(name, None)
            return result


@dataclass(frozen=True)
class Resources:
    """The opened resources that all parts use."""

    links: LinkResources
    pool: TransferPool
    """Threads for parts of uploads."""
    disk: TransferPool
    """Threads for files that are read in place."""
    spool: Spool
    telegram: TelegramResources
    trusted: set[int] = field(default_factory=set)
    """Jobs with a spool file that an earlier process of this boot has left."""

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.links.settings

    @property
    def clock(self) -> Clock:
        """The clock of the process."""
        return self.links.clock

    @property
    def ledger(self) -> SqlLedger:
        """The open ledger."""
        return self.links.ledger

    @property
    def oss(self) -> OssConnection:
        """The connection to OSS."""
        return self.links.store.oss

    @property
    def link_clock(self) -> Clock:
        """OSS's time; see `LinkResources.link_clock`."""
        return self.links.link_clock

    @property
    def link_limit(self) -> LinkLimit:
        """The latest end of a link; see `LinkResources.link_limit`."""
        return self.links.link_limit

    @property
    def threads(self) -> StoreCaller:
        """Threads for administrative calls of OSS."""
        return self.links.store.threads

    @property
    def monitoring(self) -> Monitoring:
        """Metrics, health and readiness."""
        return self.links.monitoring

    @property
    def signals(self) -> Signals:
        """Wake-ups between the parts."""
        return self.links.signals

    @property
    def is_local(self) -> bool:
        """Whether files come from a local Bot API server."""
        return self.settings.telegram.mode is TelegramMode.LOCAL

    @property
    def prefix(self) -> str:
        """The part of the bucket that is ours."""
        return self.links.prefix


async def open_bot_telegram(links: LinkResources, stack: AsyncExitStack) -> TelegramResources:
    """Greet Telegram; wait while it is out of reach. `stack` closes it again.

    Raises:
        TokenRefused: Telegram does not know the token.
    """
    given, health_state = links.settings.telegram, links.monitoring.health_state
    return await stack.enter_async_context(
        open_telegram(
            given.token.get_secret_value(),
            base_url=given.base_url,
            proxy=plain(given.proxy),
            zone=given.timezone,
            answered=health_state.telegram_answered,
        )
    )


async def open_resources(
    links: LinkResources, telegram: TelegramResources, stack: AsyncExitStack
) -> Resources:
    """Open the rest of what has to be closed again; `stack` does that, in reverse order."""
    settings = links.settings
    return Resources(
        links=links,
        pool=await stack.enter_async_context(TransferPool(settings.transfer.connections)),
        # Two for each file: one opens or hashes it, one waits for the server.
        disk=await stack.enter_async_context(TransferPool(2 * settings.transfer.at_once)),
        spool=Spool(
            settings.spool.folder,
            quota=settings.spool.quota,
            keep_free=settings.spool.keep_free,
            in_memory=BLOCK,
        ),
        telegram=telegram,
    )


def access_key(settings: Settings) -> AccessKey | Fetch:
    """Return the key that the settings give, or what gives keys.

    Raises:
        StoreKeyRefused: the SDK's environment variables are to be read, and not set.
    """
    given = settings.oss
    if given.access_key_id is not None and given.access_key_secret is not None:
        return AccessKey(
            access_key_id=given.access_key_id.get_secret_value(),
            access_key_secret=given.access_key_secret.get_secret_value(),
        )
    if given.credentials in ("access_key", "environment"):
        key = environment_key(given.token_expires_at)
        hide(_secrets_of(key))
        return key
    return hidden(
        RoleKeys(
            kind=given.credentials,
            role_name=given.role_name,
            profile=given.profile,
            lifetime=given.token_lifetime,
        ).fetch
    )


def hidden(fetch: Fetch) -> Fetch:
    """Return a `fetch` whose keys no log shows."""

    def fetch_hidden() -> AccessKey:
        key = fetch()
        hide(_secrets_of(key))
        return key

    return fetch_hidden


def _secrets_of(key: AccessKey) -> list[str]:
    """Return what must not show in a log."""
    return [key.access_key_secret, *([key.security_token] if key.security_token else [])]
