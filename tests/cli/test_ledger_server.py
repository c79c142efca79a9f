"""Commands whose ledger is a database on a server."""

import asyncio
import json
import os
import re
import select as sockets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    String,
    create_engine,
    func,
    select,
    text,
)

from bot import __version__
from bot.adapters.ledger import backup, postgresql, schema
from bot.adapters.ledger.backup import examine_server
from bot.adapters.ledger.database import migrate, open_alone, open_as_worker
from bot.adapters.ledger.leases import NOW as NOW_THERE
from bot.adapters.ledger.leases import this_process
from bot.adapters.ledger.migration import upgrade
from bot.adapters.ledger.rows import VALUES, Instant, Payload
from bot.adapters.ledger.schema import metadata
from bot.adapters.ledger.worker_runs import SqlWorker
from bot.adapters.oss.client import OssTime
from bot.app import serve
from bot.cli.common import Row, Verdict, size
from bot.cli.doctor import CONNECTIONS, CONNECTIONS_OF_COMMAND, examine_machine
from bot.cli.doctor.telegram import examine_pages
from bot.clock import SystemClock
from bot.core.errors import LedgerUnusable
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.core.ports.runs import LiveWorker, Role
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.settings import Settings
from tests.cli.shell import type_in
from tests.conversations.people import Person, link_of
from tests.conversations.test_pages import by_pages, status
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import engine_of, put_empty_ledger
from tests.fakes.ledger import execute as execute_in
from tests.fakes.pooler import pooler
from tests.fakes.postgres import Databases
from tests.fakes.roles import Cluster
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


async def test_which_process_runs_the_bot(on_server: LocalStack, place: LedgerServer) -> None:
    """Of several that may, `status` names it."""
    async with open_alone(place):
        shown = await type_in(on_server, "status")
        as_json = json.loads((await type_in(on_server, "status", "--json")).out)
    afterwards = json.loads((await type_in(on_server, "status", "--json")).out)

    assert f"the bot runs ({this_process()});" in shown.out
    assert [as_json["process"], afterwards["process"]] == [this_process(), ""]


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
        await worker.register(0)
        idle = await examine_machine(on_server.settings(1), {})
    afterwards = json.loads((await type_in(on_server, "status", "--json")).out)

    assert "left" in shown.out
    assert "0 of 3" in shown.out
    assert [(one["name"], one["slots"]) for one in as_json["workers"]] == [("left", 3)]
    assert (moved.code, "workers run on the ledger" in moved.err) == (1, True)
    assert [row.meaning for row in found if row.name == "workers"] == [
        "left; together they take 3 jobs at once"
    ]
    assert [row.verdict for row in idle if row.name == "workers"] == [Verdict.WARNING]
    assert afterwards["workers"] == []


async def test_pages(on_server: LocalStack) -> None:
    """`links` and `doctor` find the pages of the ledger on the server; no file comes to be."""
    on_server.more |= by_pages(free_port())
    alice = Person(on_server)
    await on_server.start_bot(alice.id)
    link = link_of(await alice.answered(await alice.send(b"x")))
    listed = await type_in(on_server, "links", "--urls")
    (found,) = await examine_pages(on_server.settings(1), on_server.clock)
    removed = await type_in(on_server, "links", "--remove", "1")
    closed = await status(link)
    await on_server.stop_bot()

    assert (listed.code, link in listed.out) == (0, True), listed.err
    assert "nothing was counted" in found.meaning
    assert (removed.code, closed) == (0, 410)
    assert not list(on_server.folder.glob("relay.sqlite3*"))


LOGINS = {
    "front": CONNECTIONS[Role.FRONT],
    "worker": CONNECTIONS[Role.WORKER],
    "command": CONNECTIONS_OF_COMMAND,
}
"""How many connections the doctor says that each needs."""


