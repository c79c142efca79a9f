"""Each method of a port that the intake calls raises once: it costs one line in the log, one count
and one try; every update is handled all the same, after a restart too.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from structlog.testing import capture_logs
from telegram.ext import Application
from telegram.request import BaseRequest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import dead_updates, jobs, outbox
from bot.adapters.telegram.buttons import ButtonCodec
from bot.adapters.telegram.handlers import App, Handlers, ProcessedUpdates
from bot.adapters.telegram.intake import ForeignWebhooks, Intake
from bot.adapters.telegram.renderer import BotName
from bot.adapters.telegram.request import RelayBot
from bot.core.errors import leaf
from bot.inbound.access import Access
from bot.inbound.actions import JobActions
from bot.inbound.commands import UseCases
from bot.jobs.runner import JobLifecycle, Signals
from bot.outbound.chat_migration import ChatMigrations
from bot.sandbox.clock import SandboxClock
from bot.supervision import HealthState, Supervisor
from tests.fakes.ledger import empty_ledger
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recorder import Recorder, every, naming, sample
from tests.fakes.samples import BOT_ID, GROUP, NOW, OWNER
from tests.inbound.inbound_fixture import LIMIT, QueueOfStops

NEIGHBOUR, CHIEF, STRANGER = OWNER + 1, 31, 900
DATE = int(NOW.timestamp())
TOKEN = f"{BOT_ID}:token"
USERNAME = "relay_bot"
MOST_STEPS = 200


def _user(id_: int) -> dict[str, Any]:
    return {"id": id_, "is_bot": False, "first_name": "A", "language_code": "en"}


def _from(id_: int, number: int, chat_id: int | None = None, **content: Any) -> dict[str, Any]:
    type_ = "private" if chat_id is None else "supergroup"
    chat: dict[str, Any] = {"id": chat_id or id_, "type": type_}
    head: dict[str, Any] = {"message_id": number, "date": DATE, "chat": chat, "from": _user(id_)}
    return {"message": {**head, **content}}


def _command(id_: int, number: int, text: str, chat_id: int | None = None) -> dict[str, Any]:
    entity = {"type": "bot_command", "offset": 0, "length": len(text.split()[0])}
    return _from(id_, number, chat_id, text=text, entities=[entity])


def _file(name: str) -> dict[str, Any]:
    return {"file_id": name, "file_unique_id": name, "file_name": f"{name}.txt", "file_size": 5}


def _press(language: object) -> dict[str, Any]:
    shown = _from(OWNER, 2, text="x")["message"] | {"from": _user(BOT_ID) | {"is_bot": True}}
    user = _user(OWNER) | {"language_code": language}
    press = {"id": f"q{language}", "from": user, "message": shown, "chat_instance": "1"}
    return {"callback_query": press | {"data": "old"}}


def _membership() -> dict[str, Any]:
    was, now = ({"user": _user(BOT_ID), "status": status} for status in ("left", "member"))
    change: dict[str, Any] = {
        "chat": {"id": GROUP, "type": "supergroup", "title": "T"},
        "from": _user(OWNER),
    }
    change |= {"date": DATE, "old_chat_member": was, "new_chat_member": now}
    return {"my_chat_member": change}


UPDATES: Sequence[dict[str, Any]] = [
    _from(OWNER, 1, document=_file("first")),
    *(
        _command(CHIEF, number, text)
        for number, text in enumerate(
            ("/start", "/help", "/status", "/links", "/cancel", "/language", "/zone Asia/Tokyo",
             "/stats", "/allow 55", "/ban 56 purge", "/unban 56"), 10
        )
    ),
    _command(OWNER, 2, "/auto on", GROUP),
    _command(STRANGER, 1, "/start"),
    _membership(),
    _from(OWNER, 3, -77, migrate_to_chat_id=-1_000_000_000_077),
    _press("en"),
    # Fails in its handler, and not without its optional parts.
    _press([1]),
    {"message": {"message_id": 3, "chat": _from(OWNER, 3)["message"]["chat"], "document": 5}},
    _from(NEIGHBOUR, 1, document=_file("last")),
]  # fmt: skip


class FakeTelegram(BaseRequest):
    """Answers from memory: `getMe`, and polls with updates until they are confirmed."""

    def __init__(self) -> None:
        self.waiting = [{"update_id": n} | update for n, update in enumerate(UPDATES, 1)]
        self.idle = asyncio.Event()
        """Set while a poll waits: everything that came has been confirmed."""

    @property
    def read_timeout(self) -> float | None:
        """Return that there is none."""
        return None

    async def initialize(self) -> None:
        """Do nothing."""

    async def shutdown(self) -> None:
        """Do nothing."""

    async def do_request(self, url: str, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Answer."""
        method = url.rsplit("/", 1)[1].lower()
        result: Any = True
        if method == "getme":
            result = _user(BOT_ID) | {"is_bot": True, "username": USERNAME}
        elif method == "getupdates":
            data = kwargs["request_data"] if "request_data" in kwargs else args[1]
            result = await self._poll(int(data.parameters.get("offset", 0)))
        return 200, json.dumps({"ok": True, "result": result}).encode()

    async def _poll(self, offset: int) -> list[dict[str, Any]]:
        self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
        if not self.waiting:
            self.idle.set()
            await asyncio.Event().wait()
        return self.waiting


