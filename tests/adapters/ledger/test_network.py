"""A ledger on a server behind a bad network, and with the habits of those who host servers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import Connection, text

from bot.adapters import engine
from bot.adapters.engine import ProcrastinateEngine
from bot.adapters.ledger import database as module
from bot.adapters.ledger import leases, postgresql
from bot.adapters.ledger.database import Database, migrate, open_alone
from bot.core.errors import LedgerUnusable
from bot.core.ports.ledger import LedgerServer
from tests.adapters.ledger.test_group_commit import adding, stored
from tests.adapters.ledger.test_outages import until
from tests.adapters.ledger.test_postgresql import execute, opened
from tests.fakes.cutting_proxy import CuttingProxy, cutting_proxy
from tests.fakes.postgres import Databases, TestServer

pytestmark = pytest.mark.long

PATIENCE = 10.0
"""Seconds: less than the system waits for packets, and than a statement may take."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.1)


def through(place: LedgerServer, proxy: CuttingProxy) -> LedgerServer:
    """Return the same database by the way of a proxy."""
    parts = urlsplit(place.url)
    login = parts.netloc.rpartition("@")[0]
    return LedgerServer(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}").geturl())


@asynccontextmanager
async def behind_a_proxy(place: LedgerServer) -> AsyncIterator[tuple[CuttingProxy, LedgerServer]]:
    """Serve a proxy before the server of a ledger."""
    async with cutting_proxy(urlsplit(place.url).port or 5432) as proxy:
        yield proxy, through(place, proxy)


END_OF_LEASE = "SELECT fence, expires_at FROM leases WHERE name = 'bot'"


async def test_lease_survives_connections_that_are_forgotten(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a firewall drops what a process sends, and new connections work, the lease is renewed
    by a new one before it ends, and what hangs meanwhile goes on by another one too.
    """
    monkeypatch.setattr(leases, "RENEWED_EVERY", timedelta(seconds=0.05))
    monkeypatch.setattr(leases, "RENEWAL_HANGS_AFTER", 0.3, raising=False)
    monkeypatch.setattr("bot.adapters.ledger.connection.HURRIED", 0.3)
    async with behind_a_proxy(place) as (proxy, way), open_alone(way) as database:
        database.endure()
        await asyncio.gather(database.write(adding(1)), database.read(stored))
        proxy.silence_all()
        uses = asyncio.gather(database.write(adding(2)), database.read(stored))
        await asyncio.wait_for(uses, PATIENCE)
        first = execute(place, END_OF_LEASE)
        async with asyncio.timeout(PATIENCE):
            while execute(place, END_OF_LEASE) == first:  # noqa: ASYNC110 -- nothing tells of it.
                await asyncio.sleep(0.05)
            second = execute(place, END_OF_LEASE)
            while execute(place, END_OF_LEASE) == second:  # noqa: ASYNC110 -- nothing tells of it.
                await asyncio.sleep(0.05)
        fences = {fence for fence, _ in (*first, *second)}

    assert fences == {1}


def test_lease_is_renewed_again_in_time() -> None:
    """A renewal that hangs, and the next one, fit between two moments at which a write would be
    refused.
    """
    hangs = leases.RENEWED_EVERY + timedelta(
        seconds=leases.RENEWAL_HANGS_AFTER + leases.LOOK_EVERY
    )

    assert leases.LASTS - hangs > leases.MARGIN


async def test_connection_that_is_forgotten_while_it_is_set_up(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs after its login is given up as well."""
    monkeypatch.setattr(postgresql, "SET_UP_HANGS_AFTER", 0.3, raising=False)
    async with behind_a_proxy(place) as (proxy, way), opened(way) as database:
        database.endure()
        proxy.silent_from.append(b"statement_timeout")
        await asyncio.wait_for(database.write(adding(1)), PATIENCE)
        found = await database.read(stored)

    assert found == [1]
    assert proxy.silent_from == []


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_wait_for_a_lock_ends_with_its_client(place: LedgerServer) -> None:
    """A session of a client that has gone does not wait on, or each try would leave one."""
    if "linux" not in execute(place, "SELECT version()")[0][0]:
        pytest.skip("the server does not notice it")
    with psycopg.connect(place.url) as other:
        other.execute("LOCK TABLE chats")
        raw = await asyncio.to_thread(postgresql.connect, place)
        waiting = asyncio.create_task(asyncio.to_thread(raw.execute, "SELECT * FROM chats"))
        await until(lambda: execute(place, WAITING) == [(1,)])
        postgresql.cut_off(raw)
        with pytest.raises(psycopg.OperationalError):
            await waiting
        async with asyncio.timeout(PATIENCE):
            while execute(place, WAITING) != [(0,)]:  # noqa: ASYNC110 -- nothing tells of it.
                await asyncio.sleep(0.05)


SHORT = "100ms"
HABITS = {
    "idle_session_timeout": SHORT,
    "statement_timeout": "1s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "tcp_keepalives_idle": "7200",
    "tcp_user_timeout": "0",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
}
"""What hosts and operators set for a login or a database."""


@pytest.fixture
def habits(place: LedgerServer) -> LedgerServer:
    """A ledger whose sessions begin with all of these."""
    name = urlsplit(place.url).path.strip("/")
    with psycopg.connect(place.url, autocommit=True) as connection:
        given = dict(HABITS)
        if connection.info.server_version >= 170000:
            given["transaction_timeout"] = "1s"
        for setting, value in given.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'".encode())
    return place


def settings_of(connection: Connection) -> dict[str, str]:
    """Return what holds for a session."""
    names = ("synchronous_commit", "transaction_isolation", "idle_session_timeout")
    more = ("statement_timeout", "transaction_timeout", "tcp_keepalives_idle")
    asked = ", ".join(f"current_setting('{name}', true) AS {name}" for name in (*names, *more))
    found = connection.execute(text(f"SELECT {asked}")).one()._asdict()
    return {name: value for name, value in found.items() if value is not None}


async def test_settings_of_the_host(habits: LedgerServer) -> None:
    """Sessions have those that this program needs."""
    async with opened(habits) as database:
        written = await database.write(settings_of)
        read = await database.read(settings_of)

    wanted = {
        "synchronous_commit": "on",
        "idle_session_timeout": "0",
        "statement_timeout": "15s",
        "tcp_keepalives_idle": "30",
        **({"transaction_timeout": "0"} if "transaction_timeout" in written else {}),
    }
    assert written == {**wanted, "transaction_isolation": "read committed"}
    assert read == {**wanted, "transaction_isolation": "repeatable read"}


async def test_stricter_commits_are_kept(place: LedgerServer) -> None:
    """What the host asks for beyond a commit on the disk is left to it."""
    name = urlsplit(place.url).path.strip("/")
    execute(place, f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    async with opened(place) as database:
        found = await database.write(settings_of)

    assert found["synchronous_commit"] == "remote_apply"


async def test_idle_sessions_stay(habits: LedgerServer) -> None:
    """A host that ends idle sessions ends none of ours, neither those of the ledger nor of the
    engine.
    """
    await asyncio.to_thread(postgresql.change, habits, engine.make_tables)
    heard = asyncio.Event()
    made = ProcrastinateEngine(habits, postgresql.parameters_of(habits))
    listening = asyncio.create_task(made.listen(lambda _: heard.set()))
    async with opened(habits) as database:
        await database.write(adding(1))
        await database.read(stored)
        await asyncio.wait_for(heard.wait(), PATIENCE)
        sessions = pids(habits)
        # One that is as idle as ours, and keeps what the host has set.
        other = await psycopg.AsyncConnection.connect(habits.url, autocommit=True)
        with pytest.raises(psycopg.OperationalError):
            async for _ in other.notifies(timeout=PATIENCE):
                pass
        left = pids(habits)
        known = await made.known()
    listening.cancel()
    await asyncio.wait({listening})

    assert len(sessions) == 3
    assert left == sessions
    assert known == set()


def pids(place: LedgerServer) -> list[int]:
    """Return the sessions of the database but for the one that asks."""
    return [
        pid
        for (pid,) in execute(
            place,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND client_port > 0 ORDER BY pid",
        )
    ]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("search_path = nowhere", "no schema has been selected to create in"),
        ("role = pg_monitor", "permission denied for schema public"),
    ],
    ids=["no schema", "no right"],
)
def test_no_place_for_tables(databases: Databases, setting: str, reason: str) -> None:
    """A login that finds no schema, or may not make tables in it, is told so."""
    made = databases.make(empty=True)
    execute(made, "REVOKE CREATE ON SCHEMA public FROM public")
    execute(made, f"ALTER DATABASE {urlsplit(made.url).path.strip('/')} SET {setting}")
    with pytest.raises(LedgerUnusable, match=reason):
        migrate(made)
    databases.drop(made)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[TestServer, TestServer]]:
    """A server that becomes a standby, and another one; each has a ledger."""
    made = [TestServer(options=("wal_level=replica", "max_wal_senders=2")) for _ in range(2)]
    for server in made:
        server.start()
        migrate(LedgerServer(server.url()))
    yield made[0], made[1]
    for server in made:
        server.close()


