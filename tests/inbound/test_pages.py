"""Pages that people turn: each list belongs to a person or to a group."""

import pytest

from bot.core.ports.ledger import EDITS, OutboxKind, OutboxMessage
from bot.core.ports.views import Listing
from bot.inbound.actions import ButtonPress
from tests.fakes.samples import GROUP, OWNER
from tests.inbound.inbound_fixture import ADMIN, OTHER, InboundFixture

MOVED = GROUP - 1000


def query(user_id: int, chat_id: int, number: int = 1) -> ButtonPress:
    """Return the press of a button below message 77."""
    return ButtonPress(f"query-{number}", user_id, chat_id, 77, "zh-hans")


async def said(inbound: InboundFixture, kind: OutboxKind) -> list[OutboxMessage]:
    """Return what is to be said of one kind."""
    return [message for message in await inbound.said() if message.kind is kind]


async def test_own_page_is_turned(inbound: InboundFixture) -> None:
    """The press is answered without text, and the message shows the other page."""
    await inbound.use_cases.pages.turn(query(OWNER, OWNER), Listing.LINKS, OWNER, 3)
    [press] = await said(inbound, OutboxKind.PRESS)
    [change] = await said(inbound, OutboxKind.OVERVIEW)

    assert press.payload == {"query_id": "query-1"}
    assert change.payload == {EDITS: 77, "listing": "links", "subject": OWNER, "page": 3}
    assert (change.chat_id, change.language) == (OWNER, "zh-hans")


async def test_redelivered_press_turns_once(inbound: InboundFixture) -> None:
    """The outbox recognizes the query."""
    for _ in range(2):
        await inbound.use_cases.pages.turn(query(OWNER, OWNER), Listing.STATUS, OWNER, 2)

    assert len(await inbound.said()) == 2


@pytest.mark.parametrize("user_id", [OTHER, ADMIN])
async def test_page_of_another_person_is_not_turned(inbound: InboundFixture, user_id: int) -> None:
    """Not even an admin of the bot may turn the page of another user."""
    await inbound.use_cases.pages.turn(query(user_id, GROUP), Listing.LINKS, OWNER, 2)
    [press] = await inbound.said()

    assert press.payload["name"] == "press-not-yours"


async def test_everybody_in_a_group_turns_its_pages(inbound: InboundFixture) -> None:
    """Pages that were made before the migration can be turned too."""
    await inbound.ledger.chats.migrate(GROUP, MOVED)
    await inbound.use_cases.pages.turn(query(OTHER, MOVED), Listing.STATUS, GROUP, 2)
    [change] = await said(inbound, OutboxKind.OVERVIEW)

    assert change.payload["subject"] == GROUP
    assert change.chat_id == MOVED


async def test_page_of_another_group_is_not_turned(inbound: InboundFixture) -> None:
    """The list of one group is not shown to another."""
    await inbound.use_cases.pages.turn(query(OWNER, GROUP - 1), Listing.STATUS, GROUP, 2)
    [press] = await inbound.said()

    assert press.payload["name"] == "press-not-yours"


async def test_banned_people_turn_nothing(inbound: InboundFixture) -> None:
    """Banned users get no answer at all."""
    await inbound.ledger.chats.set_owner(OTHER, banned=True)
    await inbound.use_cases.pages.turn(query(OTHER, OTHER), Listing.STATUS, OTHER, 2)

    assert await inbound.said() == []
