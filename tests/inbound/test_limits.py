"""Limits on acceptance: a file over one is not accepted, and its sender is told why."""

import asyncio

import pytest

from bot.adapters.ledger.database import Database
from bot.core.limits import OwnerLimits, TransferLimits
from tests.fakes.samples import GROUP, OWNER, found, make_file, make_origin
from tests.inbound.inbound_fixture import InboundFixture


@pytest.fixture
def inbound(database: Database) -> InboundFixture:
    """Use cases that take three files a day of each user, and five of each group."""
    limits = OwnerLimits(owner=TransferLimits(files=3), group=TransferLimits(files=5))
    return InboundFixture(database, limits=limits)


async def test_file_over_the_limit_is_refused_with_a_reason(inbound: InboundFixture) -> None:
    """One sentence as a reply: which limit, how much is used, when it frees."""
    for _ in range(3):
        await inbound.use_cases.uploads.sent(make_origin(), found(make_file()))
    late = make_origin()
    await inbound.use_cases.uploads.sent(late, found(make_file()))
    [said] = await inbound.said()

    assert said.payload == {"name": "limit-files", "done": 3, "count": 3, "wait": 86_400}
    assert (OWNER, late.message_id) == (said.chat_id, said.reply_to)
    assert len(await inbound.jobs()) == 3


async def test_limit_is_exact_for_files_that_come_side_by_side(inbound: InboundFixture) -> None:
    """Of many files at once exactly as many are accepted as the limit says, and one sender is
    told.
    """
    await asyncio.gather(
        *(inbound.use_cases.uploads.sent(make_origin(), found(make_file())) for _ in range(20))
    )

    assert len(await inbound.jobs()) == 3
    assert len(await inbound.said()) == 1


async def test_redelivered_file_is_not_refused(inbound: InboundFixture) -> None:
    """The last accepted file is recognized when it is delivered again."""
    sent = [(make_origin(), make_file()) for _ in range(3)]
    for origin, file in sent * 2:
        await inbound.use_cases.uploads.sent(origin, found(file))

    assert len(await inbound.jobs()) == 3
    assert await inbound.said() == []


async def test_redelivered_refusal_is_said_once(inbound: InboundFixture) -> None:
    """The outbox recognizes the message."""
    for _ in range(3):
        await inbound.use_cases.uploads.sent(make_origin(), found(make_file()))
    late = make_origin()
    for _ in range(2):
        await inbound.use_cases.uploads.sent(late, found(make_file()))

    assert len(await inbound.said()) == 1


async def test_limit_of_a_group(database: Database) -> None:
    """The members of a group share its limit; a member below the own limit is told about the
    group's.
    """
    limits = OwnerLimits(owner=TransferLimits(files=3), group=TransferLimits(files=5))
    inbound = InboundFixture(database, limits=limits)
    await inbound.ledger.chats.set_chat(GROUP, allowed=True)
    for owner in (1, 1, 1, 2, 2, 2):
        await inbound.use_cases.uploads.shared(
            make_origin(GROUP, owner_id=owner), found(make_file())
        )
    [said] = await inbound.said()

    assert said.payload == {"name": "limit-group-files", "done": 5, "count": 5, "wait": 86_400}
    assert len(await inbound.jobs()) == 5
