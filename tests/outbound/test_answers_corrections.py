"""Answers are corrected when their links have ended, calmly and to the end."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import (
    ChatError,
    ChatFlooded,
    ChatGone,
    ChatUnavailable,
    ChatUncertain,
    MessageRefused,
)
from bot.core.jobs import StoredObject
from bot.core.ports.views import ItemState
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, items_of, seconds

OTHER = 101


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def _answered(
    stage: OutboundFixture, count: int = 1, chat_id: int = OWNER
) -> list[StoredObject]:
    """Relay files and answer all of them."""
    stored = [await stage.done(await stage.accept(chat_id)) for _ in range(count)]
    await stage.after(5 * count)
    return stored


def _states(stage: OutboundFixture, chat_id: int = OWNER) -> list[list[ItemState]]:
    """Return what the answers in a chat say now."""
    views = stage.messenger.shown(chat_id).values()
    return [[item.state for item in items_of(view)] for view in views]


async def test_expired_link_is_told_in_its_answer(stage: OutboundFixture) -> None:
    """The message stays; its link is replaced by a note."""
    [stored] = await _answered(stage)
    [answer] = stage.answers
    stage.clock.advance(stored.due_at - stage.clock.now())
    await stage.gone(stored)
    await stage.speak()
    edit = stage.answers[-1]
    [item] = items_of(edit)

    assert (edit.call, edit.message_id, edit.at) == ("edit", answer.message_id, stored.due_at)
    assert (item.state, item.link) == (ItemState.EXPIRED, None)


async def test_deleted_link_is_told_in_its_answer(stage: OutboundFixture) -> None:
    """The note differs from that for an expired link."""
    [stored] = await _answered(stage)
    await stage.ledger.objects.revoke(stored.job_id, stage.clock.now())
    await stage.gone(stored)
    await stage.speak()

    assert _states(stage) == [[ItemState.DELETED]]


async def test_other_links_of_the_answer_stay(stage: OutboundFixture) -> None:
    """Only the items that have ended are changed."""
    stored = await _answered(stage, 3)
    await stage.gone(stored[1])
    await stage.speak()

    assert _states(stage) == [[ItemState.LIVE, ItemState.EXPIRED, ItemState.LIVE]]


async def test_change_during_the_edit_leads_to_another(stage: OutboundFixture) -> None:
    """The answer shows the final state, in any order of changes."""
    stored = await _answered(stage, 3)
    gate = stage.messenger.hold(OWNER)
    await stage.gone(stored[0])
    await stage.speak()
    await stage.gone(stored[1])
    await stage.speak()
    gate.set()
    await stage.after(30)

    assert _states(stage) == [[ItemState.EXPIRED, ItemState.EXPIRED, ItemState.LIVE]]
    assert await stage.ledger.answers.stale(10) == []


async def test_nothing_is_edited_twice(stage: OutboundFixture) -> None:
    """One change, one edit."""
    [stored] = await _answered(stage)
    await stage.gone(stored)
    await stage.after(600)

    assert len(stage.messenger.calls("edit")) == 1


@pytest.mark.parametrize(
    ("error", "tries"), [(ChatGone("blocked"), 1), (MessageRefused("can't parse"), 2)]
)
async def test_answer_that_cannot_be_corrected_is_left(
    stage: OutboundFixture, error: ChatError, tries: int
) -> None:
    """The edit is tried once in each form, and the answer is not stale any more."""
    [stored] = await _answered(stage)
    stage.messenger.trouble(Trouble("edit", error, times=0))
    await stage.gone(stored)
    await stage.after(600)

    assert stage.messenger.tried.count(("edit", OWNER)) == tries
    assert await stage.ledger.answers.stale(10) == []


async def test_answer_that_the_user_removed_is_left(stage: OutboundFixture) -> None:
    """The same."""
    [stored] = await _answered(stage)
    stage.messenger.remove(OWNER, stage.answers[0].message_id)
    await stage.gone(stored)
    await stage.after(600)

    assert stage.messenger.tried.count(("edit", OWNER)) == 1


@pytest.mark.parametrize(
    ("error", "again_after"),
    [(ChatFlooded(40), 40), (ChatUnavailable("refused"), 10), (ChatUncertain("timed out"), 10)],
)
async def test_edit_that_failed_is_repeated_after_a_wait(
    stage: OutboundFixture, error: ChatError, again_after: int
) -> None:
    """The edit is not repeated at once, and it works the next time."""
    [stored] = await _answered(stage)
    since = seconds(stage.answers)[0] + 5
    stage.messenger.trouble(Trouble("edit", error))
    await stage.gone(stored)
    await stage.after(60)

    assert stage.messenger.tried.count(("edit", OWNER)) == 2
    assert seconds(stage.answers)[-1] == since + again_after
    assert _states(stage) == [[ItemState.EXPIRED]]


@pytest.mark.parametrize("chat_id", [OWNER, GROUP])
async def test_many_links_that_end_at_once_provoke_no_flood(
    stage: OutboundFixture, chat_id: int
) -> None:
    """Thirty answers are corrected as fast as the chat allows, and all of them are."""
    stage.messenger.fits = 1
    stored = await _answered(stage, 30, chat_id)
    await stage.gone(*stored)
    await stage.after(200)

    assert _states(stage, chat_id) == [[ItemState.EXPIRED]] * 30
    assert stage.messenger.floods == []


async def test_chat_with_many_corrections_delays_no_other(stage: OutboundFixture) -> None:
    """Each chat has its own rate limit."""
    stage.messenger.fits = 1
    many = await _answered(stage, 22)
    [other] = await _answered(stage, 1, OTHER)
    await stage.gone(*many)
    await stage.gone(other)
    await stage.speak()

    assert _states(stage, OTHER) == [[ItemState.EXPIRED]]


async def test_corrections_come_behind_answers(stage: OutboundFixture) -> None:
    """A new link is sent at once while old ones are being corrected."""
    stage.messenger.fits = 1
    many = await _answered(stage, 20, GROUP)
    await stage.gone(*many)
    await stage.after(20)
    await stage.finish_many(1, GROUP)
    asked_at = stage.clock.now()
    await stage.after(10)
    sent = [said for said in stage.answers if said.call == "send"]

    assert (sent[-1].at - asked_at).total_seconds() < 5
    assert stage.messenger.floods == []
