"""The zone in which a chat is told moments."""

from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import GROUP, OWNER, make_origin
from tests.inbound.inbound_fixture import STRANGER, InboundFixture


async def _told(lobby: InboundFixture) -> dict[str, str | int]:
    return (await lobby.said())[-1].payload


async def test_alone_it_tells_the_present_one(lobby: InboundFixture) -> None:
    """That of the settings, until one is chosen."""
    await lobby.reception.zones.zone(make_origin(), "")
    before = await _told(lobby)
    await lobby.reception.zones.zone(make_origin(message_id=2), "hong kong")
    chosen = await _told(lobby)
    await lobby.reception.zones.zone(make_origin(message_id=3), "")

    assert before == {"name": "zone-is", "zone": "UTC"}
    assert chosen == {"name": "zone-chosen", "zone": "Asia/Hong_Kong"}
    assert await _told(lobby) == {"name": "zone-is", "zone": "Asia/Hong_Kong"}
    assert (await lobby.ledger.people.chat(OWNER)).zone == "Asia/Hong_Kong"


async def test_unknown_zone_changes_nothing(lobby: InboundFixture) -> None:
    """What was written is told again, but not pages of it."""
    await lobby.reception.zones.zone(make_origin(), "atlantis " * 20)

    assert await _told(lobby) == {"name": "zone-unknown", "zone": ("atlantis " * 20)[:64]}
    assert (await lobby.ledger.people.chat(OWNER)).zone == ""


async def test_in_a_group_it_is_asked_who_may(lobby: InboundFixture) -> None:
    """The desk knows who looks after it."""
    await lobby.ledger.people.set_chat(GROUP, allowed=True)
    await lobby.reception.zones.zone(make_origin(GROUP), "+8")
    [request] = await lobby.said()

    assert request.kind is OutboxKind.REQUEST
    assert request.payload == {"do": "zone", "to": "UTC+8"}
    assert (await lobby.ledger.people.chat(GROUP)).zone == ""


async def test_strangers_choose_nothing(lobby: InboundFixture) -> None:
    """They are told that they are strangers."""
    await lobby.reception.zones.zone(make_origin(STRANGER), "+8")

    assert (await _told(lobby))["name"] == "stranger"
    assert (await lobby.ledger.people.chat(STRANGER)).zone == ""