@pytest.fixture
def logins(place: LedgerServer) -> Iterator[Mapping[str, str]]:
    """The URL of a login for each kind of process, which has no more connections than that."""
    parts, suffix = urlsplit(place.url), urlsplit(place.url).path.strip("/")
    host = parts.netloc.rpartition("@")[2]
    names = {kind: f"{kind}_{suffix}" for kind in LOGINS}
    for kind, name in names.items():
        execute(
            place,
            f"CREATE ROLE {name} LOGIN IN ROLE relay CONNECTION LIMIT {LOGINS[kind]};"
            f" ALTER ROLE {name} SET role relay",
        )
    yield {kind: parts._replace(netloc=f"{name}@{host}").geturl() for kind, name in names.items()}
    for name in names.values():
        execute(place, f"DROP ROLE {name}")


def test_connections_of_others_count(place: LedgerServer) -> None:
    """Also where a login may not see of what kind they are."""
    parts = urlsplit(place.url)
    name, host = f"plain_{parts.path.strip('/')}", parts.netloc.rpartition("@")[2]
    execute(place, f"CREATE ROLE {name} LOGIN; GRANT pg_read_all_data TO {name}")
    plain = LedgerServer(parts._replace(netloc=f"{name}@{host}").geturl())
    before = examine_server(plain).free
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(psycopg.connect(place.url))
        during = examine_server(plain).free
    execute(place, f"DROP ROLE {name}")

    assert before - during == 3


