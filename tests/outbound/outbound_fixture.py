"""Everything that speaks, on a real ledger, driven step by step: calls end before time goes on."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Job, Placement, StopReason, StoredObject
from bot.core.limits import OwnerLimits
from bot.core.ports.ledger import OutboxKind, OutboxMessage, PendingWork, Priority
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.core.ports.views import Answer, AnswerItem, StatusMessage, View, Welcome
from bot.jobs.queue import JobQueue, RunningJob
from bot.jobs.runner import Signals
from bot.outbound.answer_delivery import AnswerCalls, AnswerDelivery, Reactions, Repetitions
from bot.outbound.answers import AnswerSender
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.dispatcher import ChatDispatcher, Sender
from bot.outbound.outbox import OutboxSender
from bot.outbound.status_messages import StatusMessageSender
from bot.outbound.views import AnswerViews, JobViews, OverviewViews, StatisticsViews, Views
from bot.sandbox.clock import SandboxClock
from bot.transfer.spool import Spool
from tests.fakes import samples
from tests.fakes.messenger import FakeMessenger, Said
from tests.fakes.samples import LIFETIME, NOW, OWNER

MOST_ROUNDS = 300
"""More rounds than any test needs at one time: it is a loop without an end."""


class FakeSigner:
    """Fulfils the `LinkSigner` port; `key_ends_at` is that of a token."""

    key_ends_at: datetime | None = None

    def end_of(self, expires_at: datetime, placement: Placement = Placement()) -> datetime:  # noqa: ARG002, B008 -- the port's.
        """Return when a link made now ends."""
        return min(expires_at, self.key_ends_at or expires_at)

    def link(
        self,
        key: str,
        *,
        expires_at: datetime,
        now: datetime,
        placement: Placement = Placement(),  # noqa: B008 -- frozen.
    ) -> str:
        """Return a link that tells its key and its end; raises what the real one does."""
        if expires_at - now < timedelta(seconds=1):
            raise ValueError("a link must have at least a second to live")
        bucket = placement.bucket or "bucket"
        return f"https://{bucket}.example/{key}?until={expires_at.timestamp():.0f}"


class StillQueue(JobQueue):
    """A queue that starts nothing; what runs is what the test says."""

    def __init__(self, clock: SandboxClock) -> None:
        super().__init__(self._never, clock, at_once=1, per_owner=1)
        self.runs: dict[int, RunningJob] = {}

    async def _never(self, running: RunningJob) -> datetime | None:
        raise AssertionError(f"job {running.job_id} must not be started")

    def running(self, job_id: int) -> RunningJob | None:
        """Return a job that the test lets run."""
        return self.runs.get(job_id)


class NoOutbox:
    """Fulfils the `Outbox` port: always empty."""

    async def post(self, message: OutboxMessage, now: datetime) -> bool:  # noqa: ARG002 -- the port has it.
        """Refuse to store."""
        raise AssertionError(f"{message} must not be posted")

    async def pending_work(self, limit: int) -> PendingWork:  # noqa: ARG002 -- the port has it.
        """Return no messages; there may be other work."""
        return PendingWork((), has_answers=True, has_status_messages=True)

    async def delivered(self, row_id: int) -> None:
        """Refuse: there are no rows."""
        raise AssertionError(f"there is no row {row_id}")

    async def begin_attempt(self, row_id: int) -> int:
        """Refuse: there are no rows."""
        raise AssertionError(f"there is no row {row_id}")

    async def failed(self, row_id: int, code: str) -> None:
        """Refuse: there are no rows."""
        raise AssertionError(f"there is no row {row_id}: {code}")

    async def set_aside(self, row_id: int, code: str) -> None:
        """Refuse: there are no rows."""
        raise AssertionError(f"there is no row {row_id}: {code}")


class OutboundFixture:
    """The senders of answers, replies, reactions and status messages, with a chat service that
    minds flood limits.
    """

    def __init__(self, database: Database, *, reactions: bool = False) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.messenger = FakeMessenger(self.clock)
        self.signals = Signals()
        self.queue = StillQueue(self.clock)
        self.migrations = ChatMigrations(self.ledger.chats)
        self.views = self._views()
        self.reactions = Reactions(self.ledger.outbox, self.clock, enabled=reactions)
        self.restart()

    def _views(self) -> Views:
        spool = Spool(Path(tempfile.gettempdir()), quota=10 << 20, keep_free=0)
        jobs = JobViews(self.queue, FakeSigner(), self.clock)
        return Views(
            jobs=jobs,
            answers=AnswerViews(self.ledger, jobs, self.migrations, self.clock),
            overviews=self.overviews(jobs),
            statistics=StatisticsViews(
                self.ledger,
                self.queue,
                spool,
                self.clock,
                [("program", "1.2")],
                link_clock=self.clock,
            ),
            welcome=Welcome(20 << 20, LIFETIME),
        )

    def overviews(self, jobs: JobViews, limits: OwnerLimits | None = None) -> OverviewViews:
        """Return overviews with limits of owners, without any by default."""
        return OverviewViews(
            self.ledger, jobs, self.migrations, self.clock, limits or OwnerLimits()
        )

    def restart(self, metrics: Metrics | None = None) -> None:
        """Forget everything but the ledger, as a new process has."""
        ledger, messenger, clock = self.ledger, self.messenger, self.clock
        self.status_sender = StatusMessageSender(
            ledger, messenger, self.views.jobs, clock, self.migrations, metrics
        )
        delivery = AnswerDelivery(ledger, self.migrations, clock)
        calls = AnswerCalls(
            ledger,
            messenger,
            self.views.answers,
            delivery,
            self.reactions,
            metrics or NoMetrics(),
        )
        senders: list[Sender] = [
            AnswerSender(ledger, calls, delivery, Repetitions(messenger, clock), clock),
            OutboxSender(ledger.outbox, messenger, self.views),
            self.status_sender,
        ]
        self.dispatcher = ChatDispatcher(
            senders, ledger.outbox, self.signals.outbox, clock, metrics=metrics
        )
        self.calls, self.rate_limits = self.dispatcher.calls, self.dispatcher.rate_limits

    async def speak(self) -> datetime | None:
        """Let the senders send all that is due now; return when there may be more."""
        for _ in range(MOST_ROUNDS):
            moment = await self.round()
            await self.until_calls_end()
            if not self.signals.outbox.is_set() and (moment is None or moment > self.clock.now()):
                return moment
        raise AssertionError("they never stop talking")

    async def round(self) -> datetime | None:
        """Begin a round, and do not wait for the calls that it starts."""
        self.signals.outbox.clear()
        return await self.dispatcher.round()

    async def until_calls_end(self) -> None:
        """Wait until no call is under way except those that are held."""
        # A private seam, because only tests want to know whether nothing is under way.
        while under_way := set(self.calls._tasks.values()) - self.messenger.held:
            self.messenger.holding.clear()
            held = asyncio.ensure_future(self.messenger.holding.wait())
            await asyncio.wait([*under_way, held], return_when=asyncio.FIRST_COMPLETED)
            held.cancel()

    async def after(self, seconds: float) -> None:
        """Let time pass, and the senders send as soon as it is possible."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while True:
            moment = await self.speak()
            if self.clock.now() >= end:
                return
            self.clock.advance(min(moment or end, end) - self.clock.now())

    async def accept(
        self,
        chat_id: int = OWNER,
        *,
        name: str = "report.pdf",
        thread_id: int | None = None,
    ) -> Job:
        """Accept a file."""
        return await samples.accept(
            self.ledger, chat_id=chat_id, name=name, thread_id=thread_id, now=self.clock.now()
        )

    async def run(self, job: Job, *, total: int = 1000) -> RunningJob:
        """Let a job run; its meter is the test's to move."""
        running = RunningJob(job.id, job.origin.owner_id, self.clock.now())
        running.meter.total = total
        await samples.acquire(self.ledger, job, self.clock.now())
        self.queue.runs[job.id] = running
        return running

    async def done(self, job: Job) -> StoredObject:
        """Take a job to its link."""
        now = self.clock.now()
        current = await samples.get(self.ledger, job)
        if self.queue.runs.pop(job.id, None) is None:
            current = await samples.acquire(self.ledger, job, now)
        stored = await samples.plan(self.ledger, current, now)
        assert await self.ledger.jobs.finish(current, stored, samples.a_result(now), now)
        return (await self.ledger.objects.of_jobs([job.id]))[job.id]

    async def fail(self, job: Job, code: str = "disk_full") -> None:
        """Give a job up."""
        now = self.clock.now()
        current = await samples.get(self.ledger, job)
        if self.queue.runs.pop(job.id, None) is None:
            current = await samples.acquire(self.ledger, job, now)
        assert await self.ledger.jobs.fail(current, code, {}, now)

    async def cancel(self, job: Job) -> None:
        """Cancel a job."""
        self.queue.runs.pop(job.id, None)
        current = await samples.get(self.ledger, job)
        assert await self.ledger.jobs.cancel(current, self.clock.now())

    async def press_cancel(self, running: RunningJob) -> None:
        """Let a running job get the cancel of its user."""
        running.stop = StopReason.USER

    async def gone(self, *stored: StoredObject) -> None:
        """Let links end."""
        await self.ledger.objects.gone([found.id for found in stored], self.clock.now())

    async def finish_many(
        self, count: int, chat_id: int = OWNER, *, thread_id: int | None = None
    ) -> list[Job]:
        """Take many new jobs to their links."""
        jobs = [await self.accept(chat_id, thread_id=thread_id) for _ in range(count)]
        for job in jobs:
            await self.done(job)
        return jobs

    async def post(
        self,
        name: str = "help-any-text",
        *,
        chat_id: int = OWNER,
        kind: OutboxKind = OutboxKind.NOTICE,
    ) -> bool:
        """Put a reply into the outbox."""
        is_press = kind is OutboxKind.PRESS
        payload: dict[str, str | int] = {"name": name}
        if is_press:
            payload["query_id"] = name
        message = OutboxMessage(
            kind,
            Priority.PRESS if is_press else Priority.REPLY,
            chat_id,
            "en",
            dedupe=f"{kind}:{name}:{chat_id}",
            reply_to=1,
            owner_id=abs(chat_id),
            payload=payload,
        )
        return await self.ledger.outbox.post(message, self.clock.now())

    @property
    def answers(self) -> list[Said]:
        """Answers as they were sent, in order."""
        return [said for said in self.messenger.said if isinstance(said.view, Answer)]

    @property
    def status_messages(self) -> list[Said]:
        """Status messages as they were sent and edited, in order."""
        return [said for said in self.messenger.said if isinstance(said.view, StatusMessage)]


def items_of(said: Said | View | None) -> tuple[AnswerItem, ...]:
    """Return what an answer says."""
    view = said.view if isinstance(said, Said) else said
    assert isinstance(view, Answer)
    return view.items


def ids_of(said: Said | View | None) -> list[int]:
    """Return which jobs an answer concludes."""
    return [item.job_id for item in items_of(said)]


def answered(answers: Sequence[Said]) -> list[int]:
    """Return which jobs several answers conclude, in order."""
    return [job_id for said in answers for job_id in ids_of(said)]


def seconds(moments: Sequence[Said]) -> list[float]:
    """Return when calls were made, in seconds since the start."""
    return [(said.at - NOW).total_seconds() for said in moments]
