"""Construction of the bot from opened resources. `bot.app` runs it."""

import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from bot import __version__
from bot.adapters.oss.bucket import OssLinkSigner
from bot.adapters.telegram.application import WebhookIntake
from bot.adapters.telegram.download import MinimumThroughput
from bot.adapters.telegram.files import CloudFiles
from bot.adapters.telegram.handlers import Handlers, ProcessedUpdates
from bot.adapters.telegram.inspection import TelegramMembers
from bot.adapters.telegram.intake import ForeignWebhooks, Intake
from bot.adapters.telegram.local_copies import CopyRecords, FileRoot, ServerCopies
from bot.adapters.telegram.local_files import LocalFiles, LocalServer
from bot.core.files import LinkMode
from bot.core.limits import OwnerLimits
from bot.core.ports import Clock
from bot.core.ports.chat import FileSource
from bot.core.ports.jobs import JobLedger, ObjectLedger
from bot.core.ports.metrics import Metrics
from bot.core.ports.runs import Role
from bot.core.ports.store import LinkLimit, ObjectStore
from bot.core.ports.views import Welcome
from bot.inbound.access import Access
from bot.inbound.actions import JobActions
from bot.inbound.commands import UseCases
from bot.inbound.deferred import DeferredRequests, RequestHandler
from bot.inbound.page_options import PageParts
from bot.inbound.pages import PageNews, PageReports, PageVisits
from bot.jobs.audit import LinkGuard
from bot.jobs.queue import JobQueue
from bot.jobs.reaper import Reaper
from bot.jobs.relay import Copier, Deduplicator, Relay
from bot.jobs.remote import RemoteRunner
from bot.jobs.runner import JobLifecycle, JobRunner, Signals
from bot.outbound.answer_delivery import AnswerCalls, AnswerDelivery, Reactions, Repetitions
from bot.outbound.answers import AnswerSender
from bot.outbound.chat_migration import ChatMigrations, MigratingMembers, MigratingMessenger
from bot.outbound.dispatcher import ChatDispatcher, Sender
from bot.outbound.outbox import OutboxSender
from bot.outbound.status_messages import StatusMessageSender
from bot.outbound.views import (
    AnswerViews,
    JobViews,
    OverviewViews,
    PageViews,
    StatisticsViews,
    Views,
)
from bot.settings import Settings
from bot.transfer.pool import TransferPool
from bot.transfer.uploader import Uploader
from bot.wiring.monitoring import MonitoredParts, folder_trouble
from bot.wiring.resources import LinkResources, Resources, placement, plain


@dataclass(frozen=True)
class Bot:
    """The parts that run, and those that starting and stopping need."""

    lifecycle: JobLifecycle
    queue: JobQueue
    dispatcher: ChatDispatcher
    status_sender: StatusMessageSender
    intake: Intake | WebhookIntake
    source: CloudFiles | LocalFiles
    migrations: ChatMigrations
    page_news: PageNews | None = None
    remote: RemoteRunner | None = None
    """What has the jobs run elsewhere, in a front."""


