"""The composition root: builds everything from the settings, runs it, and ends it in order.

The one module that imports everything. `serve` is what production, the demo and the tests run.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from bot.adapters.ledger.database import open_database, process_lock
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.address import BucketAddress
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, LineLimits, OssConnection
from bot.adapters.oss.probe import assert_private
from bot.adapters.oss.signer import OssLinkSigner
from bot.adapters.telegram.application import TelegramSide, open_telegram
from bot.adapters.telegram.commands import register_commands
from bot.adapters.telegram.files import CloudFiles
from bot.adapters.telegram.handlers import Handlers, Marks
from bot.adapters.telegram.intake import Intake
from bot.core.errors import ChatError, StoreError, leaf
from bot.core.links import LinkMode, key_prefix
from bot.core.ports.chat import Welcome
from bot.core.ports.clock import Clock
from bot.core.ports.source import FileSource
from bot.service.access import Access
from bot.service.attempts import Attempts, News
from bot.service.budget import Budgets
from bot.service.clock import SystemClock
from bot.service.courier import Courier
from bot.service.lanes import Lanes
from bot.service.narrator import Narrator
from bot.service.queue import JobQueue
from bot.service.reaper import Reaper
from bot.service.reception import Reception
from bot.service.relay import Relay
from bot.service.reviser import Reviser
from bot.service.views import Views
from bot.service.voice import Voice
from bot.settings import Settings
from bot.transfer.boot import boot_id
from bot.transfer.line import StoreLine
from bot.transfer.pool import TransferPool
from bot.transfer.retry import RetryPolicy
from bot.transfer.spool import Spool
from bot.transfer.uploader import Uploader

log = structlog.stdlib.get_logger(__name__)

ADMINISTRATIVE_THREADS = 2
"""Deletions never wait behind uploads."""
ADMINISTRATIVE_RETRIES = RetryPolicy(attempts=3, cap=2.0)
LAST_WORDS = timedelta(seconds=3)
"""How long the end may take to say "paused", beyond the grace."""
OVERDUE_EVERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Frame:
    """What everything else is built on."""

    settings: Settings
    clock: Clock
    ledger: SqlLedger
    oss: OssConnection
    pool: TransferPool
    threads: StoreLine
    spool: Spool
    telegram: TelegramSide
    trusted: set[int] = field(default_factory=set)
    """Jobs whose spool file an earlier process of this boot has left."""

    @property
    def prefix(self) -> str:
        """The part of the bucket that is ours."""
        return key_prefix(self.telegram.bot_id)


@dataclass(frozen=True)
class Machine:
    """The parts that run, and that the end has to know."""

    queue: JobQueue
    voice: Voice
    narrator: Narrator
    lanes: Lanes
    reaper: Reaper
    intake: Intake


async def serve(
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the bot until `stop` is set; `ready` is called with the bot's username once it listens.

    Raises:
        LedgerLocked: another process runs on this ledger.
        TokenRefused: Telegram does not know the token.
        BucketExposed: strangers can read what should be private.
        StoreKeyRefused: there is no access key at all.
    """
    async with AsyncExitStack() as stack:
        frame = await _open(settings, clock or SystemClock(), stack)
        machine = _assemble(frame)
        await _prepare(frame, machine)
        try:
            await _run(frame, machine, stop, ready)
        except ExceptionGroup as group:
            raise leaf(group) from group


