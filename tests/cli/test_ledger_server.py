"""Commands whose ledger is a database on a server."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, select

from bot import __version__
from bot.adapters.ledger import backup, schema
from bot.adapters.ledger.backup import examine_server
from bot.adapters.ledger.database import migrate, open_alone, open_as_worker
from bot.adapters.ledger.rows import VALUES, Instant, Payload
from bot.adapters.ledger.runs import SqlWorker
from bot.adapters.ledger.schema import metadata
from bot.adapters.oss.client import OssTime
from bot.app import serve
from bot.cli.common import Row, Verdict
from bot.cli.doctor import examine_machine
from bot.clock import SystemClock
from bot.core.errors import LedgerUnusable
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.demo.local_stack import LocalStack
from bot.settings import Settings
from tests.cli.shell import type_in
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import engine_of, put_empty_ledger
from tests.fakes.ledger import execute as execute_in
from tests.fakes.pooler import pooler
from tests.fakes.postgres import Databases
from tests.fakes.samples import NOW
from tests.wiring.test_monitoring import get

pytestmark = pytest.mark.long


@pytest.fixture
def place(databases: Databases) -> Iterator[LedgerServer]:
    """An empty ledger on a server."""
    made = databases.make()
    yield made
    databases.drop(made)


@pytest.fixture
async def on_server(stage: LocalStack, place: LedgerServer) -> LocalStack:
    """The stage of a bot whose ledger is there."""
    stage.more["RELAY_LEDGER__URL"] = place.url
    return stage


async def rows(settings: Settings) -> list[Row]:
    """Return what the doctor says about the ledger."""
    found = await examine_machine(settings, {})
    return [row for row in found if row.name.startswith("ledger")]


def through(place: LedgerServer, port: int) -> LedgerServer:
    """Return the ledger as it is reached by another port."""
    parts = urlsplit(place.url)
    netloc = parts.netloc.replace(f":{parts.port}", f":{port}")
    return LedgerServer(parts._replace(netloc=netloc).geturl())


def execute(place: LedgerServer, statement: str) -> list[Any]:
    """Execute statements by a connection of their own; return the rows."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def test_no_copy_of_a_file(on_server: LocalStack, place: LedgerServer) -> None:
    """Neither is a file made or replaced that is not the ledger."""
    here = on_server.folder / "relay.sqlite3"
    here.write_bytes(b"an old one")
    copied = await type_in(on_server, "backup", str(on_server.folder / "copy"))
    on_server.more.clear()
    here.unlink()
    put_empty_ledger(here)
    kept = on_server.folder / "kept"
    made = await type_in(on_server, "backup", str(kept))
    before = here.read_bytes()
    on_server.more["RELAY_LEDGER__URL"] = place.url
    checked = await type_in(on_server, "restore", "--check", str(kept))
    refused = await type_in(on_server, "restore", str(kept))

    assert (copied.code, "use pg_dump" in copied.err) == (1, True)
    assert not (on_server.folder / "copy").exists()
    assert (made.code, checked.code) == (0, 0)
    assert (refused.code, "use pg_restore" in refused.err) == (1, True)
    assert here.read_bytes() == before


async def test_doctor(on_server: LocalStack, place: LedgerServer) -> None:
    """It looks at the server, and no file comes to be; also beside a bot."""
    alone = await rows(on_server.settings(1))
    async with open_alone(place):
        beside = await rows(on_server.settings(1))

    assert [(row.name, row.verdict) for row in alone] == [
        ("ledger", Verdict.OK), ("ledger server", Verdict.OK)
    ]  # fmt: skip
    assert [row.verdict for row in beside] == [Verdict.OK, Verdict.OK]
    assert "PostgreSQL " in alone[0].meaning
    assert not list(on_server.folder.glob("relay.sqlite3*"))


async def test_workers(on_server: LocalStack, place: LedgerServer) -> None:
    """`status` and `doctor` list those that run; the ledger is not moved away from them."""
    async with open_as_worker(place, "left", waits=lambda _: None) as database:
        assert database.lease is not None
        time = OssTime(SystemClock())
        worker = SqlWorker(database, database.lease, time, time.now, version=__version__)
        await worker.register(3)
        shown = await type_in(on_server, "status")
        as_json = json.loads((await type_in(on_server, "status", "--json")).out)
        moved = await type_in(on_server, "ledger", "move", "--to", "file")
        found = await examine_machine(on_server.settings(1), {})
    afterwards = json.loads((await type_in(on_server, "status", "--json")).out)

    assert "left" in shown.out
    assert "0 of 3" in shown.out
    assert [(one["name"], one["places"]) for one in as_json["workers"]] == [("left", 3)]
    assert (moved.code, "workers run on the ledger" in moved.err) == (1, True)
    assert [row.meaning for row in found if row.name == "workers"] == [
        "left; together they take 3 jobs at once"
    ]
    assert afterwards["workers"] == []