class IntakeStage:
    """One life of the intake, on a real ledger, every port of which is recorded."""

    def __init__(
        self, database: Database, recorder: Recorder, telegram: FakeTelegram, metrics: FakeMetrics
    ) -> None:
        self.database, self.telegram, self.metrics = database, telegram, metrics
        self.clock = SandboxClock(NOW, running=False)
        ledger = SqlLedger(database)
        for name in ("jobs", "objects", "answers", "outbox", "chats", "dead_updates", "totals"):
            setattr(ledger, name, recorder.port(name, getattr(ledger, name)))
        self._ledger = ledger
        self.application: App = (
            Application.builder()
            .bot(RelayBot(TOKEN, request=telegram, get_updates_request=telegram))
            .updater(None).job_queue(None).build()
        )  # fmt: skip
        self.intake = self._build()

    def _build(self) -> Intake:
        ledger, clock = self._ledger, self.clock
        queue = QueueOfStops(clock)
        access = Access(ledger.chats, users={OWNER, NEIGHBOUR}, admins={CHIEF}, groups={GROUP})
        lifecycle = JobLifecycle(ledger.jobs, clock, Signals(), self.metrics)
        use_cases = UseCases.build(
            ledger=ledger,
            queue=queue,
            access=access,
            actions=JobActions(ledger, queue, clock, lifecycle),
            migrations=ChatMigrations(ledger.chats),
            clock=clock,
            lifecycle=lifecycle,
            limit=LIMIT,
        )
        processed = ProcessedUpdates()
        codec = ButtonCodec(TOKEN.encode())
        Handlers(use_cases, codec, processed, bot_id=BOT_ID, name=BotName(USERNAME)).register(
            self.application
        )
        return Intake(
            self.application,
            processed,
            ledger.dead_updates,
            clock,
            ForeignWebhooks(HealthState(clock), clock),
            hold=queue.hold,
            tell=use_cases.replies,
            metrics=self.metrics,
        )

    async def live(self, *, until: Callable[[], Any]) -> None:
        """Run the loops as the process does, until something is done, and stop them."""
        supervisor = Supervisor(self.metrics, first_wait=0)
        async with self.application:
            loops = [
                asyncio.create_task(supervisor.keep("intake", self.intake.run)),
                asyncio.create_task(supervisor.keep("retries", self.intake.retry)),
            ]
            try:
                await until()
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)

    async def received(self) -> None:
        """Wait until all updates have been confirmed."""
        await asyncio.wait_for(self.telegram.idle.wait(), 30)

    async def settled(self) -> None:
        """Let time pass until no update is tried again any more."""
        await self.received()
        for _ in range(MOST_STEPS):
            self.clock.advance(timedelta(minutes=1))
            if not [row for row in await self.set_aside() if row[1] == "failing"]:
                return
        raise AssertionError("an update is still tried again")

    async def set_aside(self) -> list[tuple[int, str, int]]:
        """Return id, state and tries of the updates that failed."""
        columns = dead_updates.c
        statement = select(columns.update_id, columns.state, columns.attempts)

        def read(connection: Connection) -> list[tuple[int, str, int]]:
            rows = connection.execute(statement.order_by(columns.update_id))
            return [(row[0], row[1], row[2]) for row in rows]

        return await self.database.read(read)

    async def done(self) -> tuple[list[Any], list[Any]]:
        """Return which files were accepted, and what is to be said."""

        def read(connection: Connection) -> tuple[list[Any], list[Any]]:
            files = connection.execute(select(jobs.c.owner_id, jobs.c.message_id))
            rows = connection.execute(select(outbox.c.kind, outbox.c.dedupe))
            return sorted(map(tuple, files)), sorted(map(tuple, rows))

        return await self.database.read(read)


