"""Status messages when calls fail, when users remove them, and when processes die."""

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
from bot.core.ports.views import Answer, StatusMessage
from bot.outbound.status_messages import MOST_TRIES
from tests.fakes.messenger import Trouble
from tests.fakes.samples import OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, seconds

OTHER = 101


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def _move(stage: OutboundFixture, seconds_long: int) -> None:
    """Let bytes of every running job move for a while."""
    for _ in range(seconds_long):
        for running in stage.queue.runs.values():
            running.meter.downloaded += 1
        await stage.after(1)


async def test_card_that_the_user_removes_stays_removed(stage: OutboundFixture) -> None:
    """One edit finds out; then there is neither another try nor a new status message, and an
    answer at the end.
    """
    job = await stage.accept()
    await stage.run(job)
    await stage.after(2)
    [status_message] = stage.status_messages
    stage.messenger.remove(OWNER, status_message.message_id)
    await _move(stage, 60)
    assert stage.messenger.tried == [("send", OWNER), ("edit", OWNER)]
    await stage.done(job)
    await stage.after(60)

    assert answered(stage.answers) == [job.id]
    assert len(stage.messenger.shown(OWNER)) == 1
    # A private attribute, because no public one shows that memory.
    assert stage.status_sender._shown == {}


@pytest.mark.parametrize(
    "error", [ChatGone("blocked"), MessageRefused("can't parse"), ChatUncertain("timed out")]
)
async def test_card_that_may_never_be_placed_is_given_up(
    stage: OutboundFixture, error: ChatError
) -> None:
    """It may be there without our knowing its id, or never can be: there is no second try."""
    stage.messenger.trouble(Trouble("send", error))
    job = await stage.accept()
    await stage.run(job)
    await _move(stage, 60)
    assert stage.messenger.tried == [("send", OWNER)]
    await stage.done(job)
    await stage.after(10)

    assert answered(stage.answers) == [job.id]


@pytest.mark.parametrize(
    ("error", "again_after"), [(ChatFlooded(30), 30), (ChatUnavailable("refused"), 5)]
)
async def test_card_that_was_certainly_not_placed_is_tried_again(
    stage: OutboundFixture, error: ChatError, again_after: int
) -> None:
    """After the wait that was asked for, or a few seconds."""
    stage.messenger.trouble(Trouble("send", error))
    await stage.accept()
    await stage.after(60)

    assert seconds(stage.messenger.calls("send")) == [1 + again_after]


async def test_flooded_chat_delays_no_other(stage: OutboundFixture) -> None:
    """Its status message stands still, those of others move."""
    for chat_id in (OWNER, OTHER):
        await stage.run(await stage.accept(chat_id))
    await stage.after(2)
    stage.messenger.trouble(Trouble("edit", ChatFlooded(40), chat_id=OWNER))
    await _move(stage, 30)

    assert stage.messenger.calls("edit", OWNER) == []
    assert len(stage.messenger.calls("edit", OTHER)) >= 8


async def test_edit_that_failed_is_repeated_with_the_latest_state(stage: OutboundFixture) -> None:
    """The view counts as not shown, even if nothing changes any more."""
    running = await stage.run(await stage.accept())
    await stage.after(2)
    running.meter.set_part(1, 500)
    running.meter.downloaded = 1000
    running.meter.phase = running.meter.phase.MOVING
    stage.messenger.trouble(Trouble("edit", ChatUnavailable("refused")))
    await stage.after(30)
    shown = stage.status_messages[-1].view
    assert isinstance(shown, StatusMessage)

    assert [line.moved for line in shown.lines] == [750]
    assert stage.messenger.floods == []


@pytest.mark.parametrize("error", [ChatFlooded(20), ChatUnavailable("refused")])
async def test_card_that_cannot_be_removed_is_tried_again_calmly(
    stage: OutboundFixture, error: ChatError
) -> None:
    """Not at once and not in a loop; in the end the chat shows the answer alone."""
    stage.messenger.trouble(Trouble("delete", error, times=4))
    job = await stage.accept()
    await stage.after(2)
    await stage.done(job)
    await stage.after(120)

    assert stage.messenger.tried.count(("delete", OWNER)) == 5
    assert [type(view) for view in stage.messenger.shown(OWNER).values()] == [Answer]
    assert seconds(stage.messenger.calls("delete"))[0] >= 2 + 4 * 5


async def test_card_that_can_never_be_removed_is_left(stage: OutboundFixture) -> None:
    """One try."""
    stage.messenger.trouble(Trouble("delete", ChatGone("blocked"), times=0))
    job = await stage.accept()
    await stage.after(2)
    await stage.done(job)
    await stage.after(60)

    assert stage.messenger.tried.count(("delete", OWNER)) == 1
    assert await stage.ledger.status_messages.open_status_messages() == []


async def test_job_that_ends_while_its_card_is_placed(stage: OutboundFixture) -> None:
    """The status message is removed as soon as its id is known."""
    job = await stage.accept()
    gate = stage.messenger.hold(OWNER)
    await stage.after(2)
    assert stage.messenger.tried == [("send", OWNER)]
    await stage.done(job)
    await stage.after(5)
    gate.set()
    await stage.after(5)

    assert answered(stage.answers) == [job.id]
    assert [type(view) for view in stage.messenger.shown(OWNER).values()] == [Answer]


async def test_crash_while_a_card_is_placed(stage: OutboundFixture) -> None:
    """A message may be left behind; the job gets a status message that is removed after its
    answer.
    """
    job = await stage.accept()
    stage.messenger.hold(OWNER)
    await stage.after(2)
    await stage.calls.drain(timeout=0)
    stage.restart()
    stage.messenger.hold_no_more(OWNER)
    await stage.after(5)
    assert len(stage.messenger.shown(OWNER)) == 1
    await stage.done(job)
    await stage.after(10)

    assert [type(view) for view in stage.messenger.shown(OWNER).values()] == [Answer]


async def test_one_edit_at_a_time_in_a_chat(stage: OutboundFixture) -> None:
    """A slow edit is not overtaken by the next one."""
    await stage.run(await stage.accept())
    await stage.after(2)
    stage.messenger.hold(OWNER)
    await _move(stage, 30)

    assert stage.messenger.tried == [("send", OWNER), ("edit", OWNER)]


@pytest.mark.parametrize("call", ["send", "edit"])
async def test_status_message_that_always_fails_is_set_aside(
    stage: OutboundFixture, call: str
) -> None:
    """Its job goes on and is answered; the tries are counted across restarts."""
    job = await stage.accept()
    running = await stage.run(job)
    trouble = Trouble(call, MemoryError("no room"), times=MOST_TRIES + 1)
    stage.messenger.trouble(trouble)
    for number in range(MOST_TRIES + 4):
        running.meter.downloaded = number
        await stage.after(3)
        stage.restart()
    await stage.done(job)
    await stage.after(30)

    assert trouble.hits in {MOST_TRIES, MOST_TRIES + 1}
    assert answered(stage.answers) == [job.id]
    assert await stage.ledger.probe.set_aside() == {"status_message": 1}
