"""The use cases on a real ledger, and the users who send messages."""

from datetime import datetime

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Job, StopReason
from bot.core.limits import OwnerLimits
from bot.core.ports.ledger import OutboxMessage
from bot.inbound.access import Access
from bot.inbound.actions import JobAction, JobActions, JobButtonPress
from bot.inbound.commands import UseCases
from bot.jobs.queue import JobQueue, RunningJob
from bot.jobs.runner import JobLifecycle, Signals
from bot.outbound.chat_migration import ChatMigrations
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW, OWNER

ADMIN, OTHER, STRANGER = 1, 101, 900
LIMIT = 20 << 20


class QueueOfStops(JobQueue):
    """A queue that starts nothing; jobs in `runs` run as far as it knows."""

    def __init__(self, clock: SandboxClock) -> None:
        super().__init__(self._never, clock, at_once=1, per_owner=1)
        self.runs: set[int] = set()
        self.stopped: list[tuple[int, StopReason]] = []

    async def _never(self, running: RunningJob) -> datetime | None:
        raise AssertionError(f"job {running.job_id} must not be started")

    def stop_job(self, job_id: int, reason: StopReason) -> bool:
        """Remember."""
        if job_id not in self.runs:
            return False
        self.stopped.append((job_id, reason))
        return True


class InboundFixture:
    """`OWNER` and `OTHER` are users of the settings, `ADMIN` is an admin, `STRANGER`
    is unknown.
    """

    def __init__(self, database: Database, *, limits: OwnerLimits | None = None) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.queue = QueueOfStops(self.clock)
        self.signals = Signals()
        self.lifecycle = JobLifecycle(self.ledger.jobs, self.clock, self.signals)
        self.access = Access(self.ledger.chats, users={OWNER, OTHER}, admins={ADMIN})
        self.use_cases = UseCases.build(
            ledger=self.ledger,
            queue=self.queue,
            access=self.access,
            actions=JobActions(self.ledger, self.queue, self.clock, self.lifecycle),
            migrations=ChatMigrations(self.ledger.chats),
            clock=self.clock,
            lifecycle=self.lifecycle,
            limit=LIMIT,
            limits=limits,
        )
        self._queries = 0

    async def press(
        self, user_id: int, action: JobAction | None, job_id: int, *, query_id: str = ""
    ) -> str | None:
        """Press a button; return the name of what is said to it, if anything."""
        self._queries += 1
        press = JobButtonPress(
            query_id=query_id or f"query-{self._queries}",
            user_id=user_id,
            chat_id=user_id,
            language="en",
            action=action,
            job_id=job_id,
        )
        await self.use_cases.job_buttons.press(press)
        said = [s for s in await self.said() if s.payload.get("query_id") == press.query_id]
        return str(said[0].payload["name"]) if said else None

    async def said(self) -> list[OutboxMessage]:
        """Return what is to be said, in the order in which it was asked for."""
        return sorted(
            (await self.ledger.outbox.pending_work(100)).messages, key=lambda message: message.id
        )

    async def jobs(self) -> list[Job]:
        """Return all jobs that have not ended."""
        return await self.ledger.jobs.unfinished()
