"""Each method of a port that a unit of work calls raises once: it costs one line in the log and
one count, and everything is served all the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import answers, cards, jobs, outbox
from bot.core.files import LinkMode
from bot.core.jobs import JobState, Placement
from bot.core.limits import OwnerLimits
from bot.core.ports.ledger import OutboxKind, OutboxMessage, Priority
from bot.core.ports.views import Answer, Welcome
from bot.inbound.access import Access, RequestKind
from bot.inbound.actions import JobActions
from bot.inbound.deferred import DeferredRequests, RequestHandler
from bot.jobs.queue import JobQueue
from bot.jobs.relay import Relay
from bot.jobs.runner import JobLifecycle, JobRunner, Signals
from bot.outbound.answer_delivery import AnswerCalls, AnswerDelivery, Reactions, Repetitions
from bot.outbound.answers import AnswerSender
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.dispatcher import ChatDispatcher, Sender
from bot.outbound.outbox import OutboxSender
from bot.outbound.status_messages import StatusMessageSender
from bot.outbound.views import AnswerViews, JobViews, OverviewViews, StatisticsViews, Views
from bot.sandbox.clock import SandboxClock
from bot.supervision import Supervisor, Unit, UnitEdge
from bot.transfer.spool import Spool
from tests.fakes.ledger import empty_ledger
from tests.fakes.members import FakeMembers
from tests.fakes.messenger import FakeMessenger
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recorder import Recorder, every, naming, sample
from tests.fakes.samples import GROUP, LIFETIME, NOW, OWNER, accept
from tests.fakes.source import FakeSource
from tests.fakes.uploads import FakeUploads
from tests.outbound.outbound_fixture import FakeSigner

NEIGHBOUR = OWNER + 1
CHIEF = 31
PORTS = {
    "answers", "chats", "jobs", "members", "messenger", "objects", "outbox", "source",
    "status_messages", "uploads",
}  # fmt: skip
MOST_STEPS = 100
MOST_TRIES = 2
"""The try of the fault, and one that was under way beside it."""
COUNTED = {"members", "messenger", "source", "uploads"}
"""Ports of other systems: no call of them is made before it was counted."""


class Everything:
    """Queue, runner, relay and senders on a real ledger, each of their ports recorded."""

    def __init__(
        self, database: Database, recorder: Recorder, earlier: "Everything | None" = None
    ) -> None:
        """`earlier` is the process before a restart: the world around it stays."""
        port, self.recorder = recorder.port, recorder
        self.clock: SandboxClock = earlier.clock if earlier else SandboxClock(NOW, running=False)
        self.metrics: FakeMetrics = earlier.metrics if earlier else FakeMetrics()
        self.messenger: FakeMessenger = earlier.messenger if earlier else FakeMessenger(self.clock)
        self.uploads: FakeUploads = earlier.uploads if earlier else FakeUploads()
        # What the test itself asks is not recorded.
        self.database, self.ledger = database, SqlLedger(database)
        ledger = SqlLedger(database)
        for name in ("jobs", "objects", "answers", "status_messages", "outbox", "chats"):
            setattr(ledger, name, port(name, getattr(ledger, name)))
        self.signals = Signals()
        self.queue = self._build_queue(ledger)
        self.dispatcher = self._build_dispatcher(ledger)

    def _build_queue(self, ledger: SqlLedger) -> JobQueue:
        port, clock = self.recorder.port, self.clock
        self.lifecycle = JobLifecycle(ledger.jobs, clock, self.signals, self.metrics)
        relay = Relay(
            port("source", FakeSource()),
            port("uploads", self.uploads),
            ledger.objects,
            clock,
            lifetime=LIFETIME,
            placement=Placement("bucket", "cn-hongkong", LinkMode.SIGNED),
        )
        runner = JobRunner(relay, ledger.jobs, self.lifecycle, clock, self.metrics)
        return JobQueue(runner.run, clock, at_once=4, per_owner=2, metrics=self.metrics)

    def _build_dispatcher(self, ledger: SqlLedger) -> ChatDispatcher:
        clock, port = self.clock, self.recorder.port
        messenger = port("messenger", self.messenger)
        members = port("members", FakeMembers(admins={(GROUP, CHIEF)}))
        migrations = ChatMigrations(ledger.chats)
        access = Access(ledger.chats, users=(), admins=(), groups={GROUP})
        actions = JobActions(ledger, self.queue, clock, self.lifecycle)
        reactions = Reactions(ledger.outbox, clock, enabled=True)
        jobs = JobViews(self.queue, FakeSigner(), clock)
        views = Views(
            jobs=jobs,
            answers=AnswerViews(ledger, jobs, migrations, clock),
            overviews=OverviewViews(ledger, jobs, migrations, clock, OwnerLimits()),
            statistics=StatisticsViews(
                ledger,
                self.queue,
                Spool(Path("unused"), quota=1, keep_free=0),
                clock,
                link_clock=clock,
            ),
            welcome=Welcome(20 << 20, LIFETIME),
        )
        senders: list[Sender] = [
            DeferredRequests(
                ledger.outbox,
                RequestHandler(ledger, access, actions, members, messenger),
                clock,
            ),
            self._build_answers(ledger, messenger, views.answers, migrations, reactions),
            OutboxSender(ledger.outbox, messenger, views),
            StatusMessageSender(ledger, messenger, jobs, clock, migrations, self.metrics),
        ]
        return ChatDispatcher(
            senders, ledger.outbox, self.signals.outbox, clock, metrics=self.metrics
        )

    def _build_answers(
        self,
        ledger: SqlLedger,
        messenger: FakeMessenger,
        views: AnswerViews,
        migrations: ChatMigrations,
        reactions: Reactions,
    ) -> AnswerSender:
        delivery = AnswerDelivery(ledger, migrations, self.clock)
        calls = AnswerCalls(ledger, messenger, views, delivery, reactions, self.metrics)
        repetitions = Repetitions(messenger, self.clock)
        return AnswerSender(ledger, calls, delivery, repetitions, self.clock)

    async def begin(self) -> None:
        """Let two people send a file each, and ask for one thing of every kind."""
        self.uploads.may_end.clear()
        for owner_id in (OWNER, NEIGHBOUR):
            job = await accept(self.ledger, chat_id=owner_id)
            self.queue.enqueue(job.id, owner_id, NOW)
        await self._post(OutboxKind.NOTICE, {"name": "help-any-text"})
        await self._post(OutboxKind.OVERVIEW, {"listing": "links", "subject": OWNER, "page": 1})
        await self._post(OutboxKind.PRESS, {"query_id": "q"})
        await self._post(OutboxKind.REQUEST, {"do": RequestKind.AUTO.value, "to": "on"}, GROUP)

    async def _post(
        self, kind: OutboxKind, payload: dict[str, str | int], chat_id: int = OWNER
    ) -> None:
        message = OutboxMessage(
            kind,
            Priority.REPLY,
            chat_id,
            "en",
            dedupe=kind.value,
            reply_to=1,
            owner_id=CHIEF,
            payload=payload,
        )
        assert await self.ledger.outbox.post(message, self.clock.now())

    async def step(self) -> None:
        """Let a second pass, and everything be done that is due then."""
        self.clock.advance(timedelta(seconds=1))
        # As the supervisor does with the loop of the dispatcher.
        with UnitEdge(self.metrics).contain(Unit.LOOP, "dispatcher"):
            await self.dispatcher.round()
        await self.dispatcher.calls.drain(5)

    async def is_served(self) -> bool:
        """Whether both files are answered and nothing is left to be said."""
        done = [job.state for job in await self.ledger.jobs.get_many([1, 2])]
        answers = [said for said in self.messenger.said if isinstance(said.view, Answer)]
        left = (await self.ledger.outbox.pending_work(10)).messages
        left_messages = await self.ledger.status_messages.open_status_messages()
        return (
            done == [JobState.DONE] * 2
            and {said.chat_id for said in answers} == {OWNER, NEIGHBOUR}
            and not (left or left_messages)
        )

    async def tries(self) -> dict[str, list[tuple[int, ...]]]:
        """Return how often each unit was tried, by the ledger."""
        columns = {
            "jobs": (jobs.c.failures, jobs.c.crashes),
            "outbox": (outbox.c.tries,),
            "answers": (answers.c.attempts, answers.c.tries),
            "status_messages": (cards.c.attempts,),
        }

        def read(connection: Connection) -> dict[str, list[tuple[int, ...]]]:
            return {
                name: [tuple(row) for row in connection.execute(select(*found))]
                for name, found in columns.items()
            }

        return await self.database.read(read)

    async def resume(self) -> None:
        """Do what a start does with the jobs of the process before."""
        recovered = await self.ledger.jobs.recover(self.clock.now())
        for job in recovered.unfinished:
            self.queue.enqueue(job.id, job.origin.owner_id, job.run_at)

    async def run(self, *, until_failure: bool = False) -> None:
        """Run until everything is served, or until the method has raised."""
        loop = asyncio.create_task(
            Supervisor(self.metrics, first_wait=0).keep("queue", self.queue.run)
        )
        try:
            for step in range(MOST_STEPS):
                await self.step()
                if step == 4:
                    self.uploads.may_end.set()
                if until_failure and self.metrics.unexpected:
                    return
                if step > 4 and await self.is_served():
                    return
            raise AssertionError("not everything was served")
        finally:
            loop.cancel()
            await self.queue.stop()
            await asyncio.wait([loop])


async def one_fault(folder: Path, method: str, error: Exception) -> None:
    """Let one method raise once, and check what that costs."""
    async with empty_ledger(folder / f"{method}-{type(error).__name__}.db") as database:
        stage = Everything(database, Recorder(method, error))
        with capture_logs() as lines:
            await stage.begin()
            await stage.run(until_failure=True)
            before = await stage.tries()
            stage = Everything(database, stage.recorder, stage)
            await stage.resume()
            after = await stage.tries()
            await stage.run()
    traces = [line for line in lines if "exc_info" in line]

    assert [kind for _, kind in stage.metrics.unexpected] == [type(error).__name__]
    assert [line["exc_info"] for line in traces] == [error]
    assert after == before
    assert max(most for rows in after.values() for row in rows for most in row) <= MOST_TRIES
    if method.split(".")[0] in COUNTED:
        assert any(any(row) for rows in after.values() for row in rows)


async def recorded(folder: Path) -> list[str]:
    """Return every method of a port that is called when nothing fails."""
    async with empty_ledger(folder / "whole.db") as database:
        stage = Everything(database, Recorder())
        await stage.begin()
        await stage.run()
    assert stage.metrics.unexpected == []
    return sorted(stage.recorder.called)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cases", [sample, pytest.param(every, marks=pytest.mark.long)])
async def test_every_fault_costs_one_unit(
    tmp_path: Path, cases: Callable[[Sequence[str]], list[tuple[str, Exception]]]
) -> None:
    """One line, the metric one higher; both files and every request are served."""
    methods = await recorded(tmp_path)
    print(f"{len(methods)} methods of ports: {', '.join(methods)}")  # noqa: T201 -- shown by `pytest -s`.
    assert {method.split(".")[0] for method in methods} == PORTS
    for method, error in cases(methods):
        with naming(f"{method} raises {type(error).__name__}"):
            await one_fault(tmp_path, method, error)
