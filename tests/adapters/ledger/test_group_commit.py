"""Writers that wait at the same moment share a transaction, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.adapters.ledger.connection import LARGEST_GROUP
from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import chats
from bot.core.errors import LedgerUnusable
from tests.fakes.ledger import put_empty_ledger

Operation = Callable[[Connection], object]


def adding(*ids: int) -> Operation:
    """Return an operation that adds chats one by one."""

    def add(connection: Connection) -> int:
        for chat_id in ids:
            connection.execute(insert(chats).values(chat_id=chat_id))
        return ids[-1]

    return add


def stored(connection: Connection) -> list[int]:
    """Return the ids of all chats in the order of their rows."""
    return list(connection.execute(select(chats.c.chat_id).order_by(chats.c.chat_id)).scalars())


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Keep the writer busy, so that all that is written inside waits and is one group."""
    began, may_end = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        began.set()
        may_end.wait(20)

    holding = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(began.wait, 20)
    try:
        yield
        await asyncio.sleep(0)
    finally:
        may_end.set()
    await holding


async def write_together(database: Database, *operations: Operation) -> list[asyncio.Task[object]]:
    """Write all of them in one group; return when all have ended."""
    async with held(database):
        tasks = [asyncio.create_task(database.write(operation)) for operation in operations]
    await asyncio.wait(tasks)
    return tasks


@pytest.fixture
def commits(database: Database) -> Iterator[list[object]]:
    """The commits from now on."""
    del database
    seen: list[object] = []

    def note(connection: object) -> None:
        seen.append(connection)

    event.listen(Engine, "commit", note)
    yield seen
    event.remove(Engine, "commit", note)


async def test_a_group_is_one_commit(database: Database, commits: list[object]) -> None:
    """Eight writers that wait are one commit, and each gets what its own operation returned."""
    tasks = await write_together(database, *(adding(number) for number in range(1, 9)))

    assert [task.result() for task in tasks] == list(range(1, 9))
    assert len(commits) == 2  # That which held the thread, and theirs.


async def test_a_large_group_is_divided(database: Database, commits: list[object]) -> None:
    """The first of a long line do not wait for the last one."""
    count = LARGEST_GROUP + 1
    await write_together(database, *(adding(number) for number in range(1, count + 1)))

    assert len(commits) == 3
    assert len(await database.read(stored)) == count


async def test_a_lone_writer_waits_for_nobody(database: Database, commits: list[object]) -> None:
    """One after the other, each is a commit of its own."""
    for number in range(1, 4):
        await database.write(adding(number))

    assert len(commits) == 3


async def test_a_failure_undoes_itself_alone(database: Database) -> None:
    """An operation that raises in the middle leaves nothing, and the others are stored."""
    tasks = await write_together(database, adding(1), adding(2, 3, 1), adding(4), adding(4))

    assert isinstance(tasks[1].exception(), IntegrityError)
    assert isinstance(tasks[3].exception(), IntegrityError)
    assert (tasks[0].result(), tasks[2].result()) == (1, 4)
    assert await database.read(stored) == [1, 4]


async def test_an_operation_sees_those_before_it(database: Database) -> None:
    """Operations of a group run in the order of the calls, each on the result of the others."""
    tasks = await write_together(database, stored, adding(7), stored, adding(3), stored)

    assert [tasks[number].result() for number in (0, 2, 4)] == [[], [7], [3, 7]]


async def test_what_failed_before_is_not_seen(database: Database) -> None:
    """What a failed operation did is gone before the next one begins."""
    tasks = await write_together(database, adding(1), adding(2, 1), stored)

    assert tasks[2].result() == [1]


async def test_a_fault_of_the_file_undoes_all(database: Database) -> None:
    """Where the file fails in the middle nothing of the group is stored, all are told, and the
    next group works.
    """
    fails = True

    def fail(connection: Connection) -> object:
        nonlocal fails
        if not fails:
            return adding(2)(connection)
        fails = False
        # As SQLite does by itself when a disk is full.
        connection.exec_driver_sql("ROLLBACK")
        raise LedgerUnusable(database.place, "database or disk is full")

    before = await database.read(stored)
    tasks = await write_together(database, adding(1), fail, adding(3))
    told = [task.exception() for task in tasks]
    await asyncio.gather(*(database.write(adding(number)) for number in (4, 5)))

    assert [type(error) for error in told] == [LedgerUnusable] * 3
    assert (before, await database.read(stored)) == ([], [4, 5])


