"""The lifetime of the process: opens the resources, runs the bot, stops it in order.

Production, the demo and the tests run `serve`. `bot.wiring` builds the parts.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from bot.adapters.oss.access_checks import BucketProbe, BucketUnfit
from bot.adapters.oss.bucket import OssLinkSigner
from bot.adapters.telegram.application import WebhookRefused, keep_name
from bot.adapters.telegram.commands import register_commands
from bot.adapters.telegram.files import CloudFiles
from bot.adapters.telegram.local_files import LocalFiles
from bot.adapters.telegram.request import TokenRefused
from bot.clock import SystemClock, end, unless_stopped, until_stopped
from bot.core.errors import ChatError, DiskError, LedgerLocked, StoreError, leaf
from bot.core.files import LinkMode
from bot.core.ports import Clock
from bot.core.ports.runs import Role
from bot.jobs.reaper import Retention
from bot.jobs.remote import RemoteRunner
from bot.settings import Settings
from bot.supervision import (
    BUCKET,
    TOKEN,
    ProcessPhase,
    Supervisor,
    Unit,
    UnitEdge,
    run_despite,
)
from bot.transfer.spool import boot_id
from bot.wiring.bot import Bot, build_bot, build_link_guard, build_page_visits, build_reaper
from bot.wiring.monitoring import Monitoring, open_monitoring
from bot.wiring.resources import (
    LinkResources,
    Resources,
    hold,
    open_bot_telegram,
    open_link_resources,
    open_resources,
)

log = structlog.stdlib.get_logger(__name__)

LAST_WORDS = timedelta(seconds=3)
"""Time at the end to show "paused", and to answer ended jobs, in addition to the grace."""
OVERDUE_EVERY = timedelta(seconds=10)
LOOK_AT_OVERDUE = timedelta(seconds=0.2)


async def serve(
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda _: None,
    stands_by: Callable[[str], None] = lambda _: None,
    role: Role = Role.ALL,
) -> None:
    """Run the bot until `stop` is set; `ready` is called with the bot's username once it listens.
    As a front it has the jobs run by workers, and waits until no other front is active;
    `stands_by` hears what it waits for.

    Links are ended from the moment at which ledger and OSS are open, with or without Telegram.

    Raises:
        LedgerError: the ledger cannot be used, or another process runs on it.
        TokenRefused: Telegram does not know the token, and no link is live.
        BucketUnfit: strangers can read what should be private, or links cannot be opened or
            objects not be deleted, and no link is live.
        StoreKeyRefused: there is no access key at all.
        PortTaken: `web.port` is not to be had.
        WebhookRefused: Telegram does not deliver to `telegram.webhook_url`.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        try:
            links = await unless_stopped(
                stop, _open_links(settings, clock, stack, role, stands_by)
            )
            if links is None:
                return
            supervisor = Supervisor(links.monitoring.metrics, fatal=(WebhookRefused, LedgerLocked))
            links.monitoring.readiness.add({"loops": supervisor.trouble})
            endings = _begin_endings(links, supervisor)
            stack.push_async_callback(end, endings)
            opened = await unless_stopped(stop, _open_bot(links, stack))
            if opened is not None:
                await _run(*opened, supervisor, endings, stop, ready)
        except ExceptionGroup as group:
            raise leaf(group) from group


async def _open_links(
    settings: Settings,
    clock: Clock,
    stack: AsyncExitStack,
    role: Role,
    stands_by: Callable[[str], None],
) -> LinkResources:
    # First, so that a bot that waits for something can say so.
    monitoring = await open_monitoring(settings, clock, stack, role)
    monitoring.stands_by = stands_by
    return await open_link_resources(settings, clock, stack, monitoring, role)


