"""Rules of chats and owners, and what they have had accepted."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from bot.adapters.ledger import chats
from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.ledger import Accepted, ChatRules, OwnerRules
from tests.fakes.samples import (
    GROUP,
    NOW,
    OWNER,
    accept,
    acquire,
    at,
    cancel,
    finish,
    make_file,
    make_origin,
)

MOVED = GROUP - 1000


async def test_nothing_is_known_at_first(ledger: SqlLedger) -> None:
    """Unknown chats and owners have the defaults."""
    assert ChatRules(GROUP) == await ledger.chats.chat(GROUP)
    assert OwnerRules(OWNER) == await ledger.chats.owner(OWNER)
    assert await ledger.chats.migrations() == {}

    assert await ledger.chats.previous_ids(GROUP) == [GROUP]


async def test_what_is_not_given_stays(ledger: SqlLedger) -> None:
    """Each rule is changed alone."""
    people = ledger.chats
    await people.set_owner(OWNER, language="zh-Hans")
    await people.set_owner(OWNER, banned=True)
    await people.set_owner(OWNER)
    await people.set_chat(GROUP, auto=True)
    await people.set_chat(GROUP, privately=True, allowed=False)
    await people.set_chat(GROUP, auto=False)

    assert OwnerRules(OWNER, "zh-Hans", banned=True) == await people.owner(OWNER)
    assert ChatRules(GROUP, privately=True, allowed=False) == await people.chat(GROUP)


async def test_rules_go_along_when_a_group_moves(ledger: SqlLedger) -> None:
    """The supergroup behaves as the group did, and is known to be the same."""
    people = ledger.chats
    await people.set_chat(GROUP, auto=True, allowed=True)
    await people.migrate(GROUP, MOVED)

    assert ChatRules(MOVED, auto=True, allowed=True) == await people.chat(MOVED)
    assert await people.migrations() == {GROUP: MOVED}
    assert await people.previous_ids(MOVED) == [MOVED, GROUP]
    assert await people.previous_ids(GROUP) == [GROUP]


def _refusal(database: Database) -> tuple[list[str], str]:
    """Return what lets the database refuse the row of the supergroup, and what ends that."""
    if isinstance(database.place, Path):
        refusal = f"CREATE TRIGGER refusal BEFORE INSERT ON chats WHEN NEW.chat_id = {MOVED} BEGIN"
        return [f"{refusal} SELECT RAISE(ABORT, 'no'); END"], "DROP TRIGGER refusal"
    refusal = f"ALTER TABLE chats ADD CONSTRAINT refusal CHECK (chat_id != {MOVED})"
    return [refusal], "ALTER TABLE chats DROP CONSTRAINT refusal"


async def test_migration_that_breaks_off_leaves_the_group_as_it_was(
    ledger: SqlLedger, database: Database
) -> None:
    """It is one transaction: where the rules cannot go along, the group has not moved either, and
    the next try takes them along.
    """
    await ledger.chats.set_chat(GROUP, auto=True, privately=True, allowed=True, zone="Asia/Tokyo")
    before = await ledger.chats.chat(GROUP)
    refuse, admit = _refusal(database)
    for statement in refuse:
        await database.write(Connection.execute, text(statement))
    with pytest.raises(IntegrityError):
        await ledger.chats.migrate(GROUP, MOVED)
    after = await ledger.chats.chat(GROUP)
    await database.write(Connection.execute, text(admit))
    await ledger.chats.migrate(GROUP, MOVED)

    assert after == before
    assert await ledger.chats.chat(MOVED) == replace(before, chat_id=MOVED)


async def test_migration_that_is_told_again_keeps_later_rules(ledger: SqlLedger) -> None:
    """Telegram tells of it in both chats; what was set in the supergroup between the two stays."""
    await ledger.chats.set_chat(GROUP, auto=True, zone="Asia/Tokyo")
    await ledger.chats.migrate(GROUP, MOVED)
    await ledger.chats.set_chat(MOVED, auto=False, zone="Europe/Paris")
    await ledger.chats.migrate(GROUP, MOVED)

    assert await ledger.chats.chat(MOVED) == ChatRules(MOVED, zone="Europe/Paris")


async def test_circle_of_moves_ends(ledger: SqlLedger) -> None:
    """A mistake in the ledger is no endless loop."""
    await ledger.chats.migrate(GROUP, MOVED)
    await ledger.chats.migrate(MOVED, GROUP)

    assert sorted([GROUP, MOVED]) == sorted(await ledger.chats.previous_ids(GROUP))


async def test_accepted_files_with_their_sizes(ledger: SqlLedger) -> None:
    """As announced until the real size is known; the oldest first, after the given time."""
    unknown = await ledger.jobs.accept(make_origin(), make_file(size=None), at(3))
    assert unknown is not None
    await accept(ledger, now=at(2))
    await accept(ledger, now=at(1))
    await accept(ledger, chat_id=GROUP, owner_id=OWNER, now=at(4))
    await accept(ledger, chat_id=GROUP, owner_id=7, now=at(5))
    before = await ledger.chats.accepted_by(OWNER, at(1))
    await finish(ledger, unknown, at(6))
    after = await ledger.chats.accepted_by(OWNER, at(1))

    assert [Accepted(at(2), 1000), Accepted(at(3), 0), Accepted(at(4), 1000)] == before
    assert [Accepted(at(2), 1000), Accepted(at(3), 1000), Accepted(at(4), 1000)] == after
    assert [Accepted(at(4), 1000), Accepted(at(5), 1000)] == await ledger.chats.accepted_in(
        [GROUP, MOVED], NOW - timedelta(hours=24)
    )


async def test_what_failed_was_not_accepted(ledger: SqlLedger) -> None:
    """What was cancelled was."""
    failed = await acquire(ledger, await accept(ledger))
    assert await ledger.jobs.fail(failed, "disk_full", {}, NOW)
    await cancel(ledger, await accept(ledger, now=at(1)))

    assert [Accepted(at(1), 1000)] == await ledger.chats.accepted_by(OWNER, at(-1))


async def test_remembered_owner_is_the_one_that_was_written(ledger: SqlLedger) -> None:
    """A read that began before a change does not hide it afterwards."""
    before = [asyncio.ensure_future(ledger.chats.owner(OWNER)) for _ in range(3)]
    await asyncio.gather(ledger.chats.set_owner(OWNER, banned=True), *before)

    assert (await ledger.chats.owner(OWNER)).banned
    await ledger.chats.set_owner(OWNER, banned=False)
    assert not (await ledger.chats.owner(OWNER)).banned


async def test_owners_who_are_asked_for_together_share_a_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred strangers are two visits: the first, and those who ask meanwhile. A change between
    is seen.
    """
    reads: list[int] = []
    original = chats.rules_of_owners

    def counted(connection: Connection, owner_ids: Collection[int]) -> dict[int, OwnerRules]:
        reads.append(len(owner_ids))
        return original(connection, owner_ids)

    monkeypatch.setattr(chats, "rules_of_owners", counted)
    ledger = SqlLedger(database)
    await ledger.chats.set_owner(50, banned=True)
    found = await asyncio.gather(*(ledger.chats.owner(id_) for id_ in range(100)))
    await ledger.chats.set_owner(51, banned=True)

    assert reads == [1, 99]
    assert found == [OwnerRules(id_, banned=id_ == 50) for id_ in range(100)]
    assert (await ledger.chats.owner(51)).banned
