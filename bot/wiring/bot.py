"""What the bot consists of: the machine, built in an open frame."""

import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import metadata

from bot import __version__
from bot.adapters.oss.bucket import OssLinkSigner
from bot.adapters.telegram.download import MinimumThroughput
from bot.adapters.telegram.files import CloudFiles
from bot.adapters.telegram.handlers import Handlers, ProcessedUpdates
from bot.adapters.telegram.inspection import TelegramMembers
from bot.adapters.telegram.intake import Intake, WebhookIntake
from bot.adapters.telegram.local_copies import CopyRecords, FileRoot, ServerCopies
from bot.adapters.telegram.local_files import LocalFiles, LocalServer
from bot.core.links import LinkMode
from bot.core.ports.views import Welcome
from bot.inbound.access import Access
from bot.inbound.deferred import DeferredRequests, RequestHandler
from bot.inbound.use_cases import UseCases
from bot.jobs.actions import JobActions
from bot.jobs.deduplicate import Copier, Deduplicator
from bot.jobs.limits import OwnerLimits
from bot.jobs.queue import JobQueue
from bot.jobs.reaper import Reaper
from bot.jobs.relay import Relay
from bot.jobs.runner import JobRunner, Signals
from bot.jobs.watched_transfer import WatchedSource, WatchedUploads
from bot.outbound.answers import AnswerSender
from bot.outbound.chat_migration import ChatMigrations, MigratingMembers, MigratingMessenger
from bot.outbound.dispatcher import ChatDispatcher, Sender
from bot.outbound.outbox import OutboxSender, Reactions
from bot.outbound.status_messages import StatusMessageSender
from bot.outbound.views import AnswerViews, JobViews, OverviewViews, StatisticsViews, Views
from bot.transfer.uploader import Uploader
from bot.wiring.monitoring import MonitoredParts
from bot.wiring.resources import Resources, plain


@dataclass(frozen=True)
class Services:
    """Who may do what and how much, what can be done to jobs, how files are acknowledged, and
    where groups have gone.
    """

    access: Access
    limits: OwnerLimits
    actions: JobActions
    reactions: Reactions
    migrations: ChatMigrations


@dataclass(frozen=True)
class Bot:
    """The parts that run, and that the end has to know."""

    queue: JobQueue
    dispatcher: ChatDispatcher
    status_sender: StatusMessageSender
    reaper: Reaper
    intake: Intake | WebhookIntake
    source: CloudFiles | LocalFiles
    migrations: ChatMigrations


def build_bot(resources: Resources) -> Bot:
    """Build the machine in an open frame; nothing runs yet."""
    settings, clock, ledger = resources.settings, resources.clock, resources.ledger
    signals, source, metrics = Signals(), _source(resources), resources.monitoring.metrics
    uploader = Uploader(
        resources.threads.store,
        resources.pool,
        connections_per_file=settings.transfer.connections_per_file,
    )
    relay = Relay(
        WatchedSource(source, metrics, clock),
        WatchedUploads(uploader, metrics, clock),
        ledger,
        clock,
        lifetime=settings.link.lifetime,
        public=settings.link.mode is LinkMode.PUBLIC,
        deduplicator=Deduplicator(
            ledger.objects, Copier(resources.threads.store, resources.pool), clock
        ),
    )
    queue = JobQueue(
        JobRunner(relay, ledger, clock, signals, metrics).run,
        clock,
        at_once=settings.transfer.at_once,
        per_owner=settings.transfer.per_owner,
        per_group=settings.transfer.per_group,
    )
    resources.monitoring.look_at(MonitoredParts(queue, resources.spool, ledger.probe))
    return _build_senders(resources, queue, _services(resources, queue, signals), signals, source)


def _services(resources: Resources, queue: JobQueue, signals: Signals) -> Services:
    settings, chats = resources.settings, resources.ledger.chats
    given, enabled = settings.access, settings.telegram.reactions
    return Services(
        access=Access(chats, users=given.users, admins=given.admins, groups=given.groups),
        limits=OwnerLimits(settings.limits.owner, settings.limits.group),
        actions=JobActions(resources.ledger, queue, resources.clock, signals),
        reactions=Reactions(resources.ledger.outbox, resources.clock, enabled=enabled),
        migrations=ChatMigrations(chats),
    )


