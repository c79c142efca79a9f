"""Answers and replies when calls fail, get lost, or are cut off by a crash."""

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
from bot.core.ports.ledger import OutboxKind
from bot.outbound.answer_delivery import MOST_ATTEMPTS
from bot.outbound.outbox import MOST_TRIES
from tests.fakes.messenger import Trouble
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, ids_of, seconds

OTHER = 101
HOUR = 3600
OUTAGE = 300
"""Seconds before a restart, and after it: each is 400 questions whether the service is back."""


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


@pytest.fixture
def metrics(stage: OutboundFixture) -> FakeMetrics:
    """Return what the senders count."""
    metrics = FakeMetrics()
    stage.restart(metrics)
    return metrics


async def _crash(stage: OutboundFixture) -> None:
    """End the process in the middle of its calls, and start it again."""
    await stage.calls.drain(timeout=0)
    stage.restart()


async def _crash_in_a_call(stage: OutboundFixture) -> None:
    """Let the next call begin and crash before it reaches the chat."""
    gate = stage.messenger.hold(OWNER)
    while not stage.messenger.held:
        await stage.after(1)
    assert stage.messenger.held
    await _crash(stage)
    gate.set()


@pytest.mark.parametrize("lost", [False, True])
async def test_uncertain_answer_is_sent_once_more(stage: OutboundFixture, *, lost: bool) -> None:
    """Whether the first call was applied or not, there is one more, and no third."""
    stage.messenger.trouble(Trouble("send", ChatUncertain("timed out"), lost=lost))
    [job] = await stage.finish_many(1)
    await stage.after(HOUR)

    assert stage.messenger.tried == [("send", OWNER)] * 2
    assert answered(stage.answers) == [job.id] * (2 if lost else 1)


