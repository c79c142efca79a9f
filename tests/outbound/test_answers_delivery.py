"""Delivery of answers in private, and the notes that the group gets about them."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatGone, ChatUncertain
from bot.core.jobs import Job
from bot.core.ports.views import Notice
from tests.fakes import samples
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP
from tests.outbound.outbound_fixture import OutboundFixture, ids_of

ASKER, OTHER, CHANNEL = 700, 701, -1_000_000_000_500
SUCCESSOR = -1_000_000_000_777


@pytest.fixture
async def stage(database: Database) -> OutboundFixture:
    """A group that has chosen private answers."""
    stage = OutboundFixture(database)
    await stage.ledger.chats.set_chat(GROUP, privately=True)
    return stage


async def _done(stage: OutboundFixture, owner_id: int) -> Job:
    job = await samples.accept(
        stage.ledger, chat_id=GROUP, owner_id=owner_id, thread_id=5, now=stage.clock.now()
    )
    await stage.done(job)
    return job


def _notes(stage: OutboundFixture) -> list[str]:
    sent = stage.messenger.calls("send", GROUP)
    return [said.view.name for said in sent if isinstance(said.view, Notice)]


async def test_everybody_in_private(stage: OutboundFixture) -> None:
    """Each asker gets a message of their own; the group gets a note for each."""
    jobs = [await _done(stage, owner_id) for owner_id in (ASKER, OTHER)]
    await stage.after(10)

    assert {ASKER: [jobs[0].id], OTHER: [jobs[1].id]} == {
        said.chat_id: ids_of(said) for said in stage.answers
    }
    assert _notes(stage) == ["delivered-privately"] * 2


async def test_note_is_a_reply_in_its_topic(stage: OutboundFixture) -> None:
    """The answer itself replies to nothing, because the message is elsewhere."""
    job = await _done(stage, ASKER)
    await stage.after(10)
    [note] = stage.messenger.calls("send", GROUP)
    [answer] = stage.messenger.calls("send", ASKER)

    assert note.place is not None
    assert answer.place is not None
    assert (5, job.origin.message_id) == (note.place.thread_id, note.place.reply_to)
    assert (answer.place.thread_id, answer.place.reply_to) == (None, None)


async def test_channels_are_answered_here(stage: OutboundFixture) -> None:
    """A sender as a channel has no private chat."""
    job = await _done(stage, CHANNEL)
    await stage.after(10)

    assert [(GROUP, [job.id])] == [(said.chat_id, ids_of(said)) for said in stage.answers]
    assert _notes(stage) == []


async def test_who_cannot_be_reached(stage: OutboundFixture) -> None:
    """The group is told how to get the answer; it is not tried again."""
    stage.messenger.trouble(Trouble("send", ChatGone("not started"), ASKER, times=0))
    await _done(stage, ASKER)
    await stage.after(60)

    assert _notes(stage) == ["deliver-start-first"]
    assert stage.messenger.tried.count(("send", ASKER)) == 1


@pytest.mark.parametrize("lost", [False, True])
async def test_note_comes_once(stage: OutboundFixture, *, lost: bool) -> None:
    """The note is sent once, also when it is unknown whether the answer has arrived."""
    error: ChatError = ChatUncertain("lost")
    stage.messenger.trouble(Trouble("send", error, ASKER, lost=lost))
    await _done(stage, ASKER)
    await stage.after(60)

    assert _notes(stage) == ["delivered-privately"]


async def test_choice_of_the_successor_counts(stage: OutboundFixture) -> None:
    """What was asked for in the old group is answered as the new one wants it."""
    await stage.migrations.learn(GROUP, SUCCESSOR)
    await stage.ledger.chats.set_chat(SUCCESSOR, privately=False)
    await _done(stage, ASKER)
    await stage.after(10)

    assert [said.chat_id for said in stage.answers] == [GROUP]
