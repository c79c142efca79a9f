"""The ledger, looked at as a whole."""

from sqlalchemy import Connection, text

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.totals import LedgerHealth, LinkCounts
from tests.fakes.samples import LIFETIME, NOW, accept, at, finish, plan


async def test_well(ledger: SqlLedger) -> None:
    """A ledger that can be written is well, however often it is asked."""
    assert [await ledger.probe.trouble() for _ in range(2)] == ["", ""]


async def test_read_only(database: Database) -> None:
    """A ledger that cannot be written is told in the words of the database."""
    await database.write(Connection.execute, text("PRAGMA query_only = ON"))
    found = await LedgerHealth(database).trouble()

    assert found == "cannot be written: attempt to write a readonly database"


async def test_links(ledger: SqlLedger) -> None:
    """Links that work are counted, and those that should have ended; plans are neither."""
    await finish(ledger, await accept(ledger))
    await finish(ledger, await accept(ledger), at(60))
    await plan(ledger, await accept(ledger))
    early = await ledger.probe.links(NOW)
    late = await ledger.probe.links(NOW + LIFETIME)

    assert [LinkCounts(live=2, overdue=0), LinkCounts(live=2, overdue=1)] == [early, late]


async def test_unreadable(database: Database) -> None:
    """A ledger that cannot be read has no counts."""
    await database.write(Connection.execute, text("ALTER TABLE objects RENAME TO lost"))

    assert await LedgerHealth(database).links(NOW) is None