def _begin_endings(links: LinkResources, supervisor: Supervisor) -> list[asyncio.Task[None]]:
    loops: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "reaper": partial(build_reaper(links).run, links.prefix),
        "link_guard": build_link_guard(links).run,
        "ledger_watch": links.database.watch,
    }
    if links.monitoring.page_routes is not None:
        visits = build_page_visits(links)
        links.monitoring.page_routes.open(visits)
        loops["pages"] = visits.run
    return [
        asyncio.create_task(supervisor.keep(name, run), name=name) for name, run in loops.items()
    ]


async def _open_bot(links: LinkResources, stack: AsyncExitStack) -> tuple[Resources, Bot]:
    # Before a file is accepted, because its deadline counts by the time of OSS.
    await links.clock_keeper.is_known()
    await _until_nothing_is_overdue(links)
    store = links.store
    mode = links.settings.link.mode
    probe = BucketProbe(store.oss, store.store, OssLinkSigner(store.oss, mode), mode)
    await hold(links, BUCKET, BucketUnfit, lambda: _refuse_unfit_bucket(links, probe))
    telegram = await hold(links, TOKEN, TokenRefused, lambda: open_bot_telegram(links, stack))
    resources = await open_resources(links, telegram, stack)
    parts = build_bot(resources)
    if isinstance(parts.source, CloudFiles):
        stack.push_async_callback(parts.source.close)
    await _prepare(resources, parts)
    return resources, parts


async def _until_nothing_is_overdue(links: LinkResources) -> None:
    """Wait until the reaper has ended what came due while no bot ran. Signed links are refused by
    OSS already: their bytes are given a moment, and go as soon as OSS can be reached.
    """
    clock, is_public = links.clock, links.settings.link.mode is LinkMode.PUBLIC
    began = warned_at = clock.now()
    while overdue := await links.ledger.objects.overdue(links.link_clock.now()):
        if not is_public and clock.now() - began >= OVERDUE_EVERY:
            return
        if is_public and clock.now() - warned_at >= OVERDUE_EVERY:
            warned_at = clock.now()
            log.error("links are open past their end; nothing is taken in", count=len(overdue))
        await clock.sleep_until(clock.now() + LOOK_AT_OVERDUE)


async def _refuse_unfit_bucket(links: LinkResources, probe: BucketProbe) -> None:
    try:
        await links.store.threads.call(lambda: probe.check(links.prefix))
    except StoreError as error:
        # The bot starts all the same: OSS may come back, and until then every sender is told.
        log.warning("cannot check the bucket", code=error.code, why=str(error))


async def _prepare(resources: Resources, parts: Bot) -> None:
    """Recover what the previous process left behind before accepting updates."""
    await parts.migrations.follow()
    if parts.remote is not None:
        await _resume_elsewhere(parts, parts.remote)
    else:
        await _resume(resources, parts)
    try:
        telegram, admins = resources.telegram, resources.settings.access.admins
        await register_commands(telegram.application.bot, telegram.renderer, admins)
    except ChatError as error:
        # Cosmetic: the commands work without the menus, and the next start tries again.
        log.warning("cannot register the commands", code=error.code, why=str(error))


async def _resume(resources: Resources, parts: Bot) -> None:
    unfinished = await parts.lifecycle.recover(_spooled(resources))
    try:
        resources.spool.sweep({job.id for job in unfinished})
    except DiskError as error:
        # It is not ready meanwhile, and each job says so.
        log.warning("cannot sweep the spool", code=error.code, why=str(error))
    if isinstance(parts.source, LocalFiles):
        await _sweep_copies(parts.source)
    this_boot = boot_id()
    resources.trusted.update(
        job.id for job in unfinished if this_boot and job.boot_id == this_boot
    )
    # Those that crashed seldom first: of several suspects, which run alone, each has its turn.
    for job in sorted(unfinished, key=lambda job: job.crashes):
        origin = job.origin
        parts.queue.enqueue(
            job.id,
            origin.owner_id,
            job.run_at,
            group_id=origin.group_id,
            alone=job.crashes > 0,
        )


