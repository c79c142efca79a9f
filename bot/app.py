"""The lifetime of the process: opens the resources, runs the bot, stops it in order.

Production, the demo and the tests run `serve`. `bot.wiring` builds the parts.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from bot.adapters.oss.access_checks import assert_private
from bot.adapters.telegram.commands import register_commands
from bot.adapters.telegram.local_files import LocalFiles
from bot.aio import end, raise_defect, unless_stopped, until_stopped
from bot.clock import SystemClock
from bot.core.errors import ChatError, DiskError, StoreError, leaf
from bot.core.links import LinkMode
from bot.core.ports.clock import Clock
from bot.monitoring import ProcessPhase
from bot.settings import Settings
from bot.transfer.spool import boot_id
from bot.wiring.bot import Bot, build_bot
from bot.wiring.resources import Monitoring, Resources, open_monitoring, open_resources

log = structlog.stdlib.get_logger(__name__)

LAST_WORDS = timedelta(seconds=3)
"""Time at the end to show "paused", and to answer ended jobs, in addition to the grace."""
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
        BucketExposed: private objects can be read anonymously.
        StoreKeyRefused: there is no access key at all.
        PortTaken: `web.port` is in use, or cannot be used.
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
    # First, so that readiness can be queried while the bot waits for Telegram.
    monitoring = await open_monitoring(settings, clock, stack)
    resources = await open_resources(settings, clock, stack, monitoring)
    parts = build_bot(resources)
    await _prepare(resources, parts)
    return resources, parts


async def _prepare(resources: Resources, parts: Bot) -> None:
    """Recover what the previous process left behind before accepting updates."""
    await _end_what_is_overdue(resources, parts)
    await _refuse_exposed_bucket(resources)
    await parts.migrations.follow()
    unfinished = await parts.lifecycle.recover()
    resources.spool.sweep({job.id for job in unfinished})
    if isinstance(parts.source, LocalFiles):
        await _sweep_copies(parts.source)
    this_boot = boot_id()
    resources.trusted.update(
        job.id for job in unfinished if this_boot and job.boot_id == this_boot
    )
    for job in unfinished:
        origin = job.origin
        parts.queue.enqueue(job.id, origin.owner_id, job.run_at, group_id=origin.group_id)
    try:
        telegram, admins = resources.telegram, resources.settings.access.admins
        await register_commands(telegram.application.bot, telegram.renderer, admins)
    except ChatError as error:
        # Cosmetic: the commands work without the menus, and the next start tries again.
        log.warning("cannot register the commands", code=error.code)


async def _sweep_copies(source: LocalFiles) -> None:
    try:
        await source.sweep()
    except DiskError as error:
        log.warning("cannot remove unneeded server copies", code=error.code, why=str(error))


async def _end_what_is_overdue(resources: Resources, parts: Bot) -> None:
    await parts.reaper.sweep()
    if resources.settings.link.mode is not LinkMode.PUBLIC:
        # OSS itself refuses these links already; the bytes are deleted as soon as it can be
        # reached.
        return
    while overdue := await resources.ledger.objects.overdue(resources.clock.now()):
        log.error(
            "public links are past their deadline; not accepting updates until they are deleted",
            count=len(overdue),
        )
        await resources.clock.sleep_until(resources.clock.now() + OVERDUE_EVERY)
        await parts.reaper.sweep()


async def _refuse_exposed_bucket(resources: Resources) -> None:
    if resources.settings.link.mode is not LinkMode.SIGNED:
        return
    store = resources.threads.store
    try:
        await resources.threads.call(
            lambda: assert_private(resources.oss, store, resources.prefix)
        )
    except StoreError as error:
        # The bot starts all the same: OSS may recover, and until then every user gets the error.
        log.warning("cannot check anonymous access to the bucket", code=error.code, why=str(error))


def _begin(monitoring: Monitoring, parts: Bot) -> None:
    monitoring.health_state.begin(ProcessPhase.RUNNING)
    if monitoring.webhook_route is not None:
        monitoring.webhook_route.open(parts.intake.take)


def _end(monitoring: Monitoring) -> None:
    monitoring.health_state.begin(ProcessPhase.STOPPING)
    if monitoring.webhook_route is not None:
        monitoring.webhook_route.close()


async def _run(
    resources: Resources, parts: Bot, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    intake = asyncio.create_task(parts.intake.run(), name="intake")
    others = [
        asyncio.create_task(parts.queue.run(), name="queue"),
        asyncio.create_task(parts.reaper.run(resources.prefix), name="reaper"),
        asyncio.create_task(parts.dispatcher.run(), name="voice"),
    ]
    try:
        log.info("ready", bot=resources.telegram.username, mode=resources.settings.link.mode.value)
        _begin(resources.monitoring, parts)
        ready(resources.telegram.username)
        await until_stopped(stop, [intake, *others])
        log.info("stopping", grace=resources.settings.stop.grace.total_seconds())
        _end(resources.monitoring)
        intake.cancel()
        await parts.queue.finish(resources.settings.stop.grace)
        resources.spool.keeps = True
        if isinstance(parts.source, LocalFiles):
            parts.source.keeps = True
        # In parallel, because each may take as long as the time given to hanging threads.
        await asyncio.gather(parts.queue.stop(), end(others))
        raise_defect(others)
    finally:
        await end([intake, *others])
    parts.status_sender.paused = True
    await parts.dispatcher.last_words(LAST_WORDS.total_seconds())
