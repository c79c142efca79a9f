"""Cancelled jobs that get their status message as the answer."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatUncertain
from bot.core.jobs import Job
from bot.core.ports.views import Answer, ItemState, StatusMessage
from tests.fakes.messenger import Trouble
from tests.fakes.samples import OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, items_of


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def _job_with_a_card(stage: OutboundFixture) -> tuple[Job, int]:
    job = await stage.accept()
    await stage.run(job)
    await stage.after(2)
    [status_message] = stage.messenger.calls("send")
    return job, status_message.message_id


async def test_own_status_message_of_a_cancelled_job_becomes_the_answer(
    stage: OutboundFixture,
) -> None:
    """The message with the pressed button becomes the answer; nothing is sent, nothing removed."""
    job, message_id = await _job_with_a_card(stage)
    await stage.cancel(job)
    await stage.after(60)
    [said] = stage.answers
    [item] = items_of(said)

    assert (said.call, said.message_id) == ("edit", message_id)
    assert (item.job_id, item.state) == (job.id, ItemState.CANCELLED)
    assert stage.messenger.shown(OWNER) == {message_id: said.view}
    assert await stage.ledger.status_messages.open_status_messages() == []


async def test_status_message_that_is_gone_is_answered_anew(stage: OutboundFixture) -> None:
    """The user has removed the status message; the answer comes as a new message."""
    job, message_id = await _job_with_a_card(stage)
    stage.messenger.remove(OWNER, message_id)
    await stage.cancel(job)
    await stage.after(60)

    assert [(said.call, answered([said])) for said in stage.answers] == [("send", [job.id])]


async def test_edit_that_is_uncertain_may_be_repeated_at_will(stage: OutboundFixture) -> None:
    """Repeating an edit changes nothing, so it is safe."""
    job, message_id = await _job_with_a_card(stage)
    stage.messenger.trouble(Trouble("edit", ChatUncertain("timed out"), times=5))
    await stage.cancel(job)
    await stage.after(60)

    assert [said.message_id for said in stage.answers] == [message_id]
    assert len(stage.messenger.calls("send")) == 1


async def test_answer_comes_after_the_edit_that_is_under_way(stage: OutboundFixture) -> None:
    """A late progress edit would bring the status message back, with its button."""
    job, message_id = await _job_with_a_card(stage)
    running = stage.queue.runs[job.id]
    gate = stage.messenger.hold(OWNER)
    running.meter.downloaded = 500
    await stage.after(5)
    assert ("edit", OWNER) in stage.messenger.tried
    stage.messenger.hold_no_more(OWNER)
    await stage.cancel(job)
    await stage.after(5)
    assert stage.answers == []
    gate.set()
    await stage.after(5)

    assert isinstance(stage.messenger.shown(OWNER)[message_id], Answer)
    assert [isinstance(said.view, StatusMessage) for said in stage.messenger.said] == [
        True,
        True,
        False,
    ]


async def test_answers_by_edit_count_as_edits(stage: OutboundFixture) -> None:
    """The edits of a minute are used up by progress; the answers do not exceed the limit."""
    jobs = [await stage.accept() for _ in range(3)]
    running = [await stage.run(job) for job in jobs]
    for second in range(0, 62, 2):
        for meter in (found.meter for found in running):
            meter.downloaded = second
        await stage.after(2)
    for job in jobs:
        await stage.cancel(job)
    await stage.after(120)

    assert sorted(answered(stage.answers)) == [job.id for job in jobs]
    assert stage.messenger.floods == []


async def test_cancelled_job_on_a_shared_card_gets_a_message_of_its_own(
    stage: OutboundFixture,
) -> None:
    """The shared message goes on with the other jobs."""
    jobs = [await stage.accept() for _ in range(5)]
    await stage.after(2)
    [status_message] = stage.messenger.calls("send")
    await stage.cancel(jobs[0])
    await stage.after(5)

    assert [(said.call, answered([said])) for said in stage.answers] == [("send", [jobs[0].id])]
    assert status_message.message_id in stage.messenger.shown(OWNER)


async def test_cancelled_job_without_a_card_gets_a_message(stage: OutboundFixture) -> None:
    """It was cancelled before anything was shown."""
    job = await stage.accept()
    await stage.cancel(job)
    await stage.speak()

    assert [(said.call, answered([said])) for said in stage.answers] == [("send", [job.id])]
