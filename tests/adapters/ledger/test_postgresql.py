"""A ledger on a server: what differs from a file."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from select import select as select_ready
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text, update

from bot.adapters.ledger import database as module
from bot.adapters.ledger import postgresql
from bot.adapters.ledger.database import Database, migrate, open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.postgresql import PostgresBackend
from bot.adapters.ledger.schema import VERSION, chats, metadata
from bot.adapters.ledger.totals import LedgerHealth
from bot.core.errors import LedgerTooNew, LedgerUnusable
from bot.core.files import LinkMode
from bot.core.ports.ledger import LedgerServer
from tests.adapters.ledger.test_group_commit import adding, stored, write_together
from tests.adapters.ledger.test_outages import until
from tests.fakes.cutting_proxy import Cut, cutting_proxy
from tests.fakes.postgres import Databases, TestServer
from tests.fakes.samples import NOW, accept, finish, make_file, make_origin

pytestmark = pytest.mark.long
PASSWORD = "the-secret-of-the-server"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def nothing(databases: Databases) -> Iterator[LedgerServer]:
    """A database without tables."""
    made = databases.make(empty=True)
    yield made
    databases.drop(made)


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """A server that asks for a password, and is stopped and started by tests."""
    made = TestServer(password=PASSWORD)
    made.start()
    yield made
    made.close()


@asynccontextmanager
async def opened(place: LedgerServer) -> AsyncIterator[Database]:
    """Open a ledger that exists."""
    found = Database(place)
    yield found
    await found.close()


def execute(place: LedgerServer, statement: str) -> list[Any]:
    """Execute a statement by another connection."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def test_two_make_the_tables_at_once(nothing: LedgerServer) -> None:
    """Several processes that start together on a new database all find one ledger."""
    await asyncio.gather(*(asyncio.to_thread(migrate, nothing) for _ in range(4)))

    assert execute(nothing, "SELECT version_num FROM alembic_version") == [(VERSION,)]


def test_tables_equal_the_schema(nothing: LedgerServer) -> None:
    """Those that were made at once, and those that a migration leads to."""
    migrate(nothing)
    fresh = _shape(nothing)
    differences = _differences(nothing)
    # As the version before the first one for servers would have left it.
    execute(
        nothing,
        "DROP TABLE leases, runs, workers; UPDATE alembic_version SET version_num = '0005'",
    )
    migrate(nothing, alone=True)

    assert (differences, _differences(nothing)) == ([], [])
    assert _shape(nothing) == fresh


