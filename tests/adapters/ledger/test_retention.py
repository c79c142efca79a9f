"""Rows of what has ended are removed after their time, and nothing else."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, create_engine, func, select, text

from bot.adapters.ledger.database import Database, migrate
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.migration import upgrade
from bot.adapters.ledger.schema import answers, jobs, objects
from bot.core.jobs import Job
from bot.core.ports.jobs import EverTotals
from bot.jobs import reaper
from bot.jobs.reaper import Retention
from bot.sandbox.clock import SandboxClock
from tests.fakes.ledger import empty_ledger
from tests.fakes.samples import NOW, accept, acquire, at, cancel, finish, make_file, make_origin

KEEP = timedelta(days=30)
LATER = NOW + KEEP + timedelta(days=2)
SMALL_STEP = 50
"""Jobs; three steps of them are pages enough to see the file shrink."""


async def answered(ledger: SqlLedger, *, gone: bool = True) -> Job:
    """Take a file all the way: relayed, answered, its link ended."""
    job, stored = await finish(ledger, await accept(ledger))
    answer = await ledger.answers.begin([job], None)
    await ledger.answers.sent(answer.id, 5)
    if gone:
        await ledger.objects.gone([stored.id], at(100))
    return job


async def counts(database: Database) -> list[int]:
    """Return the numbers of jobs, objects and answers."""
    return [await database.read(_count, table) for table in (jobs, objects, answers)]


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def remove_all(ledger: SqlLedger) -> None:
    """Remove everything that is due, in steps of two."""
    while await ledger.totals.remove_ended(LATER - KEEP, LATER, 2):
        pass


async def test_what_ended_is_removed(database: Database, ledger: SqlLedger) -> None:
    """A job goes with its objects and its answer; the newest of each stays, so that no number is
    given twice.
    """
    done = [await answered(ledger) for _ in range(5)]
    await remove_all(ledger)

    assert await counts(database) == [1, 1, 1]
    assert await ledger.jobs.get_many([job.id for job in done]) != []
    assert (await accept(ledger)).id == done[-1].id + 1


async def test_what_is_younger_stays(database: Database, ledger: SqlLedger) -> None:
    """Nothing is removed before its time."""
    for _ in range(3):
        await answered(ledger)
    await ledger.totals.remove_ended(NOW, LATER, 10)

    assert await counts(database) == [3, 3, 3]


async def test_what_is_not_over_stays(database: Database, ledger: SqlLedger) -> None:
    """A job stays while its link lives, while it has no answer, while its answer is not placed,
    and while it has not ended at all.
    """
    await answered(ledger, gone=False)
    await finish(ledger, await accept(ledger))
    pending, stored = await finish(ledger, await accept(ledger))
    await ledger.answers.begin([pending], None)
    await ledger.objects.gone([stored.id], at(100))
    await acquire(ledger, await accept(ledger))
    await answered(ledger)
    await remove_all(ledger)

    assert (await counts(database))[0] == 5


async def test_an_answer_stays_with_one_of_its_jobs(database: Database, ledger: SqlLedger) -> None:
    """An answer to several jobs is removed with the last of them."""
    first, stored = await finish(ledger, await accept(ledger))
    second, _ = await finish(ledger, await accept(ledger))
    answer = await ledger.answers.begin([first, second], None)
    await ledger.answers.sent(answer.id, 5)
    await ledger.objects.gone([stored.id], at(100))
    await answered(ledger)
    await remove_all(ledger)

    assert await ledger.jobs.get(first.id) is None
    assert await ledger.jobs.get(second.id) is not None
    assert (await counts(database))[2] == 2


async def test_totals_stay(ledger: SqlLedger) -> None:
    """What was relayed is counted when it ends, and the removal of its rows changes nothing."""
    for _ in range(3):
        await answered(ledger)
    await cancel(ledger, await acquire(ledger, await accept(ledger)))
    before = await ledger.totals.ever()
    await remove_all(ledger)

    assert before == await ledger.totals.ever() == EverTotals(3, 3000)


async def test_redelivery_after_the_removal_of_others(ledger: SqlLedger) -> None:
    """While Telegram may deliver an update again its job is there: no file is relayed twice."""
    origin, file = make_origin(100), make_file("a")
    job = await ledger.jobs.accept(origin, file, LATER - timedelta(hours=25))
    assert job is not None
    await ledger.jobs.cancel(await acquire(ledger, job, LATER), LATER - timedelta(hours=25))
    await answered(ledger)
    await Retention(ledger.totals, SandboxClock(LATER), keep=timedelta(days=3)).step()

    assert await ledger.jobs.accept(origin, file, LATER) is None


async def test_the_file_shrinks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room of removed rows is given back to the file system, while others work."""
    monkeypatch.setattr(reaper, "ENDED_IN_A_STEP", SMALL_STEP)
    async with empty_ledger(path) as database:
        ledger = SqlLedger(database)
        empty = await pages(database)
        for _ in range(3 * SMALL_STEP):
            await answered(ledger)
        before = await pages(database)
        retention = Retention(ledger.totals, SandboxClock(LATER), keep=KEEP)
        steps = 1
        while await retention.step():
            steps += 1
            await accept(ledger)
        after = await pages(database)

    assert steps == 4  # The last one finds nothing.
    assert after - empty < (before - empty) / 2


async def pages(database: Database) -> int:
    """Return the number of pages of the file."""
    return await database.read(
        lambda connection: int(connection.execute(text("PRAGMA page_count")).scalar_one())
    )


@pytest.mark.parametrize("version", ["0001", "0003"])
def test_an_earlier_ledger_can_shrink(path: Path, version: str) -> None:
    """The file of an earlier version is made to shrink, and what it has is summed up."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        upgrade(connection, path, to=version)
        values = {
            "bot_id": 1, "chat_id": 2, "file_unique_id": "u", "owner_id": 2, "language": "en",
            "file_id": "f", "kind": "document", "name": "n", "attempt": 1, "failures": 0,
            "created_at": 0, "run_at": 0, "cancel_requested": 0, "crashes": 0, "boot_id": "",
            "error_args": "{}",
        }  # fmt: skip
        for number, (state, size) in enumerate([("done", 5), ("done", 7), ("failed", None)]):
            row = values | {
                "message_id": number, "state": state, "size": size,
                "finished_at": 86_400_000_000 * number,
            }  # fmt: skip
            names = ", ".join(row)
            holes = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO jobs ({names}) VALUES ({holes})"), row)  # noqa: S608 -- constants.
        connection.commit()
    engine.dispose()
    migrate(path)
    raw = sqlite3.connect(path)
    mode = raw.execute("PRAGMA auto_vacuum").fetchone()
    totals = raw.execute("SELECT * FROM daily_totals ORDER BY day").fetchall()
    raw.close()

    assert mode == (2,)
    assert totals == [(0, "done", "", 1, 5), (1, "done", "", 1, 7), (2, "failed", "", 1, 0)]