def build_bot(resources: Resources) -> Bot:
    """Build everything between the intake and the senders."""
    settings, clock, ledger = resources.settings, resources.clock, resources.ledger
    signals, source = resources.signals, build_source(resources)
    lifecycle = JobLifecycle(ledger.jobs, clock, signals, resources.monitoring.metrics)
    queue, remote = _queue(resources, source, lifecycle)
    file_trouble = file_trouble_of(settings.telegram.file_root, source)
    resources.monitoring.observe(MonitoredParts(queue, resources.spool, file_trouble, remote))
    access = _access(resources)
    limits = OwnerLimits(settings.limits.owner, settings.limits.group)
    actions = JobActions(ledger, queue, clock, lifecycle)
    reactions = Reactions(ledger.outbox, clock, enabled=settings.telegram.reactions)
    migrations = ChatMigrations(ledger.chats)
    views = _views(resources, queue, migrations, limits, source.limit)
    use_cases = UseCases.build(
        ledger=ledger,
        queue=queue,
        access=access,
        actions=actions,
        migrations=migrations,
        clock=clock,
        lifecycle=lifecycle,
        limit=source.limit,
        limits=limits,
        reactions=reactions,
        zone=settings.telegram.zone,
        pages=_page_parts(resources, views.jobs.pages),
        counts_downloads=settings.link.mode is LinkMode.PAGE,
    )
    dispatcher, status_sender = _senders(
        resources, views, access, actions, use_cases, reactions, migrations, signals
    )
    return Bot(
        lifecycle=lifecycle,
        queue=queue,
        dispatcher=dispatcher,
        status_sender=status_sender,
        intake=_intake(resources, use_cases, queue),
        source=source,
        migrations=migrations,
        page_news=_page_news(resources, views.jobs.pages, migrations),
        remote=remote,
    )


def _access(resources: Resources) -> Access:
    given = resources.settings.access
    return Access(
        resources.ledger.chats,
        users=given.users,
        admins=given.admins,
        groups=given.groups,
        metrics=resources.monitoring.metrics,
    )


def _queue(
    resources: Resources, source: CloudFiles | LocalFiles, lifecycle: JobLifecycle
) -> tuple[JobQueue, RemoteRunner | None]:
    transfer, metrics = resources.settings.transfer, resources.monitoring.metrics
    remote: RemoteRunner | None = None
    if resources.links.role is Role.FRONT:
        from bot.wiring.roles import build_remote

        remote = build_remote(
            resources.settings,
            resources.links.database,
            lifecycle,
            resources.clock,
            time=resources.oss.time,
            link_limit=resources.link_limit,
        )
        run, at_once = remote.run, 0
    else:
        run = build_runner(resources, source, resources.ledger.jobs, lifecycle).run
        at_once = transfer.at_once
    queue = JobQueue(
        run,
        resources.clock,
        at_once=at_once,
        per_owner=transfer.per_owner,
        per_group=transfer.per_group,
        metrics=metrics,
    )
    return queue, remote


def build_runner(
    resources: Resources,
    source: CloudFiles | LocalFiles,
    jobs: JobLedger,
    lifecycle: JobLifecycle,
) -> JobRunner:
    """Build what runs attempts in this process."""
    metrics, store = resources.monitoring.metrics, resources.threads.store
    relay = build_relay(
        resources.settings,
        source,
        store,
        resources.pool,
        resources.ledger.objects,
        resources.link_clock,
        deduplicator=Deduplicator(Copier(store, resources.pool), resources.link_clock),
        link_limit=resources.link_limit,
        metrics=metrics,
    )
    return JobRunner(relay, jobs, lifecycle, resources.clock, metrics)


def build_relay(  # noqa: PLR0913 -- what a relay works with; the options by keyword.
    settings: Settings,
    source: FileSource,
    store: ObjectStore,
    pool: TransferPool,
    objects: ObjectLedger,
    clock: Clock,
    *,
    deduplicator: Deduplicator | None = None,
    link_limit: LinkLimit | None = None,
    metrics: Metrics | None = None,
) -> Relay:
    """Build a relay with uploads in `pool`, according to the settings. The bot and `relay-bot
    send` use it.
    """
    connections = settings.transfer.connections_per_file
    return Relay(
        source,
        Uploader(store, pool, connections_per_file=connections),
        objects,
        clock,
        lifetime=settings.link.lifetime,
        placement=placement(settings),
        deduplicator=deduplicator,
        link_limit=link_limit,
        metrics=metrics,
    )