def _differences(place: LedgerServer) -> list[Any]:
    engine = postgresql._plain_engine(place, autocommit=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def _shape(place: LedgerServer) -> list[object]:
    engine = postgresql._plain_engine(place, autocommit=False)
    with engine.connect() as connection:
        found = inspect(connection)
        return [
            [
                sorted(
                    (c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)
                ),
                sorted(str(index) for index in found.get_indexes(name)),
                found.get_pk_constraint(name),
                sorted(str(key) for key in found.get_unique_constraints(name)),
            ]
            for name in sorted(metadata.tables)
        ]


def test_partial_indexes_are_partial(place: LedgerServer) -> None:
    """What is left to do is found by an index of that alone, as in a file."""
    found = execute(
        place, "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%WHERE%'"
    )
    wanted = {
        str(index.name)
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }

    assert {name for name, _ in found} == wanted


def test_tables_of_another_program(nothing: LedgerServer) -> None:
    """They are left alone."""
    execute(nothing, "CREATE TABLE jobs (id integer)")
    with pytest.raises(LedgerUnusable, match="another program"):
        migrate(nothing)

    assert execute(nothing, "SELECT count(*) FROM jobs") == [(0,)]


def test_newer_version(place: LedgerServer) -> None:
    """A ledger of a newer program is refused."""
    execute(place, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerTooNew, match="9999"):
        migrate(place)


async def test_a_command_makes_no_ledger(nothing: LedgerServer) -> None:
    """What only looks at a ledger says that there is none."""
    with pytest.raises(LedgerUnusable, match="no ledger"):
        async with open_database(nothing, create=False):
            pass

    assert execute(nothing, "SELECT to_regclass('jobs')") == [(None,)]


async def test_texts_of_any_kind(place: LedgerServer) -> None:
    """What SQLite stores a server stores too: long texts, and characters that it refuses."""
    long = "x" * 5000
    async with opened(place) as database:
        job = await SqlLedger(database).jobs.accept(
            make_origin(1), replace(make_file(), name="a\0b", mime_type=long), NOW
        )

    assert job is not None
    assert (job.file.name, job.file.mime_type) == ("a\ufffdb", long)


@pytest.mark.parametrize("cut", Cut)
async def test_lost_answer_to_a_commit(server: TestServer, cut: Cut) -> None:
    """Where the connection is cut in a commit, the server tells the outcome: each change of the
    group is stored once, and each caller gets its own result.
    """
    execute(LedgerServer(server.url()), "CREATE DATABASE cut_" + cut.name.lower())
    async with cutting_proxy(server.port) as proxy:
        place = LedgerServer(server.url("cut_" + cut.name.lower(), port=proxy.port))
        async with open_database(place) as database:
            database.endure()
            await database.write(adding(1))
            proxy.cut_next.append(cut)
            tasks = await write_together(database, adding(2), adding(3), adding(4))
            found = await database.read(stored)

    assert [task.result() for task in tasks] == [2, 3, 4]
    assert found == [1, 2, 3, 4]
    assert proxy.cut_next == []


async def test_outcome_that_cannot_be_known_yet(server: TestServer) -> None:
    """While the server is away after a commit that was cut, its callers wait; nothing is done
    twice.
    """
    execute(LedgerServer(server.url()), "CREATE DATABASE doubt")
    async with cutting_proxy(server.port) as proxy:
        place = LedgerServer(server.url("doubt", port=proxy.port))
        async with open_database(place) as database:
            database.endure()
            proxy.cut_next.append(Cut.AFTER_COMMIT)
            writing = asyncio.create_task(database.write(adding(7)))
            await until(lambda: not proxy.cut_next)
            proxy.is_open = False
            proxy.cut_all()
            done, _ = await asyncio.wait([writing], timeout=1)
            proxy.is_open = True
            await asyncio.wait_for(writing, 20)
            found = await database.read(stored)

    assert not done
    assert found == [7]


async def test_server_that_comes_back(server: TestServer) -> None:
    """Stopped as by a crash and started again: those who wait are served, and nothing is lost."""
    execute(LedgerServer(server.url()), "CREATE DATABASE restarted")
    place = LedgerServer(server.url("restarted"))
    async with open_database(place) as database:
        database.endure()
        await database.write(adding(1))
        server.stop(at_once=True)
        writes = [asyncio.create_task(database.write(adding(n))) for n in (2, 3)]
        reading = asyncio.create_task(database.read(stored))
        await asyncio.wait_for(database.state.in_trouble.wait(), 20)
        health = await LedgerHealth(database).trouble()
        waits = [not task.done() for task in (*writes, reading)]
        server.start()
        await asyncio.wait_for(asyncio.gather(*writes, reading), 30)
        found = await database.read(stored)

    assert health.startswith("cannot be ")
    assert PASSWORD not in health
    assert waits == [True] * 3
    assert found == [1, 2, 3]


async def test_away_is_noticed_without_use(server: TestServer) -> None:
    """A watch tells that the server is away, and that it is back."""
    execute(LedgerServer(server.url()), "CREATE DATABASE watched")
    async with open_database(LedgerServer(server.url("watched"))) as database:
        database.endure()
        watch = asyncio.create_task(database.watch())
        server.stop()
        await asyncio.wait_for(database.state.in_trouble.wait(), 20)
        server.start()
        await until(lambda: not database.state.trouble)
        goes_on = not watch.done()
        watch.cancel()

    assert goes_on


async def test_server_that_does_not_answer(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs is left after a while; the operation is done by another connection."""
    monkeypatch.setattr(PostgresBackend, "cuts_off_after", 0.5)
    execute(LedgerServer(server.url()), "CREATE DATABASE hanging")
    async with open_database(LedgerServer(server.url("hanging"))) as database:
        database.endure()
        await database.write(adding(1))
        with server.frozen():
            writing = asyncio.create_task(database.write(adding(2)))
            await asyncio.wait_for(database.state.in_trouble.wait(), 20)
            why = database.state.trouble
        await asyncio.wait_for(writing, 30)
        found = await database.read(stored)

    assert found == [1, 2]
    assert why == "it does not answer"


async def test_slow_statement_costs_no_other(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that takes too long is undone alone; its group is stored."""
    monkeypatch.setattr(postgresql, "STATEMENT_TIMEOUT", 0.2)

    def slow(connection: Connection) -> object:
        connection.execute(insert(chats).values(chat_id=5))
        return connection.execute(text("SELECT pg_sleep(5)")).all()

    async with opened(place) as database:
        tasks = await write_together(database, adding(1), slow, adding(2))
        found = await database.read(stored)

    assert isinstance(tasks[1].exception(), LedgerUnusable)
    assert "statement timeout" in str(tasks[1].exception())
    assert (tasks[0].result(), tasks[2].result(), found) == (1, 2, [1, 2])


async def test_process_that_stood_still(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server undid because no statement came for too long is run again, also for a
    command, and raises no error.
    """
    monkeypatch.setattr(postgresql, "IDLE_TIMEOUT", 0.1)
    tries: list[int] = []

    def write(connection: Connection) -> None:
        tries.append(len(tries))
        connection.execute(insert(chats).values(chat_id=len(tries)))
        if len(tries) == 1:
            assert _ended_by_the_server(connection)

    async with opened(place) as database:
        await database.write(write)
        assert database.state.trouble == ""

    assert execute(place, "SELECT chat_id FROM chats") == [(2,)]


def _ended_by_the_server(connection: Connection) -> bool:
    """Wait until the server has closed the connection."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, psycopg.Connection)
    return bool(select_ready([raw.fileno()], [], [], 10)[0])


async def test_conflict_is_tried_again(place: LedgerServer) -> None:
    """Two processes that lock the same rows in another order: both changes are stored, and neither
    ledger counts as unusable.
    """
    async with opened(place) as database, opened(place) as other:
        await database.write(adding(1, 2))
        met = threading.Barrier(2)

        def both(connection: Connection, first: int, second: int) -> None:
            for number in (first, second):
                zone = chats.c.zone + str(first)
                connection.execute(
                    update(chats).where(chats.c.chat_id == number).values(zone=zone)
                )
                if not met.broken and number == first:
                    met.wait(5)

        def once(connection: Connection, first: int, second: int) -> None:
            try:
                both(connection, first, second)
            finally:
                met.abort()

        await asyncio.gather(database.write(once, 1, 2), other.write(once, 2, 1))
        zones = await database.read(lambda c: list(c.execute(select(chats.c.zone)).scalars()))
        troubles = (database.state.trouble, other.state.trouble)

    assert [sorted(zone) for zone in zones] == [["1", "2"], ["1", "2"]]
    assert troubles == ("", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"path": "/missing"}, "does not exist"),
        ({"netloc": f"relay:{PASSWORD}x@127.0.0.1"}, "password authentication failed"),
    ],
    ids=["database", "password"],
)
async def test_refusals_have_no_secret(
    server: TestServer, change: dict[str, str], reason: str
) -> None:
    """What the server refuses is told in one line, without the URL and the password."""
    parts = urlsplit(server.url())
    if "netloc" in change:
        change = {"netloc": f"{change['netloc']}:{server.port}"}
    place = LedgerServer(parts._replace(**change).geturl())
    with pytest.raises(LedgerUnusable, match=reason) as caught:
        migrate(place)
    told = str(caught.value) + repr(caught.value) + repr(place)

    assert PASSWORD not in told
    assert "://" not in told
    assert "\n" not in told


