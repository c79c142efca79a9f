"""Updates that are tried again, and those that were set aside."""

from datetime import timedelta

from sqlalchemy import select

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import dead_updates
from bot.core.ports.ledger import FailingUpdate
from tests.fakes.samples import NOW, at


async def rows(database: Database) -> list[tuple[object, ...]]:
    """Return id, body, error and moment of all rows."""
    all_of_them = select(dead_updates).order_by(dead_updates.c.update_id)
    found = await database.read(lambda connection: connection.execute(all_of_them).all())
    return [tuple(row)[:4] for row in found]


async def test_dead_update_is_kept_with_its_first_error(
    ledger: SqlLedger, database: Database
) -> None:
    """Storing the same update again changes nothing."""
    await ledger.dead_updates.add(7, "{}", "ValueError", NOW, 5)
    await ledger.dead_updates.add(7, "[]", "other", at(1))
    await ledger.dead_updates.failing(7, "[]", "other", at(1), at(2))

    assert await rows(database) == [(7, "{}", "ValueError", NOW)]
    assert await ledger.dead_updates.next_due_at() is None


async def test_failing_update_until_it_is_handled(ledger: SqlLedger, database: Database) -> None:
    """It is due at its moment; each try is counted before it is made."""
    dead = ledger.dead_updates
    await dead.failing(7, "{}", "ValueError", NOW, at(1))
    await dead.failing(7, "{}", "ValueError", NOW, at(9))
    early, moment = await dead.due(NOW, 10), await dead.next_due_at()
    due = await dead.due(at(1), 10)
    await dead.begin_attempt(7, at(5))
    later, again = await dead.due(at(4), 10), await dead.due(at(5), 10)
    await dead.handled(7)

    assert (early, moment, later) == ([], at(1), [])
    assert (due, again) == ([FailingUpdate(7, "{}", 1)], [FailingUpdate(7, "{}", 2)])
    assert await rows(database) == []


async def test_first_try_is_counted_before_it_is_made(
    ledger: SqlLedger, database: Database
) -> None:
    """One that has no outcome is due later; once it has failed it is not begun beside the tries
    that follow. One that was set aside may be begun.
    """
    dead = ledger.dead_updates
    begun = await dead.begin(7, "{}", NOW, at(5)), await dead.begin(7, "{}", at(1), at(6))
    cut_off = await dead.due(at(5), 10)
    await dead.failing(7, "{}", "ValueError", at(2), at(3))
    failed = await dead.due(at(3), 10)
    await dead.add(7, "", "ValueError", at(4))

    assert begun == (True, False)
    assert cut_off == failed == [FailingUpdate(7, "{}", 1)]
    assert await dead.begin(7, "{}", at(5), at(9))
    assert await rows(database) == [(7, "", "ValueError", at(4))]


async def test_failing_update_that_is_given_up(ledger: SqlLedger, database: Database) -> None:
    """Its text goes at once, the row after a week; a failing one stays."""
    dead = ledger.dead_updates
    for update_id in (7, 8):
        await dead.failing(update_id, "a text", "ValueError", NOW, at(1))
    await dead.add(7, "{}", "TypeError", at(2))
    await dead.prune(at(2))
    kept = await rows(database)
    await dead.prune(at(2) + timedelta(microseconds=1))

    assert kept == [(7, "{}", "TypeError", at(2)), (8, "a text", "ValueError", NOW)]
    assert await rows(database) == kept[1:]


async def test_texts_that_earlier_versions_kept_go(ledger: SqlLedger, database: Database) -> None:
    """They stored the whole update."""
    await ledger.dead_updates.add(7, '{"update_id": 7, "message": "x"}', "ValueError", NOW)
    await ledger.dead_updates.prune(NOW)

    assert await rows(database) == [(7, "", "ValueError", NOW)]