async def test_connections(
    on_server: LocalStack, logins: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Fronts, workers and commands never need more connections than the doctor says."""
    alice = Person(on_server)
    sent = on_server.folder / "sent.bin"
    sent.write_bytes(b"x" * 100_000)
    async with Cluster(on_server, alice.id) as cluster:
        await cluster.front(RELAY_LEDGER__URL=logins["front"])
        await alice.send(b"waits for a worker", "first.bin")
        await cluster.worker("left", RELAY_LEDGER__URL=logins["worker"])
        names = [f"{number}.bin" for number in range(20)]
        for name in names:
            await alice.send(os.urandom(100_000), name)
        await alice.until(partial(are_answered, alice, ["first.bin", *names]))
        on_server.more["RELAY_LEDGER__URL"] = logins["command"]
        copy = str(on_server.folder / "copy.sqlite3")
        commands = (("status",), ("audit",), ("send", str(sent)), ("backup", copy))
        codes = [(await type_in(on_server, *words)).code for words in commands]

    assert codes == [0, 0, 0, 0]
    assert "too many connections" not in caplog.text


def are_answered(person: Person, names: Sequence[str]) -> bool:
    """Return whether each file is in an answer, which may have several."""
    said = "\n".join(message.text for message in person.said)
    return all(re.search(rf"\b{name}\b", said) for name in names)


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
    bad = replace(found, is_private=False, latency=slow, ahead=-slow, free=6)
    monkeypatch.setattr("bot.cli.doctor.examine_server", lambda _: bad)
    _, *warned = await rows(on_server.settings(1))

    assert [row.verdict for row in warned] == [Verdict.WARNING] * 4
    assert len({row.remedy for row in warned}) == 4
    assert "-70 s" in warned[2].meaning
    assert abs(found.ahead.total_seconds()) < 5
    assert found.free > 5


@pytest.mark.parametrize(
    ("runs", "workers", "enough"), [(False, 0, 7), (True, 0, 4), (True, 1, 12)]
)
async def test_doctor_of_connections(
    on_server: LocalStack,
    place: LedgerServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    runs: bool,
    workers: int,
    enough: int,
) -> None:
    """There have to be enough for the next process and a command: a bot, or one more worker."""
    one = LiveWorker("left", 1, "", "", __version__)
    found = await asyncio.to_thread(examine_server, place)
    told = []
    for free in (enough - 1, enough):
        there = replace(found, free=free, bot_runs=runs, workers=(one,) * workers)
        monkeypatch.setattr("bot.cli.doctor.examine_server", lambda _, there=there: there)
        told.append((await rows(on_server.settings(1)))[1])

    assert [row.verdict for row in told] == [Verdict.WARNING, Verdict.OK]
    assert f"{enough} are needed" in told[0].meaning
    assert all("a front 5, a worker 8" in row.meaning + row.remedy for row in told)


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


def of_processes(place: LedgerPlace) -> int:
    """Return the number of rows of tables that tell of processes."""
    engine = engine_of(place)
    with engine.connect() as connection:
        found = sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.OF_PROCESSES
        )
    engine.dispose()
    return found


def outlast(place: LedgerServer) -> None:
    """Wait for as long as the server waits for the next statement of a transaction."""
    with closing(postgresql.connect(place, autocommit=False)) as idle:
        idle.execute("SELECT 1")
        assert sockets.select([idle.fileno()], [], [], 30)[0]


def left(folder: Path) -> list[str]:
    """Return the names of what is in the folder, but of the stand-ins."""
    return sorted(path.name for path in folder.iterdir() if "backup" in path.name)


async def test_backup_of_one_moment(
    on_server: LocalStack, place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the rows of one moment, however long it takes and however much is written meanwhile,
    and no row that tells of processes. The server does not wait for the comparison.
    """
    to, copy, count_on = on_server.folder / "backup", backup._copy_rows, backup._count_on
    fill(place)
    before, processes, open_ones = rows_of(place), of_processes(place), set()

    def copy_while_it_is_written(*args: Any) -> Any:
        if args[2] is next(iter(metadata.sorted_tables)):
            outlast(place)
            execute(place, "INSERT INTO state VALUES ('later', '1'); UPDATE jobs SET name = 'x'")
        return copy(*args)

    def look(*args: Any) -> None:
        open_ones.update(execute(place, _OPEN))
        count_on(*args)

    monkeypatch.setattr(postgresql, "IDLE_TIMEOUT", 0.2)
    monkeypatch.setattr(backup, "_copy_rows", copy_while_it_is_written)
    monkeypatch.setattr(backup, "_count_on", look)
    made = await type_in(on_server, "backup", str(to))
    checked = await type_in(on_server, "restore", "--check", str(to))

    assert (made.code, made.err) == (0, "")
    assert made.out == f"{to}: {size(to.stat().st_size)}, checked\n"
    assert (checked.code, ": ok, schema " in checked.out) == (0, True)
    assert open_ones == {(0,)}
    assert rows_of(to) == before != rows_of(place)
    assert (processes, of_processes(place), of_processes(to)) == (9, 9, 0)
    assert (left(on_server.folder), to.stat().st_mode & 0o777) == (["backup"], 0o600)


_OPEN = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'"
)


async def test_backup_beside_front_and_worker(on_server: LocalStack, databases: Databases) -> None:
    """A bot of one process goes on with it on another server, also with the file that a worker was
    relaying.
    """
    alice, to = Person(on_server), on_server.folder / "backup"
    async with Cluster(on_server, alice.id) as cluster:
        await cluster.front(RELAY_STOP__GRACE="0s")
        await cluster.worker("left", RELAY_STOP__GRACE="0s")
        await alice.answered(await alice.send(b"x" * 2000, "early.bin"))
        hang = Fault("file", Effect.STALL, args={"bytes": 1 << 20, "seconds": 60})
        on_server.telegram.faults.add(hang)
        held = await alice.send(os.urandom(2 << 20), "held.bin")
        await cluster.until("SELECT worker FROM runs", [("left",)])
        made = await type_in(on_server, "backup", str(to))
    new = databases.make(empty=True)
    on_server.more["RELAY_LEDGER__URL"] = new.url
    restored = await type_in(on_server, "restore", str(to))
    await on_server.start_bot(alice.id)
    await alice.answered(held)
    told = await type_in(on_server, "status", "--json")
    await on_server.stop_bot()
    databases.drop(new)

    assert (made.code, made.err) == (0, "")
    assert (restored.code, restored.err) == (0, "")
    assert restored.out.startswith(f"{new}: restored\nstart the bot, then")
    assert {link["name"] for link in told.json["links"]} == {"early.bin", "held.bin"}


