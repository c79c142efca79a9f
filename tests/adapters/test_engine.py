"""The engine on a real server: each sharp edge of it that was met."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from bot.adapters import engine
from bot.adapters.engine import ProcrastinateEngine, defer, make_tables, withdraw
from bot.adapters.ledger.postgresql import change
from bot.core.errors import LedgerTooNew
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import CLOUD
from tests.fakes.cutting_proxy import cutting_proxy
from tests.fakes.fixtures import databases  # noqa: F401 -- a fixture.
from tests.fakes.postgres import Databases

pytestmark = pytest.mark.long

PATIENCE = 15.0
SEEN_WITHIN = 2.0
"""Seconds in which a cancel has to be seen, also where a notification is lost."""


@pytest.fixture
def place(databases: Databases) -> Iterator[LedgerServer]:  # noqa: F811 -- the fixture.
    """A database with the tables of the engine."""
    made = databases.make()
    change(made, make_tables)
    yield made
    databases.drop(made)


@pytest.fixture
def raw(place: LedgerServer) -> "Iterator[psycopg.Connection[Any]]":
    """A connection of another program; each statement is a transaction."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        yield connection


class Handler:
    """Handles runs: each waits until the test lets it end."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.aborts = 0
        self.may_end = asyncio.Event()
        self._news = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    async def handle(self, run_id: int) -> None:
        """Handle a run."""
        self.begun.append(run_id)
        await self._tell()
        await self.may_end.wait()
        self.ended.append(run_id)
        await self._tell()

    def aborted(self) -> None:
        """Count."""
        self.aborts += 1
        telling = asyncio.ensure_future(self._tell())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, condition: Any, *, within: float = PATIENCE) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(condition)


@asynccontextmanager
async def working(place: LedgerServer, handler: Handler, slots: int = 2) -> AsyncIterator[None]:
    """Let an engine work for the block."""
    made = ProcrastinateEngine(place, {"connect_timeout": "5"})
    task = asyncio.create_task(made.work(slots, CLOUD, handler.handle, handler.aborted))
    try:
        yield
    finally:
        handler.may_end.set()
        task.cancel()
        await asyncio.wait({task})


async def gone(raw: "psycopg.Connection[Any]") -> None:
    """Wait until the engine has no job any more."""
    async with asyncio.timeout(PATIENCE):
        while rows(raw):  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.02)


def rows(raw: "psycopg.Connection[Any]") -> list[tuple[Any, ...]]:
    """Return the jobs of the engine, as another program sees them."""
    return raw.execute("SELECT id, status::text, args FROM procrastinate_jobs").fetchall()


OTHERS = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
CUT = f"SELECT pg_terminate_backend(pid) {OTHERS}"


async def connected(raw: "psycopg.Connection[Any]") -> None:
    """Wait until an engine works: it listens, and has looked for work by another connection."""
    async with asyncio.timeout(PATIENCE):
        while raw.execute(f"SELECT count(*) {OTHERS}").fetchall()[0][0] < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_tables_made_by_two_at_once(databases: Databases) -> None:  # noqa: F811
    """Both find them afterwards, and neither fails."""
    place = databases.make()
    await asyncio.gather(*(asyncio.to_thread(change, place, make_tables) for _ in range(4)))
    with psycopg.connect(place.url) as connection:
        assert rows(connection) == []
    databases.drop(place)


async def test_tables_of_another_version(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """Older ones are made anew, so that an update of the library works; newer ones are refused,
    and those that another program has made are left alone.
    """
    defer(raw, 1, CLOUD)
    await asyncio.to_thread(change, place, make_tables)
    kept = rows(raw)
    # As an older library would have made them, with a function that the present one lacks.
    raw.execute(
        "COMMENT ON TABLE procrastinate_jobs IS"
        " 'relay-bot, Procrastinate 3.9.1, 0123456789abcdef';"
        "DROP FUNCTION procrastinate_fetch_job_v2"
    )
    await asyncio.to_thread(change, place, make_tables)
    anew = rows(raw)
    handler = Handler()
    async with working(place, handler):
        defer(raw, 2, CLOUD)
        await handler.until(lambda: handler.begun == [2])
    raw.execute(
        "COMMENT ON TABLE procrastinate_jobs IS 'relay-bot, Procrastinate 9.1.0, 0123456789abcdef'"
    )
    with pytest.raises(LedgerTooNew, match=r"Procrastinate 9\.1\.0"):
        await asyncio.to_thread(change, place, make_tables)
    raw.execute("COMMENT ON TABLE procrastinate_jobs IS NULL; DROP TABLE procrastinate_events")
    await asyncio.to_thread(change, place, make_tables)

    assert [args for _, _, args in kept] == [{"run": 1}]
    assert anew == []
    assert raw.execute("SELECT to_regclass('procrastinate_events')").fetchall() == [(None,)]


async def test_says_that_it_fetches_nothing(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """Readiness of a worker has it, until runs are fetched again."""
    made = ProcrastinateEngine(place, {"connect_timeout": "5"})
    handler = Handler()
    handler.may_end.set()
    raw.execute("ALTER FUNCTION procrastinate_fetch_job_v2 RENAME TO mislaid")
    task = asyncio.create_task(made.work(2, CLOUD, handler.handle, handler.aborted))
    async with asyncio.timeout(PATIENCE):
        while not (said := await made.trouble()):  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.02)
    raw.execute("ALTER FUNCTION mislaid RENAME TO procrastinate_fetch_job_v2")
    defer(raw, 1, CLOUD)
    await handler.until(lambda: handler.ended == [1])
    after = await made.trouble()
    task.cancel()
    await asyncio.wait({task})

    assert "procrastinate_fetch_job_v2" in said
    assert after == ""


async def test_given_in_a_transaction(place: LedgerServer) -> None:
    """What is undone was never there; a job carries the id of its run and nothing else."""
    with psycopg.connect(place.url) as connection:
        defer(connection, 1, CLOUD)
        connection.rollback()
        defer(connection, 2, CLOUD)
        connection.commit()
        found = rows(connection)

    assert [args for _, _, args in found] == [{"run": 2}]


async def test_handled_once_and_forgotten(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """At most so many as there are slots run at once, and none of them leaves a row."""
    handler = Handler()
    for run in range(1, 6):
        defer(raw, run, CLOUD)
    defer(raw, 6, "another place")
    async with working(place, handler):
        await handler.until(lambda: len(handler.begun) == 2)
        at_once = list(handler.begun)
        handler.may_end.set()
        await handler.until(lambda: len(handler.ended) == 5)

    assert at_once == [1, 2]
    assert sorted(handler.ended) == [1, 2, 3, 4, 5]
    assert [args for _, _, args in rows(raw)] == [{"run": 6}]


async def test_found_without_a_notification(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """A worker looks by itself, soon."""
    handler = Handler()
    raw.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
    async with working(place, handler):
        await connected(raw)
        defer(raw, 1, CLOUD)
        await handler.until(lambda: handler.begun == [1], within=SEEN_WITHIN)


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "not told"])
async def test_abort(
    place: LedgerServer, raw: "psycopg.Connection[Any]", *, is_told: bool
) -> None:
    """It is seen within two seconds, with and without its notification; what is handled ends by
    itself.
    """
    handler = Handler()
    number = defer(raw, 1, CLOUD)
    async with working(place, handler):
        await handler.until(lambda: handler.begun == [1])
        if not is_told:
            raw.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
        withdraw(raw, number)
        await handler.until(lambda: handler.aborts == 1, within=SEEN_WITHIN)
        before = list(handler.ended)
        handler.may_end.set()
        await handler.until(lambda: handler.ended == [1])
        await gone(raw)

    assert before == []


async def test_withdrawn_before_it_is_fetched(raw: "psycopg.Connection[Any]") -> None:
    """It is handled nowhere; to withdraw it again does nothing."""
    number = defer(raw, 1, CLOUD)
    withdraw(raw, number)
    withdraw(raw, number)

    assert rows(raw) == []


async def test_connections_lost(place: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    """The engine's worker ends and begins anew; what it has fetched goes on, and ends once."""
    handler = Handler()
    defer(raw, 1, CLOUD)
    async with working(place, handler):
        await handler.until(lambda: handler.begun == [1])
        for _ in range(3):
            await connected(raw)
            raw.execute(CUT)
        defer(raw, 2, CLOUD)
        await handler.until(lambda: handler.begun == [1, 2])
        handler.may_end.set()
        await handler.until(lambda: len(handler.ended) == 2)

    assert sorted(handler.ended) == [1, 2]


