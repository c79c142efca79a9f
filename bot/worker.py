"""The lifetime of a worker: a process that fetches and uploads files for a front, beside others.

It holds a lease of its own. One whose lease is another's writes nothing any more, and ends.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from bot import __version__
from bot.adapters.engine import ProcrastinateEngine
from bot.adapters.ledger.worker_runs import SqlWorker, SqlWorkerJobs
from bot.adapters.telegram.files import CloudFiles
from bot.adapters.telegram.local_files import LocalFiles
from bot.adapters.telegram.request import TokenRefused
from bot.clock import SystemClock, briefly, end, unless_stopped, until_stopped
from bot.core.errors import (
    DiskError,
    LedgerLocked,
    RelayError,
    StoreError,
    StoreForbidden,
    StoreKeyRefused,
    leaf,
)
from bot.core.ports import Clock
from bot.core.ports.runs import Role
from bot.jobs.reaper import Reaper
from bot.jobs.remote import RunWorker
from bot.jobs.runner import JobLifecycle
from bot.settings import Settings
from bot.supervision import TOKEN, WORKER, ProcessPhase, Supervisor
from bot.transfer.spool import boot_id
from bot.wiring.bot import build_reaper, build_runner, build_source, file_trouble_of
from bot.wiring.monitoring import MonitoredParts, folder_trouble, open_monitoring
from bot.wiring.resources import (
    Resources,
    hold,
    open_bot_telegram,
    open_link_resources,
    open_resources,
)
from bot.wiring.roles import engine_of, place_of

log = structlog.stdlib.get_logger(__name__)

TIDY_EVERY: Final = 5.0
"""Seconds (real) between two looks at the spool."""
DENIED_FOR: Final = 60.0
"""Seconds (real) for which a worker takes no jobs whose key lacks a right: only the next file can
tell whether it has it now.
"""
LOOK_AGAIN_AFTER: Final = 5.0
"""Seconds (real) between two looks at what keeps a worker from taking jobs."""


class MachineCheck:
    """Whether this machine can relay files: a worker that cannot would fail those that others
    could relay, and be the quickest to take the next.

    An access key that OSS does not know is no reason to fail a file: other workers have other
    keys, and an operator repairs this one. A right that the key lacks may be lacking everywhere,
    so the file goes to another worker only where there is one that takes jobs; the last one fails
    it. So it is with a disk that takes no file.

    `file_trouble` returns why the files cannot be seen here, or nothing; it blocks.
    """

    def __init__(
        self,
        resources: Resources,
        ledger: SqlWorker,
        reaper: Reaper,
        file_trouble: Callable[[], str],
    ) -> None:
        self._threads = resources.threads
        self._prefix = resources.prefix
        self._ledger = ledger
        self._reaper = reaper
        self._file_trouble = file_trouble
        self._denied: RelayError | None = None
        self._denied_until = 0.0
        self.failed = asyncio.Event()
        """Set when an attempt has failed because of this machine, or its key is refused."""

    async def note(self, error: RelayError) -> bool:
        """Return whether an attempt failed so that another machine may do it, and take no jobs
        from then on.
        """
        # The errors below it are about the bucket, and so alike for all keys.
        is_denied = isinstance(error, StoreForbidden) and error.code == StoreForbidden.code
        if is_denied or isinstance(error, DiskError):
            if not await self._ledger.has_others():
                return False
            self._denied, self._denied_until = error, time.monotonic() + DENIED_FOR
        elif isinstance(error, StoreKeyRefused):
            self._reaper.leave_to_others()
        else:
            return False
        self.failed.set()
        return True

    async def trouble(self) -> tuple[str, str] | None:
        """Return why no job can be relayed here, if that is so, and the code of the error of OSS
        or of the disk, or "". OSS itself may be away: each job says so.
        """
        if why := await asyncio.to_thread(self._file_trouble):
            return why, ""
        if self._denied is not None and time.monotonic() < self._denied_until:
            return str(self._denied), self._denied.code
        self._denied = None
        uploads = self._threads.store.list_uploads
        try:
            await self._threads.call(lambda: next(iter(uploads(self._prefix)), None))
        except StoreKeyRefused as error:
            self._reaper.leave_to_others()
            self.failed.set()
            return str(error), error.code
        except StoreError as error:
            log.warning("cannot check the access key", code=error.code)
        self.failed.clear()
        return None


@dataclass(frozen=True)
class Worker:
    """The parts of a worker that run, and those that starting and stopping need."""

    runs: RunWorker
    ledger: SqlWorker
    engine: ProcrastinateEngine
    source: CloudFiles | LocalFiles
    place: str
    reaper: Reaper
    """Beside that of the front: links end also while no front is there."""
    machine: MachineCheck
    obstacles: dict[str, str]


def build_worker(resources: Resources) -> Worker:
    """Build what takes runs and relays their files. Looks at the folder of the files."""
    links, settings = resources.links, resources.settings
    lease = links.database.lease
    assert lease is not None  # noqa: S101 -- for the type checker: it was opened with one.
    metrics = links.monitoring.metrics
    source = build_source(resources)
    place, root = place_of(settings)
    file_root = settings.telegram.file_root
    oss_time = links.store.oss.time
    ledger = SqlWorker(
        links.database,
        lease,
        oss_time,
        links.link_clock.now,
        place=place,
        root=root,
        version=__version__,
    )
    runs = RunWorker(ledger, links.clock, metrics)
    jobs = SqlWorkerJobs(links.database, lease, runs.run_of, ledger.tell_time, boot_id=boot_id())
    lifecycle = JobLifecycle(jobs, links.clock, links.signals, metrics)
    runner = build_runner(resources, source, jobs, lifecycle)
    reaper = build_reaper(links, is_beside_others=True)
    machine = MachineCheck(
        resources,
        ledger,
        reaper,
        lambda: "" if file_root is None else folder_trouble(file_root),
    )
    runner.is_of_this_machine = machine.note
    runs.run = runner.run
    links.monitoring.observe(
        MonitoredParts(runs, resources.spool, file_trouble_of(file_root, source))
    )
    return Worker(
        runs=runs,
        ledger=ledger,
        engine=engine_of(settings),
        source=source,
        place=place,
        reaper=reaper,
        machine=machine,
        obstacles=links.monitoring.health_state.obstacles,
    )


async def serve_worker(
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda _: None,
    stands_by: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a worker until `stop` is set; `ready` is called with its name once it takes jobs, and
    `stands_by` with what it waits for before.

    Raises:
        LedgerError: the ledger cannot be used, or the lease was lost to another process.
        TokenRefused: Telegram does not know the token, and no link is live.
        StoreKeyRefused: there is no access key at all.
        PortTaken: `web.port` is not to be had.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        try:
            opened = await unless_stopped(stop, _open(settings, clock, stack, stands_by))
            if opened is not None:
                await _run(*opened, stop, ready)
        except ExceptionGroup as group:
            raise leaf(group) from group


async def _open(
    settings: Settings, clock: Clock, stack: AsyncExitStack, stands_by: Callable[[str], None]
) -> tuple[Resources, Worker]:
    monitoring = await open_monitoring(settings, clock, stack, Role.WORKER)
    monitoring.stands_by = stands_by
    links = await open_link_resources(settings, clock, stack, monitoring, Role.WORKER)
    # Before a file is relayed, because its deadline counts by the time of OSS.
    await links.clock_keeper.is_known()
    telegram = await hold(links, TOKEN, TokenRefused, lambda: open_bot_telegram(links, stack))
    resources = await open_resources(links, telegram, stack)
    parts = build_worker(resources)
    if isinstance(parts.source, CloudFiles):
        stack.push_async_callback(parts.source.close)
    await _sweep(resources, parts)
    return resources, parts


async def _sweep(resources: Resources, parts: Worker) -> None:
    """Remove what an earlier process has left, but for the files of jobs that may come again."""
    unfinished = await resources.ledger.jobs.unfinished()
    this_boot = boot_id()
    resources.trusted.update(job.id for job in unfinished if job.boot_id == this_boot != "")
    await _remove_left(resources, parts)
    try:
        if isinstance(parts.source, LocalFiles):
            await parts.source.sweep()
    except DiskError as error:
        log.warning("cannot sweep the spool", code=error.code, why=str(error))


async def _remove_left(resources: Resources, parts: Worker) -> None:
    """Remove the files of jobs that have ended, here or elsewhere."""
    try:
        left = resources.spool.sizes().keys() - parts.runs.jobs
        if left:
            unfinished = {job.id for job in await resources.ledger.jobs.unfinished()}
            # Those that run here now, because one may have begun since the ledger was read.
            resources.spool.sweep(unfinished | parts.runs.jobs)
    except DiskError as error:
        log.warning("cannot sweep the spool", code=error.code, why=str(error))


async def _tidy(resources: Resources, parts: Worker) -> None:
    """Remove what earlier attempts have left, once their jobs have ended elsewhere."""
    while True:
        await asyncio.sleep(TIDY_EVERY)
        await _remove_left(resources, parts)


def _loops(
    resources: Resources, parts: Worker
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    links = resources.links
    return {
        "engine": partial(_work, parts, links.settings.transfer.at_once),
        "spool": partial(_tidy, resources, parts),
        "progress": parts.runs.tell,
        "runs": parts.runs.compare,
        "reaper": partial(parts.reaper.run, None),
        "ledger_watch": links.database.watch,
    }


async def _work(parts: Worker, slots: int) -> None:
    """Take jobs while this machine can relay their files."""
    while True:
        await _until_fit(parts)
        await parts.ledger.register(slots)
        handle, aborted = parts.runs.handle, parts.runs.aborted
        work = asyncio.create_task(parts.engine.work(slots, parts.place, handle, aborted))
        failed = asyncio.create_task(parts.machine.failed.wait())
        try:
            await asyncio.wait({work, failed}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            # What runs goes on.
            await end([work, failed])
        await parts.ledger.register(0)


async def _until_fit(parts: Worker) -> None:
    """Wait until nothing keeps this worker from relaying files, and let the front know why."""
    said = ""
    while found := await parts.machine.trouble():
        why, code = found
        # An error of OSS names its request, which is another one each time.
        if (reason := code or why) != said:
            log.warning("no job is taken", why=why)
            await parts.ledger.register(0, code)
        parts.obstacles[WORKER] = f"no job is taken: {why}"
        said = reason
        await asyncio.sleep(LOOK_AGAIN_AFTER)
    parts.obstacles.pop(WORKER, None)


async def _run(
    resources: Resources, parts: Worker, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    links, settings = resources.links, resources.settings
    supervisor = Supervisor(links.monitoring.metrics, fatal=(LedgerLocked,))
    links.monitoring.readiness.add({"loops": supervisor.trouble, "engine": parts.engine.trouble})
    engine, *others = (
        asyncio.create_task(supervisor.keep(name, run), name=name)
        for name, run in _loops(resources, parts).items()
    )
    try:
        log.info("ready", worker=settings.worker_name, slots=settings.transfer.at_once)
        links.monitoring.health_state.begin(ProcessPhase.RUNNING)
        ready(settings.worker_name)
        await until_stopped(stop, [engine, *others])
        log.info("stopping", grace=settings.stop.grace.total_seconds())
        links.monitoring.health_state.begin(ProcessPhase.STOPPING)
        links.database.hurry()
        # The front hands nothing over any more. Not waited for where the server is away.
        await briefly(parts.ledger.register(0))
        await end([engine])
        await parts.runs.finish(settings.stop.grace)
        resources.spool.keeps = True
        if isinstance(parts.source, LocalFiles):
            parts.source.keeps = True
        await parts.runs.stop()
        # A worker of this name may never begin again.
        await briefly(_remove_left(resources, parts))
    finally:
        await end([engine, *others])