async def test_backup_refused(
    on_server: LocalStack, place: LedgerServer, databases: Databases
) -> None:
    """Onto a file that is there, of an older ledger or a newer one, and of none at all."""
    to, there = on_server.folder / "backup", on_server.folder / "mine"
    there.write_bytes(b"precious")
    kept = await type_in(on_server, "backup", str(there))
    execute(place, "UPDATE alembic_version SET version_num = '0006'")
    older = await type_in(on_server, "backup", str(to))
    execute(place, "UPDATE alembic_version SET version_num = '9999'")
    newer = await type_in(on_server, "backup", str(to))
    new = databases.make(empty=True)
    on_server.more["RELAY_LEDGER__URL"] = new.url
    nothing = await type_in(on_server, "backup", str(to))
    tables = execute(new, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    databases.drop(new)
    away = await type_in(on_server, "backup", str(to))

    assert (f"{there} exists already" in kept.err, there.read_bytes()) == (True, b"precious")
    assert "it has schema 0006" in older.err
    assert "newer version" in newer.err
    assert "there is no ledger in it" in nothing.err
    assert tables == [(0,)]
    assert "does not exist" in away.err
    assert {ended.code for ended in (kept, older, newer, nothing, away)} == {1}
    assert left(on_server.folder) == []


async def test_backup_that_is_cut_off(
    on_server: LocalStack, place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of one that lost the server, nor of one that has other rows than it."""
    to = on_server.folder / "backup"
    fill(place)
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_rows", lambda old, *_: old.connection.close())
        cut = await type_in(on_server, "backup", str(to))
    with monkeypatch.context() as patch:
        patch.setattr(backup._Sum, "__eq__", lambda *_: False)
        other = await type_in(on_server, "backup", str(to))

    assert (cut.code, other.code) == (1, 1)
    assert f"{to} cannot be written: other rows arrived in" in other.err
    assert left(on_server.folder) == []


_RUNS = "SELECT count(*) FROM runs"
_WORKERS = "SELECT count(*) FROM workers"


async def test_restore(filled: Path, on_server: LocalStack, place: LedgerServer) -> None:
    """All rows of a backup of the file arrive, numbers go on after them, and the backup stays as
    it is, also where it cannot be written.
    """
    before, to = rows_of(filled), on_server.folder / "disk" / "backup"
    to.parent.mkdir()
    backup.back_up(filled, to)
    to.chmod(0o400)
    content = to.read_bytes()
    to.parent.chmod(0o500)
    execute(place, "INSERT INTO state VALUES ('probe', '')")
    restored = await type_in(on_server, "restore", str(to))
    numbers = execute(place, "SELECT nextval(pg_get_serial_sequence('jobs', 'id'))")
    to.parent.chmod(0o700)

    assert (restored.code, restored.err) == (0, "")
    assert rows_of(place) == before
    assert execute(place, f"{_RUNS} UNION ALL {_WORKERS}") == [(0,), (0,)]
    assert numbers == [(8,)]
    assert (to.read_bytes(), len(list(to.parent.iterdir()))) == (content, 1)


async def test_restore_of_an_earlier_version(on_server: LocalStack, place: LedgerServer) -> None:
    """Its rows arrive as the newest version has them; the backup stays of its version."""
    file = on_server.folder / "backup"
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        upgrade(connection, file, to="0001")
        connection.execute(text("INSERT INTO chats VALUES (-5, 1, 0, NULL, NULL)"))
        connection.commit()
    engine.dispose()
    restored = await type_in(on_server, "restore", str(file))

    assert (restored.code, restored.err) == (0, "")
    assert execute(place, "SELECT chat_id, auto, zone FROM chats") == [(-5, True, "")]
    assert execute_in(file, "SELECT version_num FROM alembic_version") == [("0001",)]


async def test_restore_that_is_cut_off(
    filled: Path, on_server: LocalStack, place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves nothing behind, and is begun again."""
    to, temporary = on_server.folder / "backup", on_server.folder / "temporary"
    temporary.mkdir()
    backup.back_up(filled, to)
    monkeypatch.setattr(backup, "TemporaryDirectory", partial(TemporaryDirectory, dir=temporary))
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_count_on", lambda connection, _: connection.connection.close())
        cut = await type_in(on_server, "restore", str(to))
    rest = {name for name, rows in rows_of(place).items() if rows}
    again = await type_in(on_server, "restore", str(to))

    assert (cut.code, rest) == (1, set())
    assert (again.code, again.err) == (0, "")
    assert list(temporary.iterdir()) == []


_WORKER = (
    "INSERT INTO workers (name, fence, slots, place, root, version, started_at)"
    " VALUES ('left', 1, 3, '', '', '1', 0)"
)


async def test_restore_beside_others(
    filled: Path, on_server: LocalStack, place: LedgerServer
) -> None:
    """A ledger that a bot, a worker or a command uses is left alone."""
    file = on_server.folder / "backup"
    backup.back_up(filled, file)
    async with open_alone(place):
        bot = await type_in(on_server, "restore", str(file))
    held = f"INSERT INTO leases VALUES ('{{}}', 'other', 1, {NOW_THERE} + 3600000000)"  # noqa: S608 -- a constant.
    execute(place, held.format("worker-left"))
    execute(place, _WORKER)
    worker = await type_in(on_server, "restore", str(file))
    execute(place, "DELETE FROM leases")
    execute(place, held.format("send-1"))
    command = await type_in(on_server, "restore", str(file))

    assert "another bot runs on" in bot.err
    assert "workers run on the ledger" in worker.err
    assert "relay-bot send runs" in command.err
    assert {ended.code for ended in (bot, worker, command)} == {1}
    assert not any(rows_of(place).values())


_STATES = {
    "INSERT INTO runs (job_id, place, handed_at, made_at) VALUES (1, '', 0, 0)": (
        "it is not empty: there are rows in runs; make a new database"
    ),
    "DELETE FROM runs; INSERT INTO state VALUES ('offset', '1')": (
        "it is not empty: there are rows in state; make a new database"
    ),
    "UPDATE alembic_version SET version_num = '0006'": "has schema 0006",
}
"""States of a ledger on a server, one after the other, and what is said of them."""


async def test_restore_onto_rows(filled: Path, on_server: LocalStack, place: LedgerServer) -> None:
    """What is there stays, and so does a ledger of an older version."""
    file = on_server.folder / "backup"
    backup.back_up(filled, file)
    for statement, why in _STATES.items():
        execute(place, statement)
        refused = await type_in(on_server, "restore", str(file))
        assert (refused.code, why in refused.err) == (1, True), refused

    there = {name: rows for name, rows in rows_of(place).items() if rows}
    assert there == {"state": ["('offset', '1')"]}
    assert execute(place, "SELECT version_num FROM alembic_version") == [("0006",)]


async def test_restore_of_no_backup(
    filled: Path, on_server: LocalStack, place: LedgerServer
) -> None:
    """The message names the backup, and not a copy of it; nothing arrives."""
    file = on_server.folder / "backup"
    backup.back_up(filled, file)
    execute_in(file, "UPDATE jobs SET created_at = 'noon' WHERE id = 2")
    damaged = await type_in(on_server, "restore", str(file))
    file.write_bytes(b"no database" * 100)
    other = await type_in(on_server, "restore", str(file))

    assert f"the ledger {file} cannot be used: a row cannot be read" in damaged.err
    assert f"the ledger {file} cannot be used: file is not a database" in other.err
    assert (damaged.code, other.code) == (1, 1)
    assert not any(rows_of(place).values())
