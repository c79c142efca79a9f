"""Status messages: late, few, calm, and gone when their work is done."""

from datetime import timedelta
from itertools import pairwise

import pytest

from bot.adapters.ledger.database import Database
from bot.core.jobs import JobState
from bot.core.ports.chat import Place
from bot.core.ports.views import Answer, StatusMessage
from bot.outbound.status_messages import EDIT_EVERY, MOST_SINGLE_MESSAGES
from bot.outbound.views import MOST_STATUS_LINES
from tests.fakes.messenger import Said
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, seconds


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


def card_of(said: Said) -> StatusMessage:
    """Return what a status message shows."""
    assert isinstance(said.view, StatusMessage)
    return said.view


async def test_quick_job_shows_no_card(stage: OutboundFixture) -> None:
    """File in, link out: one call."""
    job = await stage.accept()
    await stage.run(job)
    await stage.after(0.9)
    await stage.done(job)
    await stage.after(60)

    assert [said.call for said in stage.messenger.said] == ["send"]
    assert answered(stage.answers) == [job.id]


async def test_card_is_opened_after_a_second(stage: OutboundFixture) -> None:
    """A silent reply to the message that brought the file, in its topic."""
    job = await stage.accept(GROUP, thread_id=9)
    await stage.after(0.999)
    assert stage.messenger.said == []
    await stage.after(0.001)
    [said] = stage.status_messages

    assert seconds([said]) == [1]
    assert said.place == Place(GROUP, thread_id=9, reply_to=job.origin.message_id)
    assert (said.silent, said.language) == (True, "en")
    assert [line.job_id for line in card_of(said).lines] == [job.id]


async def test_card_is_edited_calmly(stage: OutboundFixture) -> None:
    """One message, and a pause after each edit, however fast the bytes move."""
    running = await stage.run(await stage.accept(), total=1000)
    for step in range(80):
        running.meter.downloaded = 10 * step
        await stage.after(0.25)
    moments = [said.at for said in stage.status_messages]

    assert len(stage.messenger.calls("send")) == 1
    assert len(moments) >= 5
    assert min(later - earlier for earlier, later in pairwise(moments)) >= EDIT_EVERY


async def test_last_edit_shows_the_latest_state(stage: OutboundFixture) -> None:
    """What was passed over is not shown later; the meter is read when the edit begins."""
    running = await stage.run(await stage.accept(), total=1000)
    await stage.after(1)
    for position in range(1, 100):
        running.meter.downloaded = 2 * position
        await stage.after(EDIT_EVERY.total_seconds() / 100)
    running.meter.downloaded = 800
    await stage.after(EDIT_EVERY.total_seconds() / 100)
    [line] = card_of(stage.status_messages[-1]).lines

    assert line.moved == 400
    assert len(stage.status_messages) == 2


async def test_equal_view_is_not_sent(stage: OutboundFixture) -> None:
    """Nothing has changed, so nothing is said."""
    await stage.accept()
    await stage.after(120)

    assert len(stage.messenger.said) == 1


async def test_cancelling_is_shown_at_once(stage: OutboundFixture) -> None:
    """The user has pressed and wants to see it, however short ago the last edit was."""
    running = await stage.run(await stage.accept())
    await stage.after(4.5)
    shown = len(stage.status_messages)
    await stage.press_cancel(running)
    await stage.speak()
    await stage.after(1)

    assert len(stage.status_messages) == shown + 1
    assert seconds(stage.status_messages)[-1] == 4.5
    assert card_of(stage.status_messages[-1]).lines[0].cancelling


async def test_paused_is_shown_at_once_and_opens_nothing(stage: OutboundFixture) -> None:
    """The last words before the process ends."""
    await stage.run(await stage.accept())
    await stage.after(4.5)
    await stage.accept()
    stage.status_sender.paused = True
    await stage.speak()
    assert seconds(stage.status_messages)[-1] == 4.5
    assert [line.paused for line in card_of(stage.status_messages[-1]).lines] == [True]
    await stage.after(2)

    assert len(stage.messenger.calls("send")) == 1


async def test_few_jobs_have_a_card_each(stage: OutboundFixture) -> None:
    """A reply to each of their files."""
    jobs = [await stage.accept() for _ in range(MOST_SINGLE_MESSAGES)]
    await stage.after(10)
    shown = [[line.job_id for line in card_of(said).lines] for said in stage.status_messages]

    assert shown == [[job.id] for job in jobs]