def build_source(resources: Resources) -> CloudFiles | LocalFiles:
    """Build what fetches files from the Bot API server."""
    given, bot = resources.settings.telegram, resources.telegram.application.bot
    if resources.is_local and given.file_root is not None:
        copies = ServerCopies(
            FileRoot(given.file_root, given.path_map), CopyRecords(resources.settings.spool.folder)
        )
        server = LocalServer(bot, resources.disk, limit=given.limit)
        return LocalFiles(server, copies, resources.disk, unfinished=_unfinished(resources))
    return CloudFiles(
        bot,
        resources.spool,
        base_url=given.base_url,
        proxy=plain(given.proxy),
        limit=given.limit,
        throughput=MinimumThroughput(minimum_rate=resources.settings.transfer.minimum_rate),
        trusts=resources.trusted.__contains__,
    )


def file_trouble_of(
    root: Path | None, source: CloudFiles | LocalFiles
) -> Callable[[], str] | None:
    """Return what tells why files of a Bot API server of our own cannot be read, if they are."""
    if root is None or not isinstance(source, LocalFiles):
        return None
    return lambda: folder_trouble(root) or source.trouble


def _unfinished(resources: Resources) -> Callable[[], Awaitable[Mapping[int, str]]]:
    async def ask() -> Mapping[int, str]:
        return {
            job.id: job.file.file_unique_id for job in await resources.ledger.jobs.unfinished()
        }

    return ask


def _page_views(resources: Resources) -> PageViews | None:
    """Build what shows pages; without their address there are none."""
    settings = resources.settings
    if settings.web.url is None:
        return None
    return PageViews(
        resources.ledger.pages,
        settings.web.url,
        settings.link.lifetime,
        is_few_in_groups=settings.link.options_in_groups == "few",
    )


def _page_parts(resources: Resources, views: PageViews | None) -> PageParts | None:
    if views is None:
        return None
    # Only where there are pages: it takes memory, and time at the start.
    from bot.adapters.pages.guards import ArgonPasswords

    return PageParts(
        views=views,
        hasher=ArgonPasswords(),
        link_clock=resources.link_clock,
        secret=resources.settings.telegram.token.get_secret_value().encode(),
        signals=resources.signals,
    )


def _page_news(
    resources: Resources, views: PageViews | None, migrations: ChatMigrations
) -> PageNews | None:
    if views is None:
        return None
    ledger, clock = resources.ledger, resources.clock
    return PageNews(
        ledger,
        AnswerDelivery(ledger, migrations, clock),
        migrations,
        resources.signals,
        clock,
        zone=resources.settings.telegram.zone,
    )


def _views(
    resources: Resources,
    queue: JobQueue,
    migrations: ChatMigrations,
    limits: OwnerLimits,
    limit: int,
) -> Views:
    settings, clock, ledger = resources.settings, resources.clock, resources.ledger
    signer = OssLinkSigner(resources.oss, settings.link.mode)
    jobs = JobViews(queue, signer, clock, _page_views(resources))
    return Views(
        jobs=jobs,
        answers=AnswerViews(ledger, jobs, migrations, resources.link_clock),
        overviews=OverviewViews(ledger, jobs, migrations, resources.link_clock, limits),
        statistics=StatisticsViews(
            ledger, queue, resources.spool, clock, _versions(), link_clock=resources.link_clock
        ),
        welcome=Welcome(
            limit, settings.link.lifetime, have_pages=settings.link.mode is LinkMode.PAGE
        ),
    )


def _senders(  # noqa: PLR0913, PLR0917 -- what is sent to people draws on all of it.
    resources: Resources,
    views: Views,
    access: Access,
    actions: JobActions,
    use_cases: UseCases,
    reactions: Reactions,
    migrations: ChatMigrations,
    signals: Signals,
) -> tuple[ChatDispatcher, StatusMessageSender]:
    clock, ledger, telegram = resources.clock, resources.ledger, resources.telegram
    messenger = MigratingMessenger(telegram.messenger, migrations, actions.chat_gone)
    members = MigratingMembers(TelegramMembers(telegram.application.bot), migrations)
    pages = use_cases.page_buttons.actions if use_cases.page_buttons is not None else None
    requests = RequestHandler(ledger, access, actions, members, messenger, pages)
    status_sender = StatusMessageSender(
        ledger, messenger, views.jobs, clock, migrations, resources.monitoring.metrics
    )
    senders: list[Sender] = [
        DeferredRequests(ledger.outbox, requests, clock),
        _answer_sender(resources, messenger, views.answers, migrations, reactions),
        OutboxSender(ledger.outbox, messenger, views, pages),
        status_sender,
    ]
    dispatcher = ChatDispatcher(
        senders,
        ledger.outbox,
        signals.outbox,
        clock,
        current=migrations.current,
        metrics=resources.monitoring.metrics,
    )
    return dispatcher, status_sender