class Lives:
    """What two lives of the intake have done together."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.metrics = FakeMetrics()
        self.tries: list[list[tuple[int, str, int]]] = []
        self.set_aside: list[tuple[int, str, int]] = []
        self.done: tuple[list[Any], list[Any]] = ([], [])

    @property
    def outcome(self) -> list[tuple[int, str]]:
        """Which updates were set aside in the end."""
        return [(update_id, state) for update_id, state, _ in self.set_aside]

    async def run(self, database: Database) -> None:
        """Receive everything; then, after a restart, let what failed be tried again."""
        telegram = FakeTelegram()
        first = IntakeStage(database, self.recorder, telegram, self.metrics)
        await first.live(until=first.received)
        self.tries.append(await first.set_aside())
        second = IntakeStage(database, self.recorder, telegram, self.metrics)
        self.tries.append(await second.set_aside())
        await second.live(until=second.settled)
        self.set_aside, self.done = await second.set_aside(), await second.done()


async def lives_of(folder: Path, recorder: Recorder) -> tuple[Lives, list[Any]]:
    """Run two lives on a new ledger; return them, and the errors in the log with a traceback."""
    lives = Lives(recorder)
    path = folder / "ledger.db"
    async with empty_ledger(path) as database:
        with capture_logs() as lines:
            await lives.run(database)
    path.unlink()
    raised = [line["exc_info"] for line in lines if "exc_info" in line]
    return lives, [leaf(it) if isinstance(it, ExceptionGroup) else it for it in raised]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cases", [sample, pytest.param(every, marks=pytest.mark.long)])
async def test_every_fault_costs_one_try(
    tmp_path: Path, cases: Callable[[Sequence[str]], list[tuple[str, Exception]]]
) -> None:
    """One line, the metric one higher, one try; everything is done as without the fault."""
    whole, _ = await lives_of(tmp_path, Recorder())
    methods = sorted(whole.recorder.called)
    print(f"{len(methods)} methods of ports: {', '.join(methods)}")  # noqa: T201 -- shown by `pytest -s`.
    assert {"jobs.accept", "dead_updates.failing", "dead_updates.handled"} <= set(methods)
    assert whole.done[0] == [(OWNER, 1), (NEIGHBOUR, 1)]
    assert [state for _, state, _ in whole.set_aside] == ["dead"]
    for method, error in cases(methods):
        with naming(f"{method} raises {type(error).__name__}"):
            lives, traces = await lives_of(tmp_path, Recorder(method, error))
            names = [kind for _, kind in lives.metrics.unexpected]
            usual = [kind for _, kind in whole.metrics.unexpected]
            first, again = lives.tries

            assert lives.recorder.has_failed
            assert [trace for trace in traces if trace is error] == [error]
            assert names.count(type(error).__name__) == 1 + usual.count(type(error).__name__)
            assert first == again
            assert all(tries <= 2 for _, _, tries in first)
            assert lives.done == whole.done
            assert lives.outcome == whole.outcome
            assert all(tries <= 2 for _, _, tries in lives.set_aside)
