"""Relaying one file from a shell: a job like any other, run here to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.adapters.ledger.database import bot_runs, open_database, sending
from bot.adapters.ledger.ledger import SqlCliJobs, SqlLedger
from bot.adapters.oss.access_checks import BucketProbe, BucketUnfit
from bot.adapters.oss.bucket import OssLinkSigner
from bot.cli.common import CommandFailed
from bot.cli.send.files import Input, ShellFiles
from bot.clock import StoreClockKeeper, SystemClock
from bot.core.files import LinkMode, key_prefix
from bot.core.jobs import (
    Job,
    JobState,
    ProgressMeter,
    StopReason,
    StoredObject,
    shell_origin,
)
from bot.core.ports import Clock
from bot.core.ports.pages import page_url
from bot.jobs.queue import RunningJob
from bot.jobs.reaper import Reaper
from bot.jobs.runner import JobLifecycle, JobRunner, Signals
from bot.settings import Settings
from bot.transfer.pool import TransferPool
from bot.transfer.spool import boot_id
from bot.wiring.bot import build_relay
from bot.wiring.resources import StoreAccess, open_store_access, refuse_unrenewable_key

_NEEDED_FOR: Final = {LinkMode.PUBLIC: "ends a link", LinkMode.PAGE: "opens a link"}
"""What a running bot is needed for, by mode."""

Wait = Callable[[str, datetime], None]
"""Called with an error code and the time of the next attempt."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A relayed file. Its link is a secret: never log it."""

    name: str
    link: str = field(repr=False)
    expires_at: datetime
    size: int
    sha256: str


class SendFailed(Exception):
    """A file that was not relayed. `code` is that of the error, see `docs/errors.md`."""

    def __init__(self, name: str, code: str) -> None:
        super().__init__(f"{name}: {code}")
        self.code = code


