"""Limits of people and of groups: which one, how much is used, and who is told how often."""

from datetime import timedelta

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.limits import TOLD_EVERY, LimitCheck, OwnerLimits, TransferLimits
from bot.core.ports.views import Notice
from tests.fakes.samples import GROUP, NOW, OWNER, accept, acquire, at, make_origin

HOUR = timedelta(hours=1)


async def test_without_allowances_nothing_is_refused(database: Database) -> None:
    """The default has no limit, for any number of files sent before."""
    ledger = SqlLedger(database)
    check = LimitCheck(ledger.chats, OwnerLimits())
    for _ in range(5):
        await accept(ledger)

    assert await check.refusal(make_origin(), 1 << 40, NOW) is None


async def test_files_of_an_owner_count_everywhere(database: Database) -> None:
    """In private and in groups together; those of others do not count."""
    ledger = SqlLedger(database)
    check = LimitCheck(ledger.chats, OwnerLimits(owner=TransferLimits(files=2)))
    await accept(ledger, now=NOW - HOUR)
    await accept(ledger, chat_id=GROUP, owner_id=7, now=NOW)
    assert await check.refusal(make_origin(), 5, NOW) is None
    await accept(ledger, chat_id=GROUP, owner_id=OWNER, now=NOW)
    expected = Notice("limit-files", {"done": 2, "count": 2, "wait": 23 * 3600})

    assert expected == await check.refusal(make_origin(), 5, NOW)
    assert expected == await check.refusal(make_origin(GROUP, owner_id=OWNER), 5, NOW)
    assert await check.refusal(make_origin(owner_id=7), 5, NOW) is None


async def test_bytes_of_an_owner(database: Database) -> None:
    """What was announced counts; a file that never fits is told so."""
    ledger = SqlLedger(database)
    check = LimitCheck(ledger.chats, OwnerLimits(owner=TransferLimits(bytes=1500, largest=2000)))
    await accept(ledger, now=NOW - timedelta(hours=2, seconds=-0.5))
    wait = 22 * 3600 + 1

    assert await check.refusal(make_origin(), 500, NOW) is None
    assert Notice(
        "limit-bytes", {"size": 501, "used": 1000, "limit": 1500, "wait": wait}
    ) == await check.refusal(make_origin(), 501, NOW)
    assert Notice("limit-bytes-never", {"size": 1501, "limit": 1500}) == await check.refusal(
        make_origin(), 1501, NOW
    )
    assert Notice("limit-largest", {"size": 2001, "limit": 2000}) == await check.refusal(
        make_origin(), 2001, NOW
    )


async def test_group_counts_all_its_members(database: Database) -> None:
    """Also what it had before it became a supergroup; private chats are no groups."""
    ledger = SqlLedger(database)
    check = LimitCheck(ledger.chats, OwnerLimits(group=TransferLimits(files=2, largest=50)))
    await ledger.chats.migrate(GROUP, GROUP - 1)
    await accept(ledger, chat_id=GROUP, owner_id=7, now=NOW)
    await accept(ledger, chat_id=GROUP - 1, owner_id=8, now=NOW)
    for _ in range(3):
        await accept(ledger, now=NOW)

    assert Notice(
        "limit-group-files", {"done": 2, "count": 2, "wait": 24 * 3600}
    ) == await check.refusal(make_origin(GROUP - 1), 5, NOW)
    assert Notice("limit-group-largest", {"size": 51, "limit": 50}) == await check.refusal(
        make_origin(GROUP - 2), 51, NOW
    )
    assert await check.refusal(make_origin(), 51, NOW) is None


async def test_what_failed_does_not_count(database: Database) -> None:
    """A job that failed does not count; a cancelled file was moved and counts."""
    ledger = SqlLedger(database)
    check = LimitCheck(ledger.chats, OwnerLimits(owner=TransferLimits(files=1)))
    failed = await acquire(ledger, await accept(ledger))
    assert await ledger.jobs.fail(failed, "store_error", {}, NOW)
    assert await check.refusal(make_origin(), 5, NOW) is None
    cancelled = await accept(ledger)
    assert await ledger.jobs.cancel(cancelled, NOW)

    assert await check.refusal(make_origin(), 5, NOW) is not None


async def test_many_refusals_are_told_once_a_minute(database: Database) -> None:
    """Of one kind, to one person, in one chat; a redelivered message is told again."""
    check = LimitCheck(SqlLedger(database).chats, OwnerLimits())
    files, size = Notice("limit-files"), Notice("limit-bytes")
    first, second = make_origin(), make_origin()

    assert check.should_tell(first, files, NOW)
    assert not check.should_tell(second, files, at(59))
    assert check.should_tell(first, files, at(59))
    assert check.should_tell(second, size, at(59))
    assert check.should_tell(make_origin(owner_id=7), files, at(59))
    assert check.should_tell(make_origin(), files, at(59) + TOLD_EVERY)