async def _open(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Frame:
    stack.enter_context(process_lock(settings.ledger.path))
    database = await stack.enter_async_context(open_database(settings.ledger.path))
    oss = open_oss(settings, clock)
    stack.callback(oss.close)
    pool = await stack.enter_async_context(TransferPool(settings.transfer.connections))
    administrative = await stack.enter_async_context(TransferPool(ADMINISTRATIVE_THREADS))
    telegram = await stack.enter_async_context(
        open_telegram(
            settings.telegram.token.get_secret_value(),
            base_url=settings.telegram.base_url,
            proxy=_plain(settings.telegram.proxy),
        )
    )
    return Frame(
        settings=settings,
        clock=clock,
        ledger=SqlLedger(database, boot_id=boot_id()),
        oss=oss,
        pool=pool,
        threads=StoreLine(OssBucket(oss), administrative, ADMINISTRATIVE_RETRIES),
        spool=Spool(
            settings.spool.folder,
            quota=settings.spool.quota,
            keep_free=settings.spool.keep_free,
        ),
        telegram=telegram,
    )


class _Secret(Protocol):
    def get_secret_value(self) -> str: ...


def _plain(value: _Secret | None) -> str | None:
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
    limits = LineLimits(
        connections=transfer.connections + ADMINISTRATIVE_THREADS,
        minimum_rate=transfer.minimum_rate,
        proxy=_plain(given.proxy),
    )
    return OssConnection(address, clock, key=key, limits=limits)


def _assemble(frame: Frame) -> Machine:
    settings, clock, ledger = frame.settings, frame.clock, frame.ledger
    news, source = News(), _source(frame)
    uploader = Uploader(
        frame.threads.store,
        frame.pool,
        connections_per_file=settings.transfer.connections_per_file,
    )
    relay = Relay(
        source,
        uploader,
        ledger,
        clock,
        lifetime=settings.link.lifetime,
        public=settings.link.mode is LinkMode.PUBLIC,
    )
    queue = JobQueue(
        Attempts(relay, ledger, clock, news).run,
        clock,
        at_once=settings.transfer.at_once,
        per_owner=settings.transfer.per_owner,
    )
    reception = Reception(
        ledger,
        queue,
        Access(users=settings.access.users, admins=settings.access.admins),
        clock,
        news,
        limit=source.limit,
    )
    return _give_voice(frame, queue, reception, news, source.limit)


def _source(frame: Frame) -> FileSource:
    given = frame.settings.telegram
    return CloudFiles(
        frame.telegram.application.bot,
        frame.spool,
        base_url=given.base_url,
        proxy=_plain(given.proxy),
        limit=given.limit,
        trusts=frame.trusted.__contains__,
    )


def _give_voice(
    frame: Frame, queue: JobQueue, reception: Reception, news: News, limit: int
) -> Machine:
    settings, clock, ledger, telegram = frame.settings, frame.clock, frame.ledger, frame.telegram
    views = Views(
        ledger,
        queue,
        OssLinkSigner(frame.oss, settings.link.mode),
        clock,
        Welcome(limit, settings.link.lifetime),
    )
    budgets, lanes = Budgets(), Lanes(news.said.set)
    spoken = (ledger, telegram.messenger, views, budgets, lanes, clock)
    narrator = Narrator(*spoken)
    marks = Marks()
    handlers = Handlers(reception, telegram.keyboards, marks, bot_id=telegram.bot_id)
    handlers.register(telegram.application)
    return Machine(
        queue=queue,
        voice=Voice([Courier(*spoken), narrator, Reviser(*spoken)], lanes, news.said, clock),
        narrator=narrator,
        lanes=lanes,
        reaper=Reaper(ledger.objects, frame.threads.store, frame.threads, clock, news),
        intake=Intake(telegram.application, marks, ledger.dead_updates, clock),
    )


async def _prepare(frame: Frame, machine: Machine) -> None:
    """Make good what happened while nobody ran, before anything new comes in."""
    await _end_what_is_overdue(frame, machine)
    await _refuse_exposed_bucket(frame)
    unfinished = await frame.ledger.jobs.recover(frame.clock.now())
    frame.spool.sweep({job.id for job in unfinished})
    this_boot = boot_id()
    frame.trusted.update(job.id for job in unfinished if this_boot and job.boot_id == this_boot)
    for job in unfinished:
        machine.queue.enqueue(job.id, job.origin.owner_id, job.run_at)
    try:
        await register_commands(frame.telegram.application.bot, frame.telegram.texts)
    except ChatError as error:
        # Cosmetic: the commands work all the same, and the next start tries again.
        log.warning("cannot register the commands", code=error.code)


async def _end_what_is_overdue(frame: Frame, machine: Machine) -> None:
    await machine.reaper.sweep()
    if frame.settings.link.mode is not LinkMode.PUBLIC:
        # OSS itself refuses these links already; the bytes go as soon as it can be reached.
        return
    while overdue := await frame.ledger.objects.overdue(frame.clock.now()):
        log.error("links are open past their end; nothing is taken in", count=len(overdue))
        await frame.clock.sleep_until(frame.clock.now() + OVERDUE_EVERY)
        await machine.reaper.sweep()


async def _refuse_exposed_bucket(frame: Frame) -> None:
    if frame.settings.link.mode is not LinkMode.SIGNED:
        return
    store = frame.threads.store
    try:
        await frame.threads.call(lambda: assert_private(frame.oss, store, frame.prefix))
    except StoreError as error:
        # The bot starts all the same: OSS may come back, and until then every sender is told.
        log.warning("cannot look at the bucket", code=error.code, why=str(error))


async def _run(
    frame: Frame, machine: Machine, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    async with asyncio.TaskGroup() as loops:
        intake = loops.create_task(machine.intake.run(), name="intake")
        others = [
            loops.create_task(machine.queue.run(), name="queue"),
            loops.create_task(machine.reaper.run(frame.prefix), name="reaper"),
            loops.create_task(machine.voice.run(), name="voice"),
        ]
        log.info("ready", bot=frame.telegram.username, mode=frame.settings.link.mode.value)
        ready(frame.telegram.username)
        await stop.wait()
        log.info("stopping", grace=frame.settings.stop.grace.total_seconds())
        intake.cancel()
        await machine.queue.finish(frame.settings.stop.grace)
        frame.spool.keeps = True
        await machine.queue.stop()
        for task in others:
            task.cancel()
    await _say_paused(machine)


async def _say_paused(machine: Machine) -> None:
    machine.narrator.paused = True
    timeout = LAST_WORDS.total_seconds() / 2
    # Calls under way come first, because a message has one edit at a time.
    await machine.lanes.drain(timeout)
    await machine.narrator.tick()
    await machine.lanes.drain(timeout)
