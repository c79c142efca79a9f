"""A connection in a thread of its own."""

import asyncio
import threading

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import StaticPool

from bot.adapters.ledger.database import ConnectionThread


@pytest.fixture
def thread() -> ConnectionThread:
    """A connection to a database in memory; it is closed by the test."""
    return ConnectionThread(create_engine("sqlite://", poolclass=StaticPool))


async def test_rows_outlive_their_transaction(thread: ConnectionThread) -> None:
    """Rows are read in the thread, and may be looked at afterwards, each time from the first."""
    async with thread.transaction() as transaction:
        rows = await transaction.execute(text("select 1 as a, 2 as b union select 3, 4"))
    await thread.close()

    assert [tuple(row) for row in rows] == [(1, 2), (3, 4)]
    assert [dict(row) for row in rows.mappings()] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert rows.scalars().all() == [1, 3]


async def test_statement_without_rows_says_so(thread: ConnectionThread) -> None:
    """Only the count of changed rows can be asked of a statement that returns none."""
    async with thread.transaction() as transaction:
        await transaction.execute(text("create table t (a)"))
        rows = await transaction.execute(text("insert into t values (1), (2)"))
    await thread.close()

    assert rows.rowcount == 2
    with pytest.raises(TypeError, match="no rows"):
        rows.all()


async def test_event_loop_never_touches_the_file() -> None:
    """Connecting, statements and closing happen in one and the same other thread."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    seen: list[int] = []

    def note(*_: object) -> None:
        seen.append(threading.get_ident())

    for name in ("connect", "close"):
        event.listen(engine, name, note)
    for name in ("begin", "commit"):
        event.listen(engine, name, note)
    thread = ConnectionThread(engine)
    async with thread.transaction() as transaction:
        await transaction.execute(text("select 1"))
    await thread.close()

    assert len(seen) >= 4
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


async def test_transactions_wait_for_each_other(thread: ConnectionThread) -> None:
    """No transaction sees another one half done; one that is cancelled is rolled back first."""
    async with thread.transaction() as transaction:
        await transaction.execute(text("create table t (a)"))
    entered = asyncio.Event()

    async def hang() -> None:
        async with thread.transaction() as transaction:
            await transaction.execute(text("insert into t values (1)"))
            entered.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await entered.wait()
    hanging.cancel()
    async with thread.transaction() as transaction:
        count = (await transaction.execute(text("select count(*) from t"))).scalar_one()
    await asyncio.gather(hanging, return_exceptions=True)
    await thread.close()

    assert count == 0