async def test_many_jobs_share_a_card(stage: OutboundFixture) -> None:
    """The rate limit belongs to the chat: one message for all, with a count of jobs without a
    line.
    """
    jobs = [await stage.accept() for _ in range(MOST_STATUS_LINES + 4)]
    await stage.after(10)
    [said] = stage.status_messages

    assert [line.job_id for line in card_of(said).lines] == [
        job.id for job in jobs[:MOST_STATUS_LINES]
    ]
    assert card_of(said).more == 4


async def test_later_jobs_join_the_shared_card(stage: OutboundFixture) -> None:
    """No second message appears."""
    jobs = [await stage.accept() for _ in range(5)]
    await stage.after(5)
    jobs += [await stage.accept() for _ in range(2)]
    await stage.after(5)

    assert len(stage.messenger.calls("send")) == 1
    assert [line.job_id for line in card_of(stage.status_messages[-1]).lines] == [
        job.id for job in jobs
    ]


async def test_running_jobs_stand_first(stage: OutboundFixture) -> None:
    """Users look for the jobs that make progress."""
    jobs = [await stage.accept() for _ in range(5)]
    await stage.run(jobs[3])
    await stage.after(2)
    lines = card_of(stage.status_messages[-1]).lines

    assert (lines[0].job_id, lines[0].state) == (jobs[3].id, JobState.RUNNING)


async def test_topics_and_chats_have_cards_of_their_own(stage: OutboundFixture) -> None:
    """The status message of a chat shows no jobs of another one."""
    places = [(GROUP, 1), (GROUP, 2), (OWNER, None)]
    for chat_id, thread_id in places:
        for _ in range(5):
            await stage.accept(chat_id, thread_id=thread_id)
    await stage.after(30)
    status_messages = stage.messenger.calls("send")

    assert {
        (said.chat_id, said.place and said.place.thread_id) for said in status_messages
    } == set(places)
    assert [len(card_of(said).lines) for said in status_messages] == [5, 5, 5]


async def test_card_is_removed_after_its_answers(stage: OutboundFixture) -> None:
    """First the answer, then the status message goes; the chat shows the answer alone."""
    job = await stage.accept()
    await stage.after(2)
    await stage.done(job)
    await stage.after(5)

    assert [said.call for said in stage.messenger.said] == ["send", "send", "delete"]
    assert [type(view) for view in stage.messenger.shown(OWNER).values()] == [Answer]
    assert await stage.ledger.status_messages.open_status_messages() == []


async def test_shared_card_stays_until_its_last_job_is_answered(stage: OutboundFixture) -> None:
    """And shows only those that have not ended."""
    jobs = [await stage.accept() for _ in range(5)]
    await stage.after(2)
    for job in jobs[:4]:
        await stage.done(job)
    await stage.after(10)
    assert [line.job_id for line in card_of(stage.status_messages[-1]).lines] == [jobs[4].id]
    assert stage.messenger.calls("delete") == []
    await stage.done(jobs[4])
    await stage.after(10)

    assert len(stage.messenger.calls("delete")) == 1


async def test_card_waits_for_an_answer_that_must_wait(stage: OutboundFixture) -> None:
    """While the chat may not be written to, the status message is all that the user has."""
    job = await stage.accept()
    await stage.after(2)
    stage.rate_limits.of(OWNER).pause(stage.clock.now() + (pause := timedelta(seconds=30)))
    await stage.done(job)
    await stage.after(29)
    assert len(stage.messenger.said) == 1
    await stage.after(pause.total_seconds())

    assert [said.call for said in stage.messenger.said] == ["send", "send", "delete"]


async def test_restart_goes_on_in_the_same_card(stage: OutboundFixture) -> None:
    """The user sees one status message, over a restart of the process."""
    job = await stage.accept()
    running = await stage.run(job)
    await stage.after(2)
    stage.restart()
    running.meter.downloaded = 500
    await stage.after(5)
    await stage.done(job)
    await stage.after(5)
    [status_message, answer] = stage.messenger.calls("send")

    assert {said.message_id for said in stage.status_messages} == {status_message.message_id}
    assert list(stage.messenger.shown(OWNER)) == [answer.message_id]
