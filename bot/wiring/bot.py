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
from bot.core.ports.chat import Welcome
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
from bot.outbound.answers import AnswerCorrector, AnswerSender
from bot.outbound.chat_migration import ChatMigrations, MigratingMembers, MigratingMessenger
from bot.outbound.dispatcher import ChatDispatcher, InFlightCalls, Sender
from bot.outbound.outbox import Reactions, ReactionSender
from bot.outbound.rate_limits import RateLimits
from bot.outbound.status_messages import StatusMessageSender
from bot.outbound.views import StatisticsViews, Views
from bot.transfer.uploader import Uploader
from bot.wiring.monitoring import MonitoredParts
from bot.wiring.resources import Resources, plain


@dataclass(frozen=True)
class Services:
    """Who may do what and how much, what can be done to jobs, how files are acknowledged, and
    where groups have gone.
    """

    access: Access
    allowances: OwnerLimits
    controls: JobActions
    reactions: Reactions
    moves: ChatMigrations


@dataclass(frozen=True)
class Bot:
    """The parts that run, and that the end has to know."""

    queue: JobQueue
    voice: ChatDispatcher
    narrator: StatusMessageSender
    lanes: InFlightCalls
    reaper: Reaper
    intake: Intake | WebhookIntake
    source: CloudFiles | LocalFiles
    moves: ChatMigrations


def assemble(frame: Resources) -> Bot:
    """Build the machine in an open frame; nothing runs yet."""
    settings, clock, ledger = frame.settings, frame.clock, frame.ledger
    news, source, metrics = Signals(), _source(frame), frame.watch.metrics
    uploader = Uploader(
        frame.threads.store,
        frame.pool,
        connections_per_file=settings.transfer.connections_per_file,
    )
    relay = Relay(
        WatchedSource(source, metrics, clock),
        WatchedUploads(uploader, metrics, clock),
        ledger,
        clock,
        lifetime=settings.link.lifetime,
        public=settings.link.mode is LinkMode.PUBLIC,
        repeats=Deduplicator(ledger.objects, Copier(frame.threads.store, frame.pool), clock),
    )
    queue = JobQueue(
        JobRunner(relay, ledger, clock, news, metrics).run,
        clock,
        at_once=settings.transfer.at_once,
        per_owner=settings.transfer.per_owner,
        per_group=settings.transfer.per_group,
    )
    frame.watch.look_at(MonitoredParts(queue, frame.spool, ledger.probe))
    return _give_voice(frame, queue, _office(frame, queue, news), news, source)


def _office(frame: Resources, queue: JobQueue, news: Signals) -> Services:
    settings, people = frame.settings, frame.ledger.people
    given, enabled = settings.access, settings.telegram.reactions
    return Services(
        access=Access(people, users=given.users, admins=given.admins, groups=given.groups),
        allowances=OwnerLimits(settings.limits.owner, settings.limits.group),
        controls=JobActions(frame.ledger, queue, frame.clock, news),
        reactions=Reactions(frame.ledger.outbox, frame.clock, enabled=enabled),
        moves=ChatMigrations(people),
    )


def _source(frame: Resources) -> CloudFiles | LocalFiles:
    given, bot = frame.settings.telegram, frame.telegram.application.bot
    if frame.is_local and given.file_root is not None:
        copies = ServerCopies(
            FileRoot(given.file_root, given.path_map), CopyRecords(frame.settings.spool.folder)
        )
        server = LocalServer(bot, frame.disk, limit=given.limit)
        return LocalFiles(server, copies, frame.disk, unfinished=_unfinished(frame))
    return CloudFiles(
        bot,
        frame.spool,
        base_url=given.base_url,
        proxy=plain(given.proxy),
        limit=given.limit,
        pace=MinimumThroughput(minimum_rate=frame.settings.transfer.minimum_rate),
        trusts=frame.trusted.__contains__,
    )


def _unfinished(frame: Resources) -> Callable[[], Awaitable[Mapping[int, str]]]:
    async def ask() -> Mapping[int, str]:
        return {job.id: job.file.file_unique_id for job in await frame.ledger.jobs.unfinished()}

    return ask


def _give_voice(
    frame: Resources,
    queue: JobQueue,
    office: Services,
    news: Signals,
    source: CloudFiles | LocalFiles,
) -> Bot:
    settings, clock, ledger, telegram = frame.settings, frame.clock, frame.ledger, frame.telegram
    views = Views(
        ledger,
        queue,
        OssLinkSigner(frame.oss, settings.link.mode),
        clock,
        Welcome(source.limit, settings.link.lifetime),
        statistician=StatisticsViews(ledger, queue, frame.spool, clock, _versions()),
        allowances=office.allowances,
    )
    budgets, lanes = RateLimits(office.moves.current), InFlightCalls(news.said.set)
    messenger = MigratingMessenger(telegram.messenger, office.moves, office.controls.chat_gone)
    spoken = (ledger, messenger, views, budgets, lanes, clock)
    narrator = StatusMessageSender(*spoken, metrics=frame.watch.metrics)
    desk = DeferredRequests(ledger, _errands(frame, office, messenger), lanes, clock)
    courier = AnswerSender(*spoken, reactions=office.reactions)
    reactor = ReactionSender(ledger.outbox, messenger, budgets, lanes, clock)
    speakers: list[Sender] = [desk, courier, narrator, AnswerCorrector(*spoken), reactor]
    marks = _listen(frame, queue, office, news, source.limit)
    return Bot(
        queue=queue,
        voice=ChatDispatcher(speakers, lanes, news.said, clock),
        narrator=narrator,
        lanes=lanes,
        reaper=_reaper(frame, news),
        intake=_intake(frame, marks, queue),
        source=source,
        moves=office.moves,
    )


def _reaper(frame: Resources, news: Signals) -> Reaper:
    threads = frame.threads
    return Reaper(
        frame.ledger.objects, threads.store, threads, frame.clock, news, frame.watch.metrics
    )


def _intake(frame: Resources, marks: ProcessedUpdates, queue: JobQueue) -> Intake | WebhookIntake:
    application, url = frame.telegram.application, frame.settings.telegram.webhook_url
    ledger, clock = frame.ledger, frame.clock
    intake = Intake(application, marks, ledger.dead_updates, clock, hold=queue.hold)
    if url is None:
        return intake
    return WebhookIntake(application, intake, frame.watch.vitals, frame.clock, url=url)


def _versions() -> list[tuple[str, str]]:
    libraries = ("python-telegram-bot", "alibabacloud-oss-v2")
    return [
        ("file-relay-bot", __version__),
        ("Python", platform.python_version()),
        *((name, metadata.version(name)) for name in libraries),
    ]


def _errands(frame: Resources, office: Services, messenger: MigratingMessenger) -> RequestHandler:
    members = MigratingMembers(TelegramMembers(frame.telegram.application.bot), office.moves)
    return RequestHandler(frame.ledger, office.access, office.controls, members, messenger)


def _listen(
    frame: Resources, queue: JobQueue, office: Services, news: Signals, limit: int
) -> ProcessedUpdates:
    telegram = frame.telegram
    reception = UseCases.build(
        ledger=frame.ledger,
        queue=queue,
        access=office.access,
        controls=office.controls,
        moves=office.moves,
        clock=frame.clock,
        news=news,
        limit=limit,
        allowances=office.allowances,
        reactions=office.reactions,
        zone=frame.settings.telegram.zone,
    )
    marks = ProcessedUpdates()
    Handlers(
        reception,
        telegram.keyboards,
        marks,
        bot_id=telegram.bot_id,
        username=telegram.username,
    ).register(telegram.application)
    return marks