async def _resume_elsewhere(parts: Bot, remote: RemoteRunner) -> None:
    """Go on with what workers run, and let the rest wait for its turn."""
    unfinished = await parts.lifecycle.recover()
    remote.resume(parts.queue, unfinished, await remote.look(parts.queue))


def _spooled(resources: Resources) -> dict[int, int]:
    try:
        return resources.spool.sizes()
    except DiskError as error:
        log.warning("cannot look at the spool", code=error.code, why=str(error))
        return {}


async def _sweep_copies(source: LocalFiles) -> None:
    try:
        await source.sweep()
    except DiskError as error:
        log.warning(
            "cannot remove copies that are no longer needed", code=error.code, why=str(error)
        )


def _begin(monitoring: Monitoring, parts: Bot) -> None:
    monitoring.health_state.begin(ProcessPhase.RUNNING)
    if monitoring.webhook_route is not None:
        monitoring.webhook_route.open(parts.intake.take)


def _end(monitoring: Monitoring) -> None:
    monitoring.health_state.begin(ProcessPhase.STOPPING)
    if monitoring.webhook_route is not None:
        monitoring.webhook_route.close()


def _loops(resources: Resources, parts: Bot) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Return the loops by name (`bot.supervision.LOOPS`), the intake first."""
    news = {"page_news": parts.page_news.run} if parts.page_news is not None else {}
    if parts.remote is not None:
        news |= {
            "runs": partial(parts.remote.watch, parts.queue),
            "run_news": parts.remote.listen,
        }
    return {
        "intake": partial(
            run_despite,
            TokenRefused,
            parts.intake.run,
            resources.monitoring.health_state,
            resources.clock,
        ),
        "retries": parts.intake.retry,
        "queue": parts.queue.run,
        "retention": Retention(
            resources.ledger.totals, resources.clock, keep=resources.settings.ledger.keep
        ).run,
        "dispatcher": parts.dispatcher.run,
        **news,
        "bot_name": partial(
            keep_name,
            resources.telegram.name,
            resources.telegram.application.bot,
            resources.clock,
        ),
    }


SETTLES: Final = timedelta(seconds=0.2)
"""Time (real) for a front to take back what workers have given back."""


async def _finish(resources: Resources, parts: Bot) -> None:
    """Let what runs here end. What runs elsewhere goes on; what was given back is shown as it is
    from now on.
    """
    remote, queue = parts.remote, parts.queue
    if remote is None:
        await queue.finish(resources.settings.stop.grace)
        return
    queue.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(remote.look(queue), LAST_WORDS.total_seconds())
    await queue.finish(SETTLES)


async def _run(
    resources: Resources,
    parts: Bot,
    supervisor: Supervisor,
    endings: Sequence[asyncio.Task[None]],
    stop: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    intake, *others = (
        asyncio.create_task(supervisor.keep(name, run), name=name)
        for name, run in _loops(resources, parts).items()
    )
    try:
        log.info(
            "ready", bot=resources.telegram.name.current, mode=resources.settings.link.mode.value
        )
        _begin(resources.monitoring, parts)
        ready(resources.telegram.name.current)
        await until_stopped(stop, [intake, *others, *endings])
        log.info("stopping", grace=resources.settings.stop.grace.total_seconds())
        _end(resources.monitoring)
        resources.links.database.hurry()
        intake.cancel()
        await _finish(resources, parts)
        resources.spool.keeps = True
        if isinstance(parts.source, LocalFiles):
            parts.source.keeps = True
        # In parallel, because each may take as long as the time given to hanging threads. What
        # runs elsewhere is shown as it is until the end.
        stopping = [] if parts.remote is not None else [parts.queue.stop()]
        await asyncio.gather(*stopping, end([*others, *endings]))
    finally:
        await end([intake, *others])
    parts.status_sender.paused = True
    with UnitEdge(resources.monitoring.metrics).contain(Unit.LOOP, "dispatcher"):
        await parts.dispatcher.last_words(LAST_WORDS.total_seconds())
    await parts.queue.stop()