async def test_enduring_writers_of_a_failed_group_are_stored(database: Database) -> None:
    """A bot that waits for its ledger loses none of a group, and stores none of it twice."""
    database.endure()
    fails = True

    def fail_once(connection: Connection) -> object:
        nonlocal fails
        if fails:
            fails = False
            raise LedgerUnusable(database.place, "disk I/O error")
        return adding(2)(connection)

    tasks = await write_together(database, adding(1), fail_once, adding(3))

    assert [task.result() for task in tasks] == [1, 2, 3]
    assert await database.read(stored) == [1, 2, 3]


async def test_cancelled_before_it_begins(database: Database) -> None:
    """Of a group that waits a cancelled writer leaves at once; the others are stored."""
    async with held(database):
        tasks = [asyncio.create_task(database.write(adding(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        was_cancelled = tasks[1].cancelled()
    await asyncio.wait(tasks)

    assert was_cancelled
    assert await database.read(stored) == [1, 3]


async def test_cancelled_in_the_middle(database: Database) -> None:
    """A writer that is cancelled while its group runs ends with the group, and it is stored."""
    began, may_end = threading.Event(), threading.Event()

    def hang(connection: Connection) -> object:
        began.set()
        may_end.wait(20)
        return adding(2)(connection)

    async with held(database):
        tasks = [
            asyncio.create_task(database.write(operation))
            for operation in (adding(1), hang, adding(3))
        ]
    await asyncio.to_thread(began.wait, 20)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    still_there = [not task.done() for task in tasks]
    may_end.set()
    await asyncio.wait(tasks)

    assert still_there == [True] * 3
    assert [task.cancelled() for task in tasks] == [True] * 3
    assert await database.read(stored) == [1, 2, 3]


async def test_readers_share_a_moment(database: Database) -> None:
    """One reader that fails costs the others nothing."""
    await database.write(adding(1))

    def fail(_: Connection) -> object:
        raise ZeroDivisionError

    found = await asyncio.gather(
        *(database.read(operation) for operation in (stored, fail, stored)),
        return_exceptions=True,
    )

    assert (found[0], found[2], type(found[1])) == ([1], [1], ZeroDivisionError)


async def test_a_reader_that_the_database_refuses(database: Database) -> None:
    """It costs the others nothing, also where the database ends a transaction for it."""
    await database.write(adding(1))

    def refused(connection: Connection) -> object:
        return connection.exec_driver_sql("SELECT nothing FROM chats").all()

    found = await asyncio.gather(
        *(database.read(operation) for operation in (stored, refused, stored, refused)),
        return_exceptions=True,
    )

    assert (found[0], found[2]) == ([1], [1])
    assert [isinstance(one, DBAPIError) for one in found] == [False, True, False, True]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bot.adapters.ledger.connection import ConnectionThread
from bot.adapters.ledger.database import Database
from tests.adapters.ledger.test_group_commit import adding, held

def die(connection):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    database = Database(Path(sys.argv[1]))
    if sys.argv[2] == "after":
        visited = ConnectionThread._visited
        def killed(self, group, visit):
            if len(group) > 1:
                die(None)
            visited(self, group, visit)
        ConnectionThread._visited = killed
    async def tell(operation):
        await database.write(operation)
        print("stored", flush=True)
    operations = [adding(1), adding(2)] + [die] * (sys.argv[2] == "inside") + [adding(3)]
    async with held(database):
        tasks = [asyncio.create_task(tell(operation)) for operation in operations]
    await asyncio.wait(tasks)

asyncio.run(main())
"""


@pytest.mark.parametrize(("moment", "expected"), [("inside", []), ("after", [1, 2, 3])])
async def test_killed_in_a_group(tmp_path: Path, moment: str, expected: list[int]) -> None:
    """A process that dies inside a group has stored nothing of it and answered no caller; one that
    dies behind the commit has stored all of it.
    """
    path = tmp_path / "ledger"
    put_empty_ledger(path)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, str(path), moment],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    database = Database(path)
    found = await database.read(stored)
    await database.close()

    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
    assert found == expected