def _answer_sender(
    resources: Resources,
    messenger: MigratingMessenger,
    views: AnswerViews,
    migrations: ChatMigrations,
    reactions: Reactions,
) -> AnswerSender:
    clock, ledger, metrics = resources.clock, resources.ledger, resources.monitoring.metrics
    delivery = AnswerDelivery(ledger, migrations, clock)
    calls = AnswerCalls(ledger, messenger, views, delivery, reactions, metrics)
    return AnswerSender(
        ledger,
        calls,
        delivery,
        Repetitions(messenger, clock),
        clock,
        # A page belongs to one owner.
        by_owner=resources.settings.link.mode is LinkMode.PAGE,
    )


def _handlers(resources: Resources, use_cases: UseCases) -> ProcessedUpdates:
    telegram, processed_updates = resources.telegram, ProcessedUpdates()
    Handlers(
        use_cases,
        telegram.keyboards,
        processed_updates,
        bot_id=telegram.bot_id,
        name=telegram.name,
    ).register(telegram.application)
    return processed_updates


def build_reaper(links: LinkResources, *, is_beside_others: bool = False) -> Reaper:
    """Build what ends links."""
    store = links.store
    return Reaper(
        links.ledger.objects,
        store.store,
        store.threads,
        links.link_clock,
        links.signals,
        links.monitoring.metrics,
        store_of=store.stores.of,
        time=links.clock_keeper,
        is_beside_others=is_beside_others,
    )


def build_link_guard(links: LinkResources) -> LinkGuard:
    """Build what ends links while the ledger cannot be written."""
    store = links.store
    return LinkGuard(
        links.ledger.objects,
        store.store,
        store.threads,
        links.link_clock,
        links.database.state.in_trouble,
        metrics=links.monitoring.metrics,
        store_of=store.stores.of,
    )


def build_page_visits(links: LinkResources) -> PageVisits:
    """Build what pages show and give: neither Telegram nor an answer of OSS is needed."""
    return PageVisits(
        links.ledger.pages,
        OssLinkSigner(links.store.oss, LinkMode.PAGE),
        links.link_clock,
        links.monitoring.metrics,
        PageReports(
            links.ledger, links.settings.access.admins, links.link_clock, links.signals.outbox.set
        ),
    )


def _intake(resources: Resources, use_cases: UseCases, queue: JobQueue) -> Intake | WebhookIntake:
    application, url = resources.telegram.application, resources.settings.telegram.webhook_url
    ledger, clock = resources.ledger, resources.clock
    intake = Intake(
        application,
        _handlers(resources, use_cases),
        ledger.dead_updates,
        clock,
        ForeignWebhooks(resources.monitoring.health_state, clock),
        hold=queue.hold,
        tell=use_cases.replies,
        metrics=resources.monitoring.metrics,
    )
    if url is None:
        return intake
    return WebhookIntake(
        application, intake, resources.monitoring.health_state, resources.clock, url=url
    )


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    # The library parses the whole description of a package to tell its version.
    libraries = ("python-telegram-bot", "alibabacloud-oss-v2")
    return (
        ("file-relay-bot", __version__),
        ("Python", platform.python_version()),
        *((name, metadata.version(name)) for name in libraries),
    )