async def test_connections_that_never_answer(
    place: LedgerServer, raw: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy keeps them open though its server is gone: they are given up, and runs are fetched
    by others.
    """
    monkeypatch.setattr(engine, "HANGS_AFTER", 2.0, raising=False)
    monkeypatch.setattr(engine, "HEARTBEAT_EVERY", 0.5)
    handler = Handler()
    async with cutting_proxy(raw.info.port) as proxy:
        url = place.url.replace(f":{raw.info.port}/", f":{proxy.port}/")
        async with working(LedgerServer(url), handler):
            await connected(raw)
            defer(raw, 1, CLOUD)
            await handler.until(lambda: handler.begun == [1])
            proxy.mute_all()
            defer(raw, 2, CLOUD)
            defer(raw, 3, CLOUD)
            # One of them may have been fetched by a connection that did not say so.
            await handler.until(lambda: len(handler.begun) > 1)
        assert handler.ended


async def test_connections_forgotten_while_they_are_set_up(
    place: LedgerServer, raw: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall lets a login pass and drops what follows: others are opened, to fetch runs and to
    hear of them.
    """
    monkeypatch.setattr(engine, "ANSWERS_WITHIN", 0.3, raising=False)
    handler, heard = Handler(), asyncio.Event()
    async with cutting_proxy(raw.info.port) as proxy:
        way = LedgerServer(place.url.replace(f":{raw.info.port}/", f":{proxy.port}/"))
        proxy.silent_from.append(f"LISTEN {engine.CHANNEL}".encode())
        listening = asyncio.create_task(ProcrastinateEngine(way, {}).listen(lambda _: heard.set()))
        await asyncio.wait_for(heard.wait(), PATIENCE)
        listening.cancel()
        await asyncio.wait({listening})
        proxy.silent_from.append(b"SET statement_timeout")
        defer(raw, 1, CLOUD)
        async with working(way, handler):
            await handler.until(lambda: handler.begun == [1])

    assert proxy.silent_from == []


async def test_ended_by_the_engine_goes_on(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """At the end of a process no more is fetched, and what was fetched is not cancelled."""
    handler = Handler()
    defer(raw, 1, CLOUD)
    made = ProcrastinateEngine(place, {})
    task = asyncio.create_task(made.work(2, CLOUD, handler.handle, handler.aborted))
    await handler.until(lambda: handler.begun == [1])
    task.cancel()
    await asyncio.wait({task})
    defer(raw, 2, CLOUD)
    handler.may_end.set()
    await handler.until(lambda: handler.ended == [1])

    assert (handler.begun, handler.aborts) == ([1], 0)


async def test_end_of_a_job_that_is_gone(
    place: LedgerServer, raw: "psycopg.Connection[Any]"
) -> None:
    """A worker that was taken for dead ends its job, which is not there: others are not harmed."""
    handler = Handler()
    defer(raw, 1, CLOUD)
    async with working(place, handler, slots=1):
        await handler.until(lambda: handler.begun == [1])
        raw.execute("DELETE FROM procrastinate_jobs")
        second = defer(raw, 2, CLOUD)
        handler.may_end.set()
        await handler.until(lambda: handler.ended == [1, 2])
        await gone(raw)

    assert second > 1


async def test_left_by_dead_workers(place: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    """What a silent worker has fetched is forgotten, also where its row was pruned; what waits, or
    is handled by one that lives, is not.
    """
    numbers = [defer(raw, run, CLOUD) for run in range(4)]
    for worker, age in ((1, "1 hour"), (2, "1 second")):
        raw.execute(
            "INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, now() - %s::interval)",
            (worker, age),
        )
    fetched = list(zip(numbers, (1, 2, None), strict=False))
    for number, fetched_by in fetched:
        raw.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s",
            (fetched_by, number),
        )
    known = await ProcrastinateEngine(place, {}).known()

    elsewhere = await ProcrastinateEngine(place, {}, "elsewhere").known()

    assert set(known) == {numbers[1], numbers[3]}
    assert {row[0] for row in rows(raw)} == set(known)
    assert set(elsewhere) == set()


async def test_heard(place: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    """Who listens hears at once, and again after its connection was lost."""
    heard = asyncio.Event()
    made = ProcrastinateEngine(place, {})
    listening = asyncio.create_task(made.listen(lambda _: heard.set()))
    async with asyncio.timeout(PATIENCE):
        # It could have missed something before.
        await heard.wait()
        for cut in (False, True, False):
            heard.clear()
            if cut:
                raw.execute(CUT)
            else:
                raw.execute(f"NOTIFY {engine.CHANNEL}")
            await heard.wait()
    listening.cancel()
    await asyncio.wait({listening})


async def test_database_away() -> None:
    """It is waited for, without an end."""
    away = LedgerServer("postgresql://relay@127.0.0.1:1/none")
    made = ProcrastinateEngine(away, {"connect_timeout": "1"})
    handler = Handler()
    task = asyncio.create_task(made.work(2, CLOUD, handler.handle, handler.aborted))
    done, _ = await asyncio.wait({task}, timeout=3)
    task.cancel()
    await asyncio.wait({task})

    assert not done
