"""The language that each person chose."""

import pytest

from bot.core.ports.chats import OwnerRules
from bot.core.ports.ledger import EDITS, OutboxKind
from bot.inbound.buttons import ButtonPress
from tests.fakes.samples import GROUP, OWNER, accept, get, make_origin
from tests.inbound.inbound_fixture import OTHER, STRANGER, InboundFixture


def query(user_id: int = OWNER, chat_id: int = OWNER) -> ButtonPress:
    """Return the press of a language's button below message 77."""
    return ButtonPress("query", user_id, chat_id, 77, "en")


async def test_without_a_choice_telegram_decides(lobby: InboundFixture) -> None:
    """Also when the choice was taken back."""
    languages = lobby.reception.languages
    before = await languages.of(OWNER, "zh-hans")
    await languages.choose(query(), OWNER, "en", "zh-hans")
    chosen = await languages.of(OWNER, "zh-hans")
    await languages.choose(query(), OWNER, "", "zh-hans")

    assert (before, chosen) == ("zh-hans", "en")
    assert await languages.of(OWNER, "zh-hans") == "zh-hans"
    assert await languages.of(OTHER, "") == ""


async def test_choice_is_confirmed_in_the_language_itself(lobby: InboundFixture) -> None:
    """In the message with the buttons, which it replaces."""
    await lobby.reception.languages.choose(query(), OWNER, "zh-Hans", "en")
    press, change = await lobby.said()

    assert OwnerRules(OWNER, "zh-Hans") == await lobby.ledger.people.owner(OWNER)
    assert (press.kind, press.language) == (OutboxKind.PRESS, "zh-Hans")
    assert change.payload == {EDITS: 77, "name": "language-chosen"}
    assert change.language == "zh-Hans"


async def test_what_is_under_way_is_answered_in_the_new_language(lobby: InboundFixture) -> None:
    """From now on means from now on; what others wait for stays as it is."""
    mine, other = await accept(lobby.ledger), await accept(lobby.ledger, chat_id=OTHER)
    there = await accept(lobby.ledger, chat_id=GROUP, owner_id=OWNER)
    card = await lobby.ledger.cards.open([mine], shared=False)
    group_card = await lobby.ledger.cards.open([there], shared=False)
    await lobby.reception.languages.choose(query(), OWNER, "zh-Hans", "en")
    jobs = [await get(lobby.ledger, job) for job in (mine, there, other)]
    cards = {c.id: c.language for c in await lobby.ledger.cards.open_cards()}

    assert [job.origin.language for job in jobs] == ["zh-Hans", "zh-Hans", "en"]
    assert {card.id: "zh-Hans", group_card.id: "en"} == cards


async def test_nobody_chooses_for_another(lobby: InboundFixture) -> None:
    """The buttons belong to whoever asked for them."""
    await lobby.reception.languages.choose(query(OTHER, GROUP), OWNER, "zh-Hans", "en")
    [press] = await lobby.said()

    assert press.payload["name"] == "press-not-yours"
    assert OwnerRules(OWNER) == await lobby.ledger.people.owner(OWNER)


async def test_menu_is_for_the_asker(lobby: InboundFixture) -> None:
    """It knows whose it is."""
    await lobby.reception.languages.menu(make_origin())
    [said] = await lobby.said()

    assert (said.kind, said.owner_id) == (OutboxKind.LANGUAGES, OWNER)


@pytest.mark.parametrize(
    ("chat_id", "owner_id", "name"),
    [(STRANGER, STRANGER, "stranger"), (GROUP, GROUP, "language-of-people")],
)
async def test_who_gets_no_menu(
    lobby: InboundFixture, chat_id: int, owner_id: int, name: str
) -> None:
    """Neither strangers nor those who hide behind their group."""
    await lobby.ledger.people.set_chat(GROUP, allowed=True)
    await lobby.reception.languages.menu(make_origin(chat_id, owner_id=owner_id))
    [said] = await lobby.said()

    assert name == said.payload["name"]


async def test_banned_people_choose_nothing(lobby: InboundFixture) -> None:
    """They are not even told so."""
    await lobby.ledger.people.set_owner(OWNER, banned=True)
    await lobby.reception.languages.choose(query(), OWNER, "zh-Hans", "en")

    assert await lobby.said() == []