async def test_outage_costs_one_copy_and_no_answer(stage: OutboundFixture) -> None:
    """Nothing is sent, nothing new either, before the service has answered something else."""
    stage.messenger.trouble(Trouble("send", ChatUncertain("502"), lost=True))
    probe = stage.messenger.trouble(Trouble("probe", ChatUncertain("502"), times=2 * OUTAGE // 3))
    [first] = await stage.finish_many(1)
    await stage.after(60)
    [second] = await stage.finish_many(1, OTHER)
    await stage.after(OUTAGE)
    assert stage.messenger.tried == [("send", OWNER)]
    stage.restart()
    await stage.after(OUTAGE + 10)

    assert probe.hits == 2 * OUTAGE // 3
    assert sorted(answered(stage.answers)) == [first.id, first.id, second.id]


async def test_answer_that_stays_uncertain_is_repeated_ever_more_rarely(
    stage: OutboundFixture,
) -> None:
    """The service answers everything else. The answer is never lost."""
    trouble = stage.messenger.trouble(Trouble("send", ChatUncertain("timed out"), times=0))
    [job] = await stage.finish_many(1)
    await stage.after(HOUR)
    assert len(stage.messenger.tried) == 11
    trouble.times = trouble.hits
    await stage.after(HOUR)

    assert answered(stage.answers) == [job.id]


async def test_answer_that_is_unreadable_twice_is_not_sent_a_third_time(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """The service did answer, so that both messages are there, most likely."""
    error = ChatUncertain("no message", answered=True)
    stage.messenger.trouble(Trouble("send", error, times=0, lost=True))
    await stage.finish_many(1)
    await stage.after(HOUR)

    assert stage.messenger.tried == [("send", OWNER)] * 2
    assert await stage.ledger.answers.resumable() == []
    assert metrics.lost == ["chat_uncertain"]


async def test_answer_anew_for_a_status_message_that_is_gone_is_no_edit(
    stage: OutboundFixture,
) -> None:
    """Each copy that may have been placed counts, so that they become ever more rare."""
    job = await stage.accept()
    await stage.after(5)
    [card] = stage.messenger.shown(OWNER)
    await stage.cancel(job)
    stage.messenger.remove(OWNER, card)
    stage.messenger.trouble(Trouble("send", ChatUncertain("timed out"), lost=True, times=0))
    await stage.after(60)

    assert len(stage.answers) == 5


async def test_certain_failures_are_repeated_until_it_works(stage: OutboundFixture) -> None:
    """While Telegram is out of reach, calmly; the answer is never lost."""
    stage.messenger.trouble(Trouble("send", ChatUnavailable("refused"), times=50))
    [job] = await stage.finish_many(1)
    await stage.after(200)

    assert answered(stage.answers) == [job.id]
    assert seconds(stage.answers)[0] >= 50 * 3


async def test_flooded_chat_waits_and_others_go_on(stage: OutboundFixture) -> None:
    """Nothing is sent to the chat until the end of the flood limit."""
    stage.messenger.trouble(Trouble("send", ChatFlooded(30), chat_id=OWNER))
    [waiting] = await stage.finish_many(1)
    await stage.speak()
    [other] = await stage.finish_many(1, OTHER)
    await stage.post("help")
    await stage.after(29)
    assert answered(stage.answers) == [other.id]
    assert stage.messenger.tried.count(("send", OWNER)) == 1
    await stage.after(3)

    assert answered(stage.answers) == [other.id, waiting.id]
    assert stage.messenger.floods == []


async def test_answer_in_a_chat_that_is_gone_is_lost(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """It is tried once, and not again."""
    stage.messenger.trouble(Trouble("send", ChatGone("blocked"), times=0))
    await stage.finish_many(1)
    await stage.after(HOUR)

    assert stage.messenger.tried == [("send", OWNER)]
    assert await stage.ledger.answers.unanswered(10) == []
    assert await stage.ledger.answers.resumable() == []
    assert metrics.lost == ["chat_gone"]


async def test_answer_that_a_crash_cut_off_is_sent_after_the_start(stage: OutboundFixture) -> None:
    """It was being sent when the process died, so it may have arrived: once more."""
    [job] = await stage.finish_many(1)
    await _crash_in_a_call(stage)
    await stage.after(HOUR)

    assert answered(stage.answers) == [job.id]
    assert len(stage.messenger.tried) == 2


async def test_answer_that_ends_the_process_each_time_is_set_aside(
    stage: OutboundFixture,
) -> None:
    """The calls are counted before they are made."""
    await stage.finish_many(1)
    for _ in range(MOST_ATTEMPTS):
        await _crash_in_a_call(stage)
    metrics = FakeMetrics()
    stage.restart(metrics)
    await stage.after(HOUR)

    assert len(stage.messenger.tried) == MOST_ATTEMPTS
    assert await stage.ledger.answers.resumable() == []
    assert metrics.lost == ["crashed"]


async def test_answer_that_was_sent_is_not_sent_after_a_crash(stage: OutboundFixture) -> None:
    """The id of its message is in the ledger."""
    [job] = await stage.finish_many(1)
    await stage.speak()
    await _crash(stage)
    await stage.after(HOUR)

    assert answered(stage.answers) == [job.id]


async def test_crash_does_not_split_a_merged_answer(stage: OutboundFixture) -> None:
    """The same jobs stand in the message that is sent once more."""
    jobs = await stage.finish_many(5)
    await _crash_in_a_call(stage)
    await stage.after(60)

    assert [ids_of(said) for said in stage.answers] == [[job.id for job in jobs]]


@pytest.mark.parametrize(
    "error", [ChatUncertain("timed out"), ChatGone("blocked"), MessageRefused("can't parse")]
)
async def test_lost_reply_is_not_said_twice(stage: OutboundFixture, error: ChatError) -> None:
    """The user can ask again."""
    stage.messenger.trouble(Trouble("send", error, times=0))
    await stage.post("help")
    await stage.after(HOUR)

    assert stage.messenger.tried == [("send", OWNER)]


async def test_reply_is_tried_a_few_times(stage: OutboundFixture) -> None:
    """A reply that fails again and again is given up."""
    stage.messenger.trouble(Trouble("send", ChatUnavailable("refused"), times=0))
    await stage.post("help")
    await stage.after(HOUR)

    assert len(stage.messenger.tried) == MOST_TRIES
    assert (await stage.ledger.outbox.pending_work(10)).messages == []


async def test_flooded_reply_is_said_after_the_wait(stage: OutboundFixture) -> None:
    """Once."""
    stage.messenger.trouble(Trouble("send", ChatFlooded(20)))
    await stage.post("help")
    await stage.after(60)

    assert seconds(stage.messenger.calls("send")) == [20]


async def test_press_that_cannot_be_answered_is_forgotten(stage: OutboundFixture) -> None:
    """The button's query is too old by the next time."""
    stage.messenger.trouble(Trouble("press", ChatUnavailable("refused"), times=0))
    await stage.post("deleted", kind=OutboxKind.PRESS)
    await stage.after(60)

    assert stage.messenger.tried == [("press", 0)]
