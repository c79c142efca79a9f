"""Deferred requests with everything around them, on a real ledger, driven step by step."""

from datetime import datetime, timedelta
from itertools import count

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.ledger import OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access, RequestKind
from bot.inbound.actions import JobActions
from bot.inbound.deferred import DeferredRequests, RequestHandler
from bot.jobs.queue import JobQueue
from bot.jobs.runner import JobLifecycle, Signals
from bot.outbound.dispatcher import ChatDispatcher
from bot.sandbox.clock import SandboxClock
from tests.fakes.members import FakeMembers
from tests.fakes.messenger import FakeMessenger
from tests.fakes.samples import GROUP, NOW
from tests.outbound.outbound_fixture import StillQueue

CHIEF, MEMBER, BOT_ADMIN = 31, 32, 33


class DeferredFixture:
    """`CHIEF` looks after `GROUP`, `MEMBER` is just in it, `BOT_ADMIN` looks after the bot."""

    def __init__(self, database: Database) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.signals = Signals()
        self.lifecycle = JobLifecycle(self.ledger.jobs, self.clock, self.signals)
        self.queue: JobQueue = StillQueue(self.clock)
        self.members = FakeMembers(admins={(GROUP, CHIEF)})
        self.messenger = FakeMessenger(self.clock)
        self.access = Access(self.ledger.chats, users=(), admins={BOT_ADMIN}, groups={GROUP})
        self.actions = JobActions(self.ledger, self.queue, self.clock, self.lifecycle)
        self.request_handler = RequestHandler(
            self.ledger, self.access, self.actions, self.members, self.messenger
        )
        deferred = DeferredRequests(self.ledger.outbox, self.request_handler, self.clock)
        self.dispatcher = ChatDispatcher(
            [deferred], self.ledger.outbox, self.signals.outbox, self.clock
        )
        self._numbers = count(1)

    async def request(
        self,
        kind: RequestKind,
        by: int | None = MEMBER,
        *,
        chat_id: int = GROUP,
        **payload: str | int,
    ) -> None:
        """Put a request into the outbox, as the use cases do."""
        number = next(self._numbers)
        is_press = "query_id" in payload
        message = OutboxMessage(
            OutboxKind.REQUEST,
            Priority.PRESS if is_press else Priority.REPLY,
            chat_id,
            "en",
            dedupe=f"request-{number}",
            reply_to=None if is_press or by is None else number,
            owner_id=by,
            payload={"do": kind.value, **payload},
        )
        assert await self.ledger.outbox.post(message, self.clock.now())

    async def serve(self, after: float = 0.0) -> datetime | None:
        """Serve the requests that are due, `after` seconds; return when there may be more."""
        self.clock.advance(timedelta(seconds=after))
        moment = None
        for _ in range(10):
            moment = await self.dispatcher.round()
            if self.dispatcher.calls.is_idle:
                break
            await self.dispatcher.calls.drain(5)
        return moment

    async def said(self) -> list[str]:
        """Return the names of what is to be said, in order."""
        pending = (await self.ledger.outbox.pending_work(100)).messages
        return [str(s.payload["name"]) for s in pending if s.kind is not OutboxKind.REQUEST]

    async def waiting(self) -> list[str]:
        """Return what requests wait for, in order."""
        pending = (await self.ledger.outbox.pending_work(100)).messages
        return [str(s.payload["do"]) for s in pending if s.kind is OutboxKind.REQUEST]