async def test_readers_follow_the_writer(
    servers: tuple[TestServer, TestServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the former server lives on, and only takes no writes any more, what is read is that of
    the server that takes them.
    """
    monkeypatch.setattr(leases, "RENEWED_EVERY", timedelta(seconds=0.05))
    former, present = servers
    async with cutting_proxy(former.port) as proxy:
        place = LedgerServer(former.url(port=proxy.port))
        async with open_alone(place) as database:
            database.endure()
            await database.write(adding(1))
            before = await database.read(stored)
            proxy.server_port = present.port
            set_read_only(former, is_on=True)
            # Without a write of its own: the renewal of its lease tells it.
            await until_read(database, [])
    set_read_only(former, is_on=False)

    assert before == [1]


def set_read_only(server: TestServer, *, is_on: bool) -> None:
    """Let a server take no writes, in sessions that are there too, or take them again."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        value = "on" if is_on else "off"
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")


async def until_read(database: Database, wanted: list[int]) -> None:
    """Wait until this is read."""
    async with asyncio.timeout(PATIENCE):
        while await database.read(stored) != wanted:  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.05)


async def test_server_that_becomes_a_standby(servers: tuple[TestServer, TestServer]) -> None:
    """What it shows may be old: nothing is read until it, or another one, takes writes."""
    server, _ = servers
    place = LedgerServer(server.url())
    async with opened(place) as database:
        database.endure()
        await database.read(stored)
        server.stop()
        server.become_standby()
        server.start()
        reading = asyncio.create_task(database.read(stored))
        await until(lambda: "standby" in database.state.trouble)
        with pytest.raises(LedgerUnusable, match="standby"):
            await database.try_write(adding(2))
        waits = not reading.done()
        execute(place, "SELECT pg_promote()")
        await asyncio.wait_for(reading, PATIENCE)
        await asyncio.wait_for(database.write(adding(3)), PATIENCE)

    assert waits
