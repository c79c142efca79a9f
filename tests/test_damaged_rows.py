"""A row of the ledger that cannot be read, damaged or of another version, costs no other row."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.recovery import MOST_LINES, note_unknown
from bot.adapters.ledger.rows import Instant, Payload
from bot.adapters.ledger.schema import metadata
from bot.core.errors import StoreForbidden
from bot.core.jobs import JobState, ObjectState, Placement
from bot.core.ports.ledger import ChatRules, OwnerRules
from bot.core.ports.views import Answer
from bot.jobs.reaper import Reaper
from tests.fakes.ledger import empty_ledger, file_of
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recorder import Recorder, naming
from tests.fakes.samples import LIFETIME, NOW, accept, acquire
from tests.fakes.store import FakeStore, Trouble
from tests.jobs.reaper_fixture import META, Graveyard
from tests.test_fault_matrix import NEIGHBOUR, Everything

NOT_UTF8 = "CAST(x'ff' AS TEXT)"
TABLES = ("jobs", "outbox", "cards", "answers")
NEWER = "'of_a_newer_version'"
SPECIAL = {
    ("jobs", "kind"),
    ("jobs", "state"),
    ("answers", "form"),
    ("answers", "state"),
    ("outbox", "kind"),
}
NOT_READ = {"crash_progress"}
"""A job that runs writes it before anything reads it."""
MOST_STEPS = 60
SAMPLE = 12
"""One case of so many is run each time."""


def _damages(column: Column[Any]) -> Sequence[str]:
    """Return SQL values that a column of this kind cannot have."""
    if isinstance(column.type, Boolean):
        return ()
    if isinstance(column.type, Payload):
        return ("'{\"a'", "'[1]'", "x'ff'")
    if isinstance(column.type, Instant):
        return ("'x'", "9000000000000000000")
    if isinstance(column.type, Integer):
        return ("'x'",)
    return (NOT_UTF8, "x'00ff'", NEWER)


def _cases() -> Iterator[tuple[str, str, str]]:
    for table in TABLES:
        for column in metadata.tables[table].columns:
            if not column.primary_key and column.name not in NOT_READ:
                for damage in _damages(column):
                    yield table, column.name, damage


CASES = list(_cases())


async def _until(stage: Everything, is_done: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(MOST_STEPS):
        if await is_done():
            return
        await stage.step()
    raise AssertionError("not done")


async def _damage(path: Path, table: str, column: str, damage: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        changed = connection.execute(f"UPDATE {table} SET {column} = {damage} WHERE id = 1")  # noqa: S608 -- a test.
        assert changed.rowcount == 1


async def _serve_beside(stage: Everything, table: str, column: str, damage: str) -> None:
    """Damage a row of the one person; return when the other is answered."""
    ledger, path = stage.ledger, file_of(stage.database)

    async def is_opened() -> bool:
        return len(await ledger.status_messages.open_status_messages()) == 2

    async def has_ended() -> bool:
        return {job.state for job in await ledger.jobs.get_many([1, 2])} == {JobState.DONE}

    async def is_answered() -> bool:
        said = {said.chat_id for said in stage.messenger.said if isinstance(said.view, Answer)}
        return NEIGHBOUR in said and not (await ledger.outbox.pending_work(10)).messages

    await stage.begin()
    if table != "outbox":
        await _until(stage, is_opened)
    if table == "answers":
        stage.signals.outbox.clear()
        stage.uploads.may_end.set()
        # No round of the dispatcher meanwhile, which would answer the first that has ended.
        while not await has_ended():
            await stage.signals.outbox.wait()
            stage.signals.outbox.clear()
        for job in await ledger.jobs.get_many([1, 2]):
            await ledger.answers.begin([job], None)
    await _damage(path, table, column, damage)
    # Before the job ends, which writes some columns anew.
    await ledger.jobs.get_many([1, 2])
    stage.uploads.may_end.set()
    await _until(stage, is_answered)
    # What a start does.
    await stage.database.read(note_unknown)
    await _until(stage, is_answered)


async def _check(folder: Path, table: str, column: str, damage: str) -> None:
    async with empty_ledger(
        folder / f"{table}-{column}-{CASES.index((table, column, damage))}"
    ) as it:
        stage = Everything(it, Recorder())
        it.metrics = stage.metrics
        with capture_logs() as lines:
            loop = asyncio.create_task(stage.queue.run())
            try:
                await _serve_beside(stage, table, column, damage)
                assert not loop.done()
            finally:
                loop.cancel()
                await stage.queue.stop()
                await asyncio.wait([loop])
    is_plain = damage == NEWER and (table, column) not in SPECIAL
    noted = [line for line in lines if line.get("code") == "unreadable"]
    kinds = [kind for _, kind in stage.metrics.unexpected]

    assert not [line for line in lines if "exc_info" in line], lines
    assert [line["columns"] for line in noted] == ([] if is_plain else [[column]])
    assert kinds == ["UnreadableRow"] * len(noted)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "cases", [CASES[::SAMPLE], pytest.param(CASES, marks=pytest.mark.long)], ids=["some", "all"]
)
async def test_damaged_row_costs_no_other(
    tmp_path: Path, cases: Sequence[tuple[str, str, str]]
) -> None:
    """It is logged and counted once; the valid row beside it is served, every loop lives."""
    for table, column, damage in cases:
        with naming(f"{table}.{column} = {damage}"):
            await _check(tmp_path, table, column, damage)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Return an empty ledger."""
    async with empty_ledger(tmp_path / "ledger.db") as database:
        yield database


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper on a ledger."""
    database.metrics = FakeMetrics()
    return Graveyard(database)


OF_OBJECTS = [
    (column.name, damage)
    for column in metadata.tables["objects"].columns
    if not (column.primary_key or column.foreign_keys)
    for damage in _damages(column)
    if damage != NEWER or column.name in {"state", "ending", "mode"}
]


@pytest.mark.parametrize(("column", "damage"), OF_OBJECTS)
async def test_damaged_object_keeps_no_link_alive(
    yard: Graveyard, column: str, damage: str
) -> None:
    """The valid link ends in time, and the damaged one too, unless its very key is unknown."""
    first, second = await yard.live(), await yard.live()
    assert first.id == 1
    await _damage(file_of(yard.database), "objects", column, damage)
    yard.clock.advance(LIFETIME)
    with capture_logs() as lines:
        await yard.database.read(note_unknown)
        for _ in range(3):
            await yard.reaper.sweep()
    left = {first.key} & yard.store.objects.keys()
    counts = await yard.ledger.probe.links(yard.clock.now())
    noted = [line["columns"] for line in lines if line.get("code") == "unreadable"]

    assert second.key not in yard.store.objects
    assert noted == [[column]]
    assert not [line for line in lines if "exc_info" in line]
    if column in LOST:
        assert left
        assert counts is not None
        assert counts.overdue == 1
        assert await yard.ledger.probe.set_aside() == {"deletion": 1}
    else:
        assert not left


LOST = {"key", "bucket", "region"}
"""Columns without which an object is not found."""


async def test_foreign_bucket_that_cannot_be_opened_keeps_no_other_link_alive(
    yard: Graveyard,
) -> None:
    """Nor any leftover: it is postponed alone, and counted."""
    first, second = await yard.live(), await yard.live()
    left = await yard.left(put=True)
    await _damage(file_of(yard.database), "objects", "bucket", "'No Bucket!'")

    def open_store(placement: Placement) -> FakeStore:
        if placement.bucket == "No Bucket!":
            raise ValueError(placement.bucket)
        return yard.store

    yard.reaper = Reaper(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        yard.clock,
        yard.signals,
        store_of=open_store,
    )
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()

    assert list(yard.store.objects) == [first.key]
    assert (await yard.read(first)).attempts == 1
    assert (await yard.read(second)).state is ObjectState.GONE
    assert (await yard.read(left)).sweeps == 1
    assert await yard.ledger.probe.set_aside() == {"deletion": 1}


async def test_upload_that_cannot_be_aborted_holds_up_no_other(yard: Graveyard) -> None:
    """The listing goes on behind it."""

    def refuse() -> None:
        raise StoreForbidden("AccessDenied")

    ids = [yard.store.initiate(f"{yard.prefix}{n}", META) for n in range(3)]
    yard.store.trouble(Trouble("abort", refuse))

    await yard.reaper.reconcile(yard.prefix)

    assert len(ids) == 3
    assert len(yard.store.upload_ids) == 1


@pytest.mark.parametrize(
    ("table", "values", "column"),
    [
        ("owners", "owner_id, language, banned, allowed) VALUES (1, x'ff00', 1, 0", "language"),
        ("chats", "chat_id, auto, privately, zone) VALUES (1, 1, 0, x'ff00'", "zone"),
    ],
)
async def test_damaged_rules_are_repaired(
    database: Database, table: str, values: str, column: str
) -> None:
    """What is readable of them holds from then on."""
    chats = SqlLedger(database).chats
    with closing(sqlite3.connect(file_of(database))) as connection, connection:
        connection.execute(f"INSERT INTO {table} ({values})")
    with capture_logs() as lines:
        for ledger in (chats, SqlLedger(database).chats):
            rules = await (ledger.owner(1) if table == "owners" else ledger.chat(1))

    assert [line["columns"] for line in lines] == [[column]]
    assert rules in {OwnerRules(1, banned=True), ChatRules(1, auto=True)}


async def test_damaged_update_is_set_aside(database: Database) -> None:
    """The other is tried again."""
    updates = SqlLedger(database).dead_updates
    for number in (1, 2):
        await updates.failing(number, "{}", "KeyError", NOW, NOW)
    with closing(sqlite3.connect(file_of(database))) as connection, connection:
        connection.execute("UPDATE dead_updates SET body = x'ff' WHERE update_id = 1")
    found = [await updates.due(NOW, 10) for _ in range(2)]

    assert [[update.update_id for update in some] for some in found] == [[2], [2]]
    assert await SqlLedger(database).probe.set_aside() == {"update": 1, "update_failing": 1}


async def test_damaged_offset_is_none(database: Database) -> None:
    """The first answer of OSS tells it again."""
    offset = SqlLedger(database).offset
    for damage in ("'x'", "'inf'", "x'ff'"):
        with closing(sqlite3.connect(file_of(database))) as connection, connection:
            connection.execute(f"INSERT OR REPLACE INTO state VALUES ('oss_offset', {damage})")  # noqa: S608 -- a test.
        assert await offset.oss_offset() == timedelta(0)


async def test_crash_is_counted_beside_damaged_progress(database: Database) -> None:
    """A start that cannot compare it would end there."""
    ledger = SqlLedger(database)
    for number in (1, 2):
        await acquire(ledger, await accept(ledger, chat_id=number))
    await _damage(file_of(database), "jobs", "crash_progress", "'x'")
    recovered = await ledger.jobs.recover(NOW)

    assert [(job.id, job.crashes) for job in recovered.unfinished] == [(1, 1), (2, 1)]


async def test_row_that_cannot_be_repaired_costs_no_other(database: Database) -> None:
    """Two repaired rows would be the same message; thirty more are repaired, twenty named."""
    ledger = SqlLedger(database)
    rows = [await accept(ledger, chat_id=100) for _ in range(32)]
    with closing(sqlite3.connect(file_of(database))) as connection, connection:
        connection.execute(
            "UPDATE jobs SET file_unique_id = CAST(id AS BLOB), message_id = 0 WHERE id < 3"
        )
        connection.execute("UPDATE jobs SET sha256 = x'ff' WHERE id > 2")
    with capture_logs() as lines:
        assert await ledger.jobs.unfinished() == []
        found = await ledger.jobs.get_many([job.id for job in rows])
    events = [line["event"] for line in lines]

    assert len(found) == 31
    assert {job.state for job in found} == {JobState.FAILED}
    assert events.count("row not repaired") == 1
    assert events.count("row repaired") == MOST_LINES
    assert {"count": 32 - MOST_LINES}.items() <= lines[-1].items()
