"""A ledger whose file does not work for a while: locked, on a full disk, deleted, replaced."""

import asyncio
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from bot.adapters.ledger import database as module
from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import chats
from bot.adapters.ledger.totals import LedgerHealth
from bot.core.errors import LedgerClosed, LedgerUnusable
from tests.fakes.ledger import file_of, put_empty_ledger


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as a backup tool does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def full_disk(_: Path) -> Iterator[None]:
    """Let no file of this process grow beyond a page."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def deleted(path: Path) -> Iterator[None]:
    """Take the file away, and put it back."""
    away = path.with_name("away")
    path.rename(away)
    yield
    away.rename(path)


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    """Put a new ledger in its place; nothing may be written to it."""
    with deleted(path):
        put_empty_ledger(path)
        before = path.read_bytes()
        yield

        assert path.read_bytes() == before


Outage = Callable[[Path], AbstractContextManager[None]]
OUTAGES = (locked, full_disk, deleted, replaced)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the loop is alive meanwhile."""
    async with asyncio.timeout(20):
        # Nothing tells of a change of the file.
        while not condition():  # noqa: ASYNC110 -- see above.
            await asyncio.sleep(0.01)


def ids(connection: Connection) -> list[int]:
    """Return the ids of all chats."""
    return list(connection.execute(select(chats.c.chat_id)).scalars())


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
async def test_writes_wait_until_it_works(database: Database, outage: Outage) -> None:
    """A write waits as long as it takes, the ledger is said to be unusable meanwhile, and both
    end with the cause.
    """
    database.endure()
    await database.write(Connection.execute, insert(chats).values(chat_id=1))
    await database.read(ids)
    with outage(file_of(database)):
        writing = asyncio.create_task(
            database.write(Connection.execute, insert(chats).values(chat_id=2))
        )
        await until(lambda: bool(database.state.trouble))
        health = await LedgerHealth(database).trouble()
        seen, waits = await database.read(ids), not writing.done()
    await asyncio.wait_for(writing, 20)

    assert health.startswith("cannot be ")
    assert (seen, waits) == ([1], True)
    assert (await database.read(ids), database.state.trouble) == ([1, 2], "")


async def test_trouble_of_those_that_wait(database: Database) -> None:
    """On a full disk what takes no room is written; the ledger is not well all the same until what
    takes some is written too.
    """
    database.endure()
    has_room = threading.Event()

    def grow(_: Connection) -> None:
        if not has_room.is_set():
            raise LedgerUnusable(database.place, "the disk is full")

    growing = [asyncio.create_task(database.write(grow)) for _ in range(2)]
    await until(lambda: bool(database.state.trouble))
    await database.write(Connection.execute, insert(chats).values(chat_id=1))
    while_small = await LedgerHealth(database).trouble()
    has_room.set()
    await asyncio.gather(*growing)

    assert while_small == "cannot be used: the disk is full"
    assert await LedgerHealth(database).trouble() == ""


@pytest.mark.parametrize("outage", [deleted, replaced], ids=lambda outage: outage.__name__)
async def test_noticed_without_a_write(database: Database, outage: Outage) -> None:
    """A file that is gone is noticed although it is not used, and so is its return."""
    database.endure()
    watch = asyncio.create_task(database.watch())
    with outage(file_of(database)):
        await until(lambda: bool(database.state.trouble))
        noticed = database.state.trouble
    await until(lambda: not database.state.trouble)
    goes_on = not watch.done()
    watch.cancel()

    assert "deleted or replaced" in noticed
    assert goes_on


async def test_commands_do_not_wait_for_a_disk(database: Database) -> None:
    """Without `endure` a full disk is an error at once; a lock is one after a while."""
    with full_disk(file_of(database)), pytest.raises(LedgerUnusable):
        await database.write(Connection.execute, insert(chats).values(chat_id=2))


async def test_lock_that_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gives up on a lock after its patience."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with locked(file_of(database)), pytest.raises(LedgerUnusable, match="locked"):
        await database.write(Connection.execute, insert(chats).values(chat_id=2))


async def test_end_does_not_wait(path: Path) -> None:
    """What waits when the database is closed fails; a cancel takes effect at once."""
    put_empty_ledger(path)
    database = Database(path)
    database.endure()
    with deleted(file_of(database)):
        writes = [
            asyncio.create_task(
                database.write(Connection.execute, insert(chats).values(chat_id=n))
            )
            for n in range(2)
        ]
        await until(lambda: bool(database.state.trouble))
        writes[0].cancel()
        await asyncio.wait([writes[0]], timeout=20)
        await database.close()
        await asyncio.wait([writes[1]], timeout=20)

    assert writes[0].cancelled()
    assert isinstance(writes[1].exception(), LedgerClosed)