def test_url_that_is_none() -> None:
    """The message of the library, which repeats the URL, is not passed on."""
    place = LedgerServer("postgresql://relay:the secret@[::1/relay")
    with pytest.raises(LedgerUnusable) as caught:
        migrate(place)

    assert "secret" not in str(caught.value)


def test_driver_is_not_imported_for_a_file(tmp_path: Path) -> None:
    """An installation with a file needs no driver of a server, and spends nothing on it."""
    code = (
        "import sys; from pathlib import Path; from bot.adapters.ledger.database import migrate;"
        "import bot.app; migrate(Path(sys.argv[1])); "
        "print([name for name in sys.modules if 'psycopg' in name or 'postgresql' in name])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ledger")], capture_output=True, check=True
    )

    assert told.stdout.strip() == b"[]"


@pytest.mark.timeout(180)
async def test_several_processes_give_no_more(place: LedgerServer) -> None:
    """Of a thousand links with five downloads each, pressed from two connections at once, none
    gives more or less than five.
    """
    async with opened(place) as one, opened(place) as other:
        ledgers = [SqlLedger(one), SqlLedger(other)]
        jobs = await asyncio.gather(*(accept(ledgers[0]) for _ in range(1000)))
        done = await asyncio.gather(*(finish(ledgers[0], job, mode=LinkMode.PAGE) for job in jobs))
        await asyncio.gather(*(ledgers[0].answers.begin([job], None) for job, _ in done))
        pages = await ledgers[0].pages.of_jobs([job.id for job, _ in done])
        execute(place, "UPDATE pages SET most_downloads = 5")
        found = Counter[str]()

        async def press(ledger: SqlLedger, token: str) -> None:
            if (await ledger.pages.use(token, 1, NOW)).is_given:
                found[token] += 1

        tokens, chance = [content.page.token for content in pages.values()], Random(1)  # noqa: S311
        for _ in range(3):
            # Each process has visitors in an order of its own.
            presses = [
                press(ledger, token) for ledger in ledgers for token in chance.sample(tokens, 1000)
            ]
            await asyncio.gather(*presses)

    assert Counter(found.values()) == {5: 1000}
    assert execute(place, "SELECT DISTINCT used, downloads FROM page_files") == [(5, 5)]


async def test_several_hosts(server: TestServer) -> None:
    """The one that can write is used, as after a failover, wherever it is in the list."""
    replica = TestServer()
    replica.start()
    try:
        with psycopg.connect(replica.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE several")
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE several")
        hosts = f"127.0.0.1:{replica.port},127.0.0.1:{server.port}"
        place = LedgerServer(f"postgresql://relay:{PASSWORD}@{hosts}/several")
        migrate(place)
        async with opened(place) as database:
            await database.write(adding(1))
            found = await database.read(stored)
    finally:
        replica.close()

    assert found == [1]
