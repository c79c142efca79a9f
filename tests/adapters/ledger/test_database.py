"""Opening, locking, reading and writing the file."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, select, text, update
from sqlalchemy.exc import OperationalError

from bot.adapters.ledger.database import (
    Database,
    migrate,
    open_database,
)
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import chats
from bot.adapters.ledger.sqlite import BUSY_TIMEOUT, process_lock
from bot.core.errors import LedgerLocked, LedgerTooNew
from tests.fakes.samples import NOW, accept, finish, make_file, make_origin

MOMENTS = range(0, 600, 17)
"""Iterations of the event loop; a transaction takes a few hundred of them."""

HOLD_THE_LOCK = """
import sys
from pathlib import Path
from bot.adapters.ledger.sqlite import BUSY_TIMEOUT, process_lock
with process_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_fresh_ledger_is_readable_by_its_owner_only(path: Path) -> None:
    """The file names users and files, so other users of the system may not read it."""
    migrate(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_write_ahead_log_is_as_private_as_the_ledger(path: Path) -> None:
    """Everything beside the ledger has its mode."""
    async with open_database(path) as database:
        await accept(SqlLedger(database))
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

        assert modes == {0o600}


def test_missing_folder_is_made(tmp_path: Path) -> None:
    """The first start needs no preparation."""
    path = tmp_path / "state" / "of bot?" / "100%.db"
    migrate(path)

    assert path.exists()


async def test_path_with_special_characters_is_one_file(tmp_path: Path) -> None:
    """What means something in a URL means nothing in a path."""
    path = tmp_path / "a ?mode=memory#100%.db"
    async with open_database(path) as database:
        await accept(SqlLedger(database))

    with sqlite3.connect(path) as plain:
        assert plain.execute("select count(*) from jobs").fetchone() == (1,)
    plain.close()


async def test_second_start_keeps_what_the_first_wrote(path: Path) -> None:
    """Migrating a current ledger changes nothing."""
    async with open_database(path) as database:
        job = await accept(SqlLedger(database))
    async with open_database(path) as database:
        found = await SqlLedger(database).jobs.get(job.id)

    assert found == job


def test_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    """An older program does not touch tables that it does not know."""
    migrate(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(LedgerTooNew, match="newer version"):
        migrate(path)
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()

    assert revision == "9999"


async def test_defect_of_a_statement_keeps_its_error(path: Path) -> None:
    """Only what the file does wrong is called a ledger that cannot be used."""
    with pytest.raises(OperationalError, match="nonsense"):
        async with open_database(path) as database:
            await database.read(Connection.execute, text("select nonsense"))


async def test_ledger_survives_a_crash_at_any_commit(path: Path) -> None:
    """Committed means on disk: write-ahead log, full synchronization, foreign keys, patience."""

    def look(connection: Connection) -> list[object]:
        return [
            connection.execute(text(f"pragma {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    async with open_database(path) as database:
        values = await database.write(look)

    assert values == ["wal", 2, 1, 1000 * BUSY_TIMEOUT]


async def test_failed_transaction_leaves_nothing(database: Database) -> None:
    """An exception in an operation takes back everything that was written in it; the next one
    works.
    """

    def break_off(connection: Connection) -> None:
        connection.execute(insert(chats).values(chat_id=1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(break_off)
    await database.write(Connection.execute, insert(chats).values(chat_id=2))

    assert await database.read(known_chats) == [2]


async def test_reader_is_not_held_up_by_a_writer(database: Database) -> None:
    """While a write is under way, a read sees the moment before it."""
    wrote, may_end = threading.Event(), threading.Event()

    def write(connection: Connection) -> None:
        connection.execute(insert(chats).values(chat_id=1))
        wrote.set()
        may_end.wait(10)

    writer = asyncio.create_task(database.write(write))
    await asyncio.to_thread(wrote.wait, 10)
    seen = await database.read(known_chats)
    may_end.set()
    await writer

    assert wrote.is_set()
    assert seen == []
    assert await database.read(known_chats) == [1]


async def test_two_processes_worth_of_writers_and_readers_do_not_fail(path: Path) -> None:
    """Two connections to one file wait for each other; no write is lost, no read is locked out."""
    async with open_database(path) as one, open_database(path) as two:
        await one.write(Connection.execute, insert(chats).values(chat_id=1, moved_to=0))

        def look(connection: Connection) -> int:
            return int(connection.execute(select(chats.c.moved_to)).scalar_one())

        def add_one(connection: Connection) -> None:
            connection.execute(update(chats).values(moved_to=look(connection) + 1))

        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                for database in (one, two):
                    group.create_task(database.write(add_one))
                    group.create_task(database.read(look))

        assert [await one.read(look), await two.read(look)] == [80, 80]


async def test_two_ledgers_on_one_file_accept_a_message_once(path: Path) -> None:
    """The unique key holds between connections too."""
    async with open_database(path) as one, open_database(path) as two:
        origin, file = make_origin(), make_file()
        jobs = await asyncio.gather(
            *(SqlLedger(db).jobs.accept(origin, file, NOW) for db in (one, two) for _ in range(5))
        )

        assert sum(job is not None for job in jobs) == 1


async def test_cancelled_write_is_whole_or_not_at_all(ledger: SqlLedger) -> None:
    """Tasks that are cancelled anywhere inside a write leave a ledger that works."""
    for turns in MOMENTS:
        origin, file = make_origin(message_id=turns), make_file()
        await _cancel_after(turns, ledger.jobs.accept(origin, file, NOW))
        await ledger.jobs.accept(origin, file, NOW)
    stored = await ledger.jobs.unfinished()

    assert [job.origin.message_id for job in stored] == list(MOMENTS)


async def test_cancelled_read_harms_nobody(ledger: SqlLedger) -> None:
    """Tasks that are cancelled anywhere inside a read leave a ledger that works."""
    job, stored = await finish(ledger, await accept(ledger))
    for turns in MOMENTS:
        await _cancel_after(turns, ledger.objects.live_of(job.origin.owner_id))

    assert await ledger.objects.live_of(job.origin.owner_id) == [(job, stored)]


def test_second_process_is_refused(path: Path) -> None:
    """Two bots on one ledger would do every job twice; the end of the first frees the lock."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LedgerLocked, match="another bot"), process_lock(path):
            pytest.fail("both hold the lock")
        other.kill()
        other.wait(timeout=10)
    with process_lock(path):
        is_free = True

    assert is_free
    assert stat.S_IMODE(Path(f"{path}.lock").stat().st_mode) == 0o600


def known_chats(connection: Connection) -> list[int]:
    """Return the ids of all chats that have a row."""
    return list(connection.execute(select(chats.c.chat_id)).scalars())


async def _cancel_after(turns: int, work: Coroutine[Any, Any, object]) -> None:
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
