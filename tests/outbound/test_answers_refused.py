"""Answers whose form or whose chat Telegram refuses: another form, then another place."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatGone, MessageRefused
from bot.core.jobs import Job
from tests.fakes import samples
from tests.fakes.messenger import Trouble
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, ids_of

REFUSED = MessageRefused("TOPIC_CLOSED")


@pytest.fixture
def metrics() -> FakeMetrics:
    """Return what the senders count."""
    return FakeMetrics()


@pytest.fixture
def stage(database: Database, metrics: FakeMetrics) -> OutboundFixture:
    """Return senders with nothing to send."""
    stage = OutboundFixture(database)
    stage.restart(metrics)
    return stage


async def _done_by(stage: OutboundFixture, *owners: int) -> list[Job]:
    jobs = [
        await samples.accept(
            stage.ledger, chat_id=GROUP, owner_id=owner, now=stage.clock.now(), thread_id=9
        )
        for owner in owners
    ]
    for job in jobs:
        await stage.done(job)
    return jobs


async def test_refused_answer_is_sent_once_more_without_formatting(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """In the same place, as a reply to nothing."""
    stage.messenger.trouble(Trouble("send", REFUSED))
    [job] = await stage.finish_many(1)
    await stage.after(60)
    [said] = stage.answers

    assert (ids_of(said), said.plain, said.chat_id) == ([job.id], True, OWNER)
    assert said.place is not None
    assert said.place.reply_to is None
    assert metrics.lost == []


async def test_answer_that_is_refused_in_every_form_is_lost(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """In a private chat there is no other place."""
    stage.messenger.trouble(Trouble("send", REFUSED, times=0))
    await stage.finish_many(1)
    await stage.after(3600)

    assert stage.messenger.tried == [("send", OWNER)] * 2
    assert metrics.lost == ["message_refused"]
    assert await stage.ledger.answers.unanswered(10) == []


@pytest.mark.parametrize(("error", "tries"), [(REFUSED, 2), (ChatGone("no rights"), 1)])
async def test_answer_that_a_group_refuses_goes_to_who_asked(
    stage: OutboundFixture, metrics: FakeMetrics, error: ChatError, tries: int
) -> None:
    """Each owner gets only their own links, and the group is told nothing."""
    stage.messenger.trouble(Trouble("send", error, chat_id=GROUP, times=0))
    mine, yours, mine_too = await _done_by(stage, 7, 8, 7)
    await stage.after(60)

    assert {said.chat_id for said in stage.answers} == {7, 8}
    assert sorted(answered([s for s in stage.answers if s.chat_id == 7])) == [mine.id, mine_too.id]
    assert answered([s for s in stage.answers if s.chat_id == 8]) == [yours.id]
    assert not any(said.plain for said in stage.answers)
    assert metrics.lost == []
    assert stage.messenger.tried.count(("send", GROUP)) == tries * 3


async def test_answer_that_is_refused_in_private_too_is_lost(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """After all four forms."""
    stage.messenger.trouble(Trouble("send", REFUSED, times=0))
    await _done_by(stage, 7)
    await stage.after(3600)

    assert stage.messenger.tried == [("send", GROUP)] * 2 + [("send", 7)] * 2
    assert metrics.lost == ["message_refused"]


async def test_plain_answer_gives_back_what_has_no_room(stage: OutboundFixture) -> None:
    """Addresses stand in the text, so that a message holds fewer files."""
    stage.messenger.fits_plain = 2
    stage.messenger.trouble(Trouble("send", REFUSED))
    jobs = await stage.finish_many(5)
    await stage.after(60)

    assert ids_of(stage.answers[0]) == [job.id for job in jobs[:2]]
    assert sorted(answered(stage.answers)) == [job.id for job in jobs]


async def test_correction_of_a_plain_answer_is_plain(stage: OutboundFixture) -> None:
    """What was refused once would be refused again."""
    stage.messenger.trouble(Trouble("send", REFUSED))
    [job] = await stage.finish_many(1)
    await stage.after(60)
    await stage.gone((await stage.ledger.objects.of_jobs([job.id]))[job.id])
    await stage.after(60)

    assert [(said.call, said.plain) for said in stage.answers] == [("send", True), ("edit", True)]


async def test_refused_correction_is_repeated_without_formatting(stage: OutboundFixture) -> None:
    """The message must not go on to show a link that has ended."""
    [job] = await stage.finish_many(1)
    await stage.after(60)
    stage.messenger.trouble(Trouble("edit", REFUSED))
    await stage.gone((await stage.ledger.objects.of_jobs([job.id]))[job.id])
    await stage.after(60)

    assert [(said.call, said.plain) for said in stage.answers] == [("send", False), ("edit", True)]