async def test_doctor_of_a_new_database(on_server: LocalStack, databases: Databases) -> None:
    """The first start makes the tables; the doctor makes none."""
    new = databases.make(empty=True)
    on_server.more["RELAY_LEDGER__URL"] = new.url
    first = await rows(on_server.settings(1))
    again = await rows(on_server.settings(1))
    execute(new, "CREATE TABLE invoices (id int)")
    foreign = await rows(on_server.settings(1))
    databases.drop(new)

    assert [row.verdict for row in first] == [Verdict.OK, Verdict.OK]
    assert "no tables yet" in first[0].meaning
    assert again[0] == first[0]
    assert "tables of another program" in foreign[0].meaning


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("REVOKE DELETE ON jobs FROM PUBLIC, {login}", "DELETE on jobs"),
        ("ALTER ROLE {login} SET default_transaction_read_only = on", "writes"),
        ("UPDATE alembic_version SET version_num = '0005'", "ownership of"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer version"),
        ("ALTER ROLE {login} NOLOGIN", "not permitted to log in"),
    ],
)
async def test_doctor_of_a_login(
    on_server: LocalStack, place: LedgerServer, statement: str, says: str
) -> None:
    """What the login lacks is named, as is a server that it cannot use."""
    login = f"weak_{urlsplit(place.url).path.strip('/')}"
    execute(
        place, f"CREATE ROLE {login} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {login}"
    )
    execute(place, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {login}")
    parts = urlsplit(place.url)
    host = parts.netloc.rpartition("@")[2]
    on_server.more["RELAY_LEDGER__URL"] = parts._replace(netloc=f"{login}@{host}").geturl()
    before = await rows(on_server.settings(1))
    execute(place, statement.format(login=login))
    after = await rows(on_server.settings(1))
    execute(place, f"DROP OWNED BY {login}; DROP ROLE {login}")

    assert before[0].verdict is Verdict.OK, before
    assert (len(after), after[0].verdict, says in after[0].meaning) == (1, Verdict.BROKEN, True), (
        after
    )


async def test_doctor_of_the_way(
    on_server: LocalStack, place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each warning has a row and a remedy of its own."""
    found = await asyncio.to_thread(examine_server, place)
    slow = timedelta(seconds=70)
    bad = replace(found, is_private=False, latency=slow, ahead=-slow, free=2)
    monkeypatch.setattr("bot.cli.doctor.examine_server", lambda _: bad)
    _, *warned = await rows(on_server.settings(1))

    assert [row.verdict for row in warned] == [Verdict.WARNING] * 4
    assert len({row.remedy for row in warned}) == 4
    assert "-70 s" in warned[2].meaning
    assert abs(found.ahead.total_seconds()) < 5
    assert found.free > 5


async def test_pooler(on_server: LocalStack, place: LedgerServer) -> None:
    """One that shares sessions is refused at the start and named by the doctor; one that does not
    is as good as the server.
    """
    port = urlsplit(place.url).port or 0
    async with pooler(port, by_transaction=True) as shared:
        wrong = through(place, shared.port)
        with pytest.raises(LedgerUnusable, match="pooler in transaction mode"):
            await asyncio.to_thread(migrate, wrong)
        on_server.more["RELAY_LEDGER__URL"] = wrong.url
        told = await rows(on_server.settings(1))
    async with pooler(port, by_transaction=False) as kept:
        await asyncio.to_thread(migrate, through(place, kept.port))

    assert [row.verdict for row in told] == [Verdict.BROKEN]
    assert "use session mode" in told[0].meaning


async def test_free_disk(on_server: LocalStack) -> None:
    """The page of metrics tells that of the spool, and of no file that there is not."""
    port = free_port()
    on_server.more["RELAY_WEB__PORT"] = str(port)
    await on_server.start_bot(1)
    _, page = await get(port, "/metrics")
    await on_server.stop_bot()

    assert re.findall(r'disk_free_bytes\{folder="(\w+)"', page) == ["spool"]


def fill(place: LedgerPlace) -> None:
    """Put rows of all kinds into every table."""
    engine = engine_of(place)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            rows = [{c.name: value_of(c, number) for c in table.columns} for number in (1, 2, 7)]
            connection.execute(table.insert(), rows)
    engine.dispose()


def value_of(column: Column[Any], number: int) -> Any:
    """Return a value that a column may have; the last row has NULL where there may be one."""
    if column.nullable and number == 7:
        return None
    if column.foreign_keys or column.name == "id":
        return number
    if values := column.info.get(VALUES):
        return next(iter(values)).value
    kinds: Mapping[type, Any] = {
        Instant: NOW + timedelta(microseconds=number),
        Boolean: number == 1,
        Payload: {"文": [number, None, 0.5]},
        String: f"é😀'{number}" if number != 2 else "2",
        Integer: number << (40 if isinstance(column.type, BigInteger) else 4),
    }
    return next(value for kind, value in kinds.items() if isinstance(column.type, kind))


def rows_of(place: LedgerPlace) -> dict[str, list[Any]]:
    """Return all rows of all tables but those that tell of processes."""
    engine = engine_of(place)
    with engine.connect() as connection:
        found = {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if table not in schema.OF_PROCESSES
        }
    engine.dispose()
    return found


@pytest.fixture
def filled(stage: LocalStack) -> Path:
    """The ledger in a file, with rows in every table."""
    path = stage.folder / "relay.sqlite3"
    put_empty_ledger(path)
    fill(path)
    return path


async def test_move_there_and_back(
    filled: Path, on_server: LocalStack, place: LedgerServer
) -> None:
    """All rows of all tables arrive, both ways, and what they came from stays as it was."""
    before, content = rows_of(filled), filled.read_bytes()
    moved = await type_in(on_server, "ledger", "move", "--to", "server")
    there = rows_of(place)
    numbers = execute(place, "SELECT nextval(pg_get_serial_sequence('jobs', 'id'))")
    unchanged = filled.read_bytes() == content
    back = on_server.folder / "back.sqlite3"
    on_server.more["RELAY_LEDGER__PATH"] = str(back)
    returned = await type_in(on_server, "ledger", "move", "--to", "file")

    assert (moved.code, moved.err, unchanged) == (0, "", True)
    assert all(len(rows) == 3 for rows in before.values())
    assert there == before
    assert numbers == [(8,)]
    assert (returned.code, "remove ledger.url" in returned.out) == (0, True)
    assert rows_of(back) == rows_of(place) == before
    assert place.url not in moved.out + returned.out


async def test_new_beside_a_file_with_links(
    filled: Path, on_server: LocalStack, place: LedgerServer
) -> None:
    """A bot does not begin on an empty ledger while its former one has links to end; once these
    are copied, or where nothing is left, it does.
    """
    with pytest.raises(LedgerUnusable, match="relay-bot ledger move --to server"):
        await serve(on_server.settings(1), stop=asyncio.Event())
    left = {name for name, rows in rows_of(place).items() if rows}
    execute_in(filled, "UPDATE objects SET state = 'gone'")
    execute_in(filled, "UPDATE jobs SET finished_at = created_at")
    await on_server.start_bot(1)
    await on_server.stop_bot()

    assert left == set()


@pytest.mark.usefixtures("filled")
async def test_move_onto_rows(on_server: LocalStack, place: LedgerServer) -> None:
    """A target that has rows is refused, and keeps them."""
    execute(place, "INSERT INTO state VALUES ('offset', '1')")
    refused = await type_in(on_server, "ledger", "move", "--to", "server")

    assert (refused.code, "not empty: there are rows in state" in refused.err) == (1, True)
    assert execute(place, "SELECT name FROM state") == [("offset",)]


@pytest.mark.usefixtures("filled")
async def test_move_that_is_cut_off(
    on_server: LocalStack, place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves nothing behind, and is begun again; so does one after which other rows arrived."""
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_count_on", lambda connection, _: connection.connection.close())
        cut = await type_in(on_server, "ledger", "move", "--to", "server")
    with monkeypatch.context() as patch:
        patch.setattr(backup._Sum, "__eq__", lambda *_: False)
        other = await type_in(on_server, "ledger", "move", "--to", "server")
    left = {name for name, rows in rows_of(place).items() if rows}
    again = await type_in(on_server, "ledger", "move", "--to", "server")

    assert cut.code == 1
    assert (other.code, "other rows arrived in" in other.err) == (1, True)
    assert left == set()
    assert again.code == 0, again.err


async def test_move_refused(filled: Path, on_server: LocalStack, place: LedgerServer) -> None:
    """Beside a bot on either side, of an older or a damaged ledger, and without a server."""
    async with open_alone(filled):
        here = await type_in(on_server, "ledger", "move", "--to", "server")
    async with open_alone(place):
        there = await type_in(on_server, "ledger", "move", "--to", "server")
    execute_in(filled, "UPDATE jobs SET created_at = 'noon' WHERE id = 2")
    damaged = await type_in(on_server, "ledger", "move", "--to", "server")
    execute_in(filled, "UPDATE alembic_version SET version_num = '0005'")
    older = await type_in(on_server, "ledger", "move", "--to", "server")
    filled.unlink()
    missing = await type_in(on_server, "ledger", "move", "--to", "server")
    del on_server.more["RELAY_LEDGER__URL"]
    nowhere = await type_in(on_server, "ledger", "move", "--to", "server")

    assert "another bot runs" in here.err
    assert "another bot runs" in there.err
    assert "(jobs 2: created_at)" in damaged.err
    assert "start the bot on it once" in older.err
    assert "there is no ledger at" in missing.err
    assert "name the server in ledger.url" in nowhere.err
    assert {ended.code for ended in (here, there, damaged, older, missing, nowhere)} == {1}
    assert not any(rows_of(place).values())
