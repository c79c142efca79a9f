"""The time zone in which times are shown in a chat."""

from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import GROUP, OWNER, make_origin
from tests.inbound.inbound_fixture import STRANGER, InboundFixture


async def _told(inbound: InboundFixture) -> dict[str, str | int]:
    return (await inbound.said())[-1].payload


async def test_alone_it_tells_the_present_one(inbound: InboundFixture) -> None:
    """The zone of the settings, until one is chosen."""
    await inbound.use_cases.zone_command.zone(make_origin(), "")
    before = await _told(inbound)
    await inbound.use_cases.zone_command.zone(make_origin(message_id=2), "hong kong")
    chosen = await _told(inbound)
    await inbound.use_cases.zone_command.zone(make_origin(message_id=3), "")

    assert before == {"name": "zone-is", "zone": "UTC"}
    assert chosen == {"name": "zone-chosen", "zone": "Asia/Hong_Kong"}
    assert await _told(inbound) == {"name": "zone-is", "zone": "Asia/Hong_Kong"}
    assert (await inbound.ledger.chats.chat(OWNER)).zone == "Asia/Hong_Kong"


async def test_unknown_zone_changes_nothing(inbound: InboundFixture) -> None:
    """The reply repeats the unknown name, cut to 64 characters."""
    await inbound.use_cases.zone_command.zone(make_origin(), "atlantis " * 20)

    assert await _told(inbound) == {"name": "zone-unknown", "zone": ("atlantis " * 20)[:64]}
    assert (await inbound.ledger.chats.chat(OWNER)).zone == ""


async def test_in_a_group_it_is_asked_who_may(inbound: InboundFixture) -> None:
    """The request is deferred, because Telegram must be asked for the rights."""
    await inbound.ledger.chats.set_chat(GROUP, allowed=True)
    await inbound.use_cases.zone_command.zone(make_origin(GROUP), "+8")
    [request] = await inbound.said()

    assert request.kind is OutboxKind.REQUEST
    assert request.payload == {"do": "zone", "to": "UTC+8"}
    assert (await inbound.ledger.chats.chat(GROUP)).zone == ""


async def test_strangers_choose_nothing(inbound: InboundFixture) -> None:
    """Strangers are told that they are strangers."""
    await inbound.use_cases.zone_command.zone(make_origin(STRANGER), "+8")

    assert (await _told(inbound))["name"] == "stranger"
    assert (await inbound.ledger.chats.chat(STRANGER)).zone == ""