def _source(resources: Resources) -> CloudFiles | LocalFiles:
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


def _unfinished(resources: Resources) -> Callable[[], Awaitable[Mapping[int, str]]]:
    async def ask() -> Mapping[int, str]:
        return {
            job.id: job.file.file_unique_id for job in await resources.ledger.jobs.unfinished()
        }

    return ask


def _build_senders(
    resources: Resources,
    queue: JobQueue,
    services: Services,
    signals: Signals,
    source: CloudFiles | LocalFiles,
) -> Bot:
    clock, ledger, migrations = resources.clock, resources.ledger, services.migrations
    views = _views(resources, queue, services, source.limit)
    messenger = MigratingMessenger(
        resources.telegram.messenger, migrations, services.actions.chat_gone
    )
    status_sender = StatusMessageSender(
        ledger, messenger, views.jobs, clock, resources.monitoring.metrics
    )
    senders: list[Sender] = [
        DeferredRequests(ledger.outbox, _request_handler(resources, services, messenger), clock),
        AnswerSender(ledger, messenger, views.answers, migrations, services.reactions, clock),
        OutboxSender(ledger.outbox, messenger, views),
        status_sender,
    ]
    dispatcher = ChatDispatcher(
        senders, ledger.outbox, signals.outbox, clock, current=migrations.current
    )
    processed_updates = _listen(resources, queue, services, signals, source.limit)
    return Bot(
        queue=queue,
        dispatcher=dispatcher,
        status_sender=status_sender,
        reaper=_reaper(resources, signals),
        intake=_intake(resources, processed_updates, queue),
        source=source,
        migrations=migrations,
    )


def _views(resources: Resources, queue: JobQueue, services: Services, limit: int) -> Views:
    settings, clock, ledger = resources.settings, resources.clock, resources.ledger
    migrations = services.migrations
    jobs = JobViews(queue, OssLinkSigner(resources.oss, settings.link.mode), clock)
    return Views(
        jobs=jobs,
        answers=AnswerViews(ledger, jobs, migrations, clock),
        overviews=OverviewViews(ledger, jobs, migrations, clock, services.limits),
        statistics=StatisticsViews(ledger, queue, resources.spool, clock, _versions()),
        welcome=Welcome(limit, settings.link.lifetime),
    )


def _reaper(resources: Resources, signals: Signals) -> Reaper:
    threads = resources.threads
    return Reaper(
        resources.ledger.objects,
        threads.store,
        threads,
        resources.clock,
        signals,
        resources.monitoring.metrics,
    )


def _intake(
    resources: Resources, processed_updates: ProcessedUpdates, queue: JobQueue
) -> Intake | WebhookIntake:
    application, url = resources.telegram.application, resources.settings.telegram.webhook_url
    ledger, clock = resources.ledger, resources.clock
    intake = Intake(application, processed_updates, ledger.dead_updates, clock, hold=queue.hold)
    if url is None:
        return intake
    return WebhookIntake(
        application, intake, resources.monitoring.health_state, resources.clock, url=url
    )


def _versions() -> list[tuple[str, str]]:
    libraries = ("python-telegram-bot", "alibabacloud-oss-v2")
    return [
        ("file-relay-bot", __version__),
        ("Python", platform.python_version()),
        *((name, metadata.version(name)) for name in libraries),
    ]


def _request_handler(
    resources: Resources, services: Services, messenger: MigratingMessenger
) -> RequestHandler:
    members = MigratingMembers(
        TelegramMembers(resources.telegram.application.bot), services.migrations
    )
    return RequestHandler(resources.ledger, services.access, services.actions, members, messenger)


def _listen(
    resources: Resources, queue: JobQueue, services: Services, signals: Signals, limit: int
) -> ProcessedUpdates:
    telegram = resources.telegram
    use_cases = UseCases.build(
        ledger=resources.ledger,
        queue=queue,
        access=services.access,
        actions=services.actions,
        migrations=services.migrations,
        clock=resources.clock,
        signals=signals,
        limit=limit,
        limits=services.limits,
        reactions=services.reactions,
        zone=resources.settings.telegram.zone,
    )
    processed_updates = ProcessedUpdates()
    Handlers(
        use_cases,
        telegram.keyboards,
        processed_updates,
        bot_id=telegram.bot_id,
        username=telegram.username,
    ).register(telegram.application)
    return processed_updates
