"""The language that each person chose."""

import pytest

from bot.core.ports.ledger import EDITS, OutboxKind, OwnerRules
from bot.inbound.actions import ButtonPress
from tests.fakes.samples import GROUP, OWNER, accept, get, make_origin
from tests.inbound.inbound_fixture import OTHER, STRANGER, InboundFixture


def query(user_id: int = OWNER, chat_id: int = OWNER) -> ButtonPress:
    """Return the press of a language's button below message 77."""
    return ButtonPress("query", user_id, chat_id, 77, "en")


async def test_without_a_choice_telegram_decides(inbound: InboundFixture) -> None:
    """Telegram's language counts, also after a choice was taken back."""
    languages, replies = inbound.use_cases.languages, inbound.use_cases.replies
    before = await replies.language_of(OWNER, "zh-hans")
    await languages.choose(query(), OWNER, "en", "zh-hans")
    chosen = await replies.language_of(OWNER, "zh-hans")
    await languages.choose(query(), OWNER, "", "zh-hans")

    assert (before, chosen) == ("zh-hans", "en")
    assert await replies.language_of(OWNER, "zh-hans") == "zh-hans"
    assert await replies.language_of(OTHER, "") == ""


async def test_choice_is_confirmed_in_the_language_itself(inbound: InboundFixture) -> None:
    """The confirmation replaces the message with the buttons."""
    await inbound.use_cases.languages.choose(query(), OWNER, "zh-Hans", "en")
    press, change = await inbound.said()

    assert OwnerRules(OWNER, "zh-Hans") == await inbound.ledger.chats.owner(OWNER)
    assert (press.kind, press.language) == (OutboxKind.PRESS, "zh-Hans")
    assert change.payload == {EDITS: 77, "name": "language-chosen"}
    assert change.language == "zh-Hans"


async def test_what_is_under_way_is_answered_in_the_new_language(inbound: InboundFixture) -> None:
    """Unfinished jobs of the user and the message in private change; other jobs and messages in
    groups stay.
    """
    mine, other = await accept(inbound.ledger), await accept(inbound.ledger, chat_id=OTHER)
    there = await accept(inbound.ledger, chat_id=GROUP, owner_id=OWNER)
    status_message = await inbound.ledger.status_messages.open([mine], shared=False)
    group_card = await inbound.ledger.status_messages.open([there], shared=False)
    await inbound.use_cases.languages.choose(query(), OWNER, "zh-Hans", "en")
    jobs = [await get(inbound.ledger, job) for job in (mine, there, other)]
    status_messages = {
        c.id: c.language for c in await inbound.ledger.status_messages.open_status_messages()
    }

    assert [job.origin.language for job in jobs] == ["zh-Hans", "zh-Hans", "en"]
    assert {status_message.id: "zh-Hans", group_card.id: "en"} == status_messages


async def test_nobody_chooses_for_another(inbound: InboundFixture) -> None:
    """Only the user who asked for the buttons may press them."""
    await inbound.use_cases.languages.choose(query(OTHER, GROUP), OWNER, "zh-Hans", "en")
    [press] = await inbound.said()

    assert press.payload["name"] == "press-not-yours"
    assert OwnerRules(OWNER) == await inbound.ledger.chats.owner(OWNER)


async def test_menu_is_for_the_asker(inbound: InboundFixture) -> None:
    """The menu names its owner."""
    await inbound.use_cases.languages.menu(make_origin())
    [said] = await inbound.said()

    assert (said.kind, said.owner_id) == (OutboxKind.LANGUAGES, OWNER)


@pytest.mark.parametrize(
    ("chat_id", "owner_id", "name"),
    [(STRANGER, STRANGER, "stranger"), (GROUP, GROUP, "language-of-people")],
)
async def test_who_gets_no_menu(
    inbound: InboundFixture, chat_id: int, owner_id: int, name: str
) -> None:
    """Neither strangers nor senders as their group get a menu."""
    await inbound.ledger.chats.set_chat(GROUP, allowed=True)
    await inbound.use_cases.languages.menu(make_origin(chat_id, owner_id=owner_id))
    [said] = await inbound.said()

    assert name == said.payload["name"]


async def test_banned_people_choose_nothing(inbound: InboundFixture) -> None:
    """Banned users get no answer at all."""
    await inbound.ledger.chats.set_owner(OWNER, banned=True)
    await inbound.use_cases.languages.choose(query(), OWNER, "zh-Hans", "en")

    assert await inbound.said() == []