class FileSender:
    """Sends files, one after the other. Usable inside `open_sender`.

    `beside_bot` is whether a bot runs on the same ledger; without one the bytes of an expired link
    are deleted at the bot's next start.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ledger: SqlLedger,
        shell: SqlCliJobs,
        line: StoreAccess,
        *,
        beside_bot: bool,
    ) -> None:
        self.beside_bot = beside_bot
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._shell = shell
        self._line = line
        self._signals = Signals()
        self._lifecycle = JobLifecycle(ledger.jobs, clock, self._signals)

    async def check(self) -> None:
        """Raise an error if the deadline or the privacy of links could not be guaranteed.

        Raises:
            OperationImpossible: only a running bot ends public links or shows pages, and none
                runs; or private objects can be read anonymously; or links cannot be opened, or
                objects not deleted.
            StoreError: OSS cannot be reached, or refuses.
        """
        mode, oss = self._settings.link.mode, self._line.oss
        if mode in _NEEDED_FOR and not self.beside_bot:
            raise CommandFailed(
                f'with link.mode = "{mode}" only a running bot {_NEEDED_FOR[mode]}, and none runs'
                f" on {self._settings.ledger.place}; start it, or send with signed links:"
                " RELAY_LINK__MODE=signed relay-bot send …"
            )
        probe = BucketProbe(oss, self._line.store, OssLinkSigner(oss, mode), mode)
        prefix = key_prefix(self._settings.telegram.bot_id)
        try:
            await self._line.threads.call(lambda: probe.check(prefix))
        except BucketUnfit as error:
            raise CommandFailed(str(error)) from error

    async def send(self, given: Input, meter: ProgressMeter, *, on_wait: Wait) -> Sent:
        """Relay one file and return its link. On cancel everything is undone before
        `CancelledError` is raised.

        Raises:
            SendFailed: the job failed; nothing of it is left.
            OperationImpossible: its link expired before it could be shown.
        """
        file = given.describe()
        origin = shell_origin(self._settings.telegram.bot_id)
        job = await self._shell.accept(origin, file, self._clock.now())
        running = RunningJob(job.id, origin.owner_id, self._clock.now(), meter)
        async with (
            TransferPool(self._settings.transfer.connections_per_file) as pool,
            TransferPool(1) as disk,
        ):
            attempts = self._attempts(given, pool, disk)
            try:
                await self._run(attempts, running, on_wait)
            finally:
                await self._sweep()
        return await self._outcome(job)

    def _attempts(self, given: Input, pool: TransferPool, disk: TransferPool) -> JobRunner:
        settings = self._settings
        files = ShellFiles(given, disk, settings.spool.folder, keep_free=settings.spool.keep_free)
        relay = build_relay(
            settings,
            files,
            self._line.store,
            pool,
            self._ledger.objects,
            self._line.oss.link_clock,
            link_limit=self._line.link_limit,
        )
        return JobRunner(relay, self._ledger.jobs, self._lifecycle, self._clock)

    async def _run(self, attempts: JobRunner, running: RunningJob, on_wait: Wait) -> None:
        while again_at := await self._attempt(attempts, running):
            job = await self._ledger.jobs.get(running.job_id)
            on_wait((job.error_code if job else None) or "unexpected", again_at)
            try:
                await self._clock.sleep_until(again_at)
            except asyncio.CancelledError:
                await self._lifecycle.cancel_waiting(running.job_id)
                raise

    async def _attempt(self, attempts: JobRunner, running: RunningJob) -> datetime | None:
        task = asyncio.ensure_future(attempts.run(running))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Ctrl-C asks that nothing of the file stays.
            running.stop = StopReason.USER
            task.cancel()
            await asyncio.wait({task})
            raise

    async def _sweep(self) -> None:
        """Delete what is due, above all what a failure of this file has left in OSS, and store the
        measured offset of OSS's clock.
        """
        line = self._line
        keeper = StoreClockKeeper(
            line.oss.time,
            self._ledger.offset,
            line.store,
            line.threads,
            prefix=key_prefix(self._settings.telegram.bot_id),
        )
        reaper = Reaper(
            self._ledger.objects,
            line.store,
            line.threads,
            line.oss.link_clock,
            self._signals,
            store_of=line.stores.of,
            time=keeper,
        )
        await keeper.correct()
        await reaper.sweep()

    async def _outcome(self, job: Job) -> Sent:
        ended = await self._ledger.jobs.get(job.id)
        if ended is None or ended.state is not JobState.DONE:
            code = ended.error_code if ended is not None else None
            raise SendFailed(job.file.name, code or "unexpected")
        stored = (await self._ledger.objects.of_jobs([job.id]))[job.id]
        now = self._line.oss.link_clock.now()
        if not stored.has_open_link(now):
            raise CommandFailed(
                f"{job.file.name}: its link expired before it could be shown; link.lifetime is"
                f" {self._settings.link.lifetime.total_seconds():g} s"
            )
        link = await self._link(stored, now)
        return Sent(job.file.name, link, stored.due_at, ended.size or 0, ended.sha256 or "")

    async def _link(self, stored: StoredObject, now: datetime) -> str:
        url = self._settings.web.url
        if stored.placement.mode is LinkMode.PAGE and url is not None:
            content = await self._ledger.pages.create(stored.job_id)
            if content is not None:
                return page_url(url, content.page.token)
        signer = OssLinkSigner(self._line.oss, self._settings.link.mode)
        return signer.link(
            stored.key, expires_at=stored.due_at, now=now, placement=stored.placement
        )


@asynccontextmanager
async def open_sender(settings: Settings, clock: Clock | None = None) -> AsyncIterator[FileSender]:
    """Open ledger and OSS for sending, beside a running bot or without one.

    Raises:
        OperationImpossible: see `FileSender.check`.
        LedgerError: the ledger cannot be used.
        StoreError: OSS cannot be reached, or refuses.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.ledger.place))
        ledger = SqlLedger(database, boot_id=boot_id())
        mark = await stack.enter_async_context(sending(database))
        if await mark.take_alone():
            # Jobs of a command that was killed.
            await JobLifecycle(ledger.jobs, clock, Signals()).end_left_by_shells()
        await mark.share()
        line = await stack.enter_async_context(open_store_access(settings, clock))
        await line.first_key()
        refuse_unrenewable_key(settings, line.oss)
        line.oss.time.start_with(await ledger.offset.oss_offset())
        sender = FileSender(
            settings, clock, ledger, SqlCliJobs(database), line,
            beside_bot=await bot_runs(settings.ledger.place),
        )  # fmt: skip
        await sender.check()
        yield sender
