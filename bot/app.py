"""The lifetime of the process: opens what the settings describe, runs the bot, stops it in order.

`serve` is what production, the demo and the tests run. `bot.wiring` builds what it runs.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from bot.adapters.oss.anonymous_access import assert_private
from bot.adapters.telegram.application import register_commands
from bot.adapters.telegram.local_files import LocalFiles
from bot.aio import end, raise_defect, unless_stopped, until_stopped
from bot.clock import SystemClock
from bot.core.errors import ChatError, DiskError, StoreError, leaf
from bot.core.links import LinkMode
from bot.core.ports.clock import Clock
from bot.monitoring.health import ProcessPhase
from bot.settings import Settings
from bot.transfer.spool import boot_id
from bot.wiring.bot import Bot, assemble
from bot.wiring.monitoring import Monitoring, open_watch
from bot.wiring.resources import Resources, open_frame

log = structlog.stdlib.get_logger(__name__)

LAST_WORDS = timedelta(seconds=3)
"""How long the end may take to say "paused", and to answer what is done, beyond the grace."""
OVERDUE_EVERY = timedelta(seconds=10)


async def serve(
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the bot until `stop` is set; `ready` is called with the bot's username once it listens.

    Raises:
        LedgerError: the ledger cannot be used, or another process runs on it.
        TokenRefused: Telegram does not know the token.
        BucketExposed: strangers can read what should be private.
        StoreKeyRefused: there is no access key at all.
        PortTaken: `web.port` is not to be had.
        WebhookRefused: Telegram does not deliver to `telegram.webhook_url`.
    """
    async with AsyncExitStack() as stack:
        opened = await unless_stopped(stop, _open(settings, clock or SystemClock(), stack))
        if opened is not None:
            try:
                await _run(*opened, stop, ready)
            except ExceptionGroup as group:
                raise leaf(group) from group


async def _open(settings: Settings, clock: Clock, stack: AsyncExitStack) -> tuple[Resources, Bot]:
    # First, so that a bot that waits for Telegram can say so.
    watch = await open_watch(settings, clock, stack)
    frame = await open_frame(settings, clock, stack, watch)
    machine = assemble(frame)
    await _prepare(frame, machine)
    return frame, machine


async def _prepare(frame: Resources, machine: Bot) -> None:
    """Make good what happened while nobody ran, before anything new comes in."""
    await _end_what_is_overdue(frame, machine)
    await _refuse_exposed_bucket(frame)
    await machine.moves.follow()
    unfinished = await frame.ledger.jobs.recover(frame.clock.now())
    frame.spool.sweep({job.id for job in unfinished})
    if isinstance(machine.source, LocalFiles):
        await _sweep_copies(machine.source)
    this_boot = boot_id()
    frame.trusted.update(job.id for job in unfinished if this_boot and job.boot_id == this_boot)
    for job in unfinished:
        origin = job.origin
        machine.queue.enqueue(job.id, origin.owner_id, job.run_at, group_id=origin.group_id)
    try:
        telegram, admins = frame.telegram, frame.settings.access.admins
        await register_commands(telegram.application.bot, telegram.texts, admins)
    except ChatError as error:
        # Cosmetic: the commands work all the same, and the next start tries again.
        log.warning("cannot register the commands", code=error.code)


async def _sweep_copies(source: LocalFiles) -> None:
    try:
        await source.sweep()
    except DiskError as error:
        log.warning("cannot remove copies that nobody needs", code=error.code, why=str(error))


async def _end_what_is_overdue(frame: Resources, machine: Bot) -> None:
    await machine.reaper.sweep()
    if frame.settings.link.mode is not LinkMode.PUBLIC:
        # OSS itself refuses these links already; the bytes go as soon as it can be reached.
        return
    while overdue := await frame.ledger.objects.overdue(frame.clock.now()):
        log.error("links are open past their end; nothing is taken in", count=len(overdue))
        await frame.clock.sleep_until(frame.clock.now() + OVERDUE_EVERY)
        await machine.reaper.sweep()


async def _refuse_exposed_bucket(frame: Resources) -> None:
    if frame.settings.link.mode is not LinkMode.SIGNED:
        return
    store = frame.threads.store
    try:
        await frame.threads.call(lambda: assert_private(frame.oss, store, frame.prefix))
    except StoreError as error:
        # The bot starts all the same: OSS may come back, and until then every sender is told.
        log.warning("cannot look at the bucket", code=error.code, why=str(error))


def _begin(watch: Monitoring, machine: Bot) -> None:
    watch.vitals.begin(ProcessPhase.RUNNING)
    if watch.hook is not None:
        watch.hook.open(machine.intake.take)


def _end(watch: Monitoring) -> None:
    watch.vitals.begin(ProcessPhase.STOPPING)
    if watch.hook is not None:
        watch.hook.close()


async def _run(
    frame: Resources, machine: Bot, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    intake = asyncio.create_task(machine.intake.run(), name="intake")
    others = [
        asyncio.create_task(machine.queue.run(), name="queue"),
        asyncio.create_task(machine.reaper.run(frame.prefix), name="reaper"),
        asyncio.create_task(machine.voice.run(), name="voice"),
    ]
    try:
        log.info("ready", bot=frame.telegram.username, mode=frame.settings.link.mode.value)
        _begin(frame.watch, machine)
        ready(frame.telegram.username)
        await until_stopped(stop, [intake, *others])
        log.info("stopping", grace=frame.settings.stop.grace.total_seconds())
        _end(frame.watch)
        intake.cancel()
        await machine.queue.finish(frame.settings.stop.grace)
        frame.spool.keeps = True
        if isinstance(machine.source, LocalFiles):
            machine.source.keeps = True
        # Side by side, because each may take as long as threads that hang in sockets are given.
        await asyncio.gather(machine.queue.stop(), end(others))
        raise_defect(others)
    finally:
        await end([intake, *others])
    machine.narrator.paused = True
    await machine.voice.last_words(LAST_WORDS.total_seconds())
