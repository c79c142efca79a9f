"""One answer for every ended job, replies before answers, and no flood."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatFlooded
from bot.core.ports.chat import Place
from bot.core.ports.ledger import OutboxKind
from bot.core.ports.views import AnswerItem, ItemState, Notice, Overview, Welcome
from bot.outbound import answers
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, LIFETIME, OWNER, SHA256, at
from tests.outbound.outbound_fixture import OutboundFixture, answered, ids_of, items_of, seconds

OTHER = 101


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def test_ended_job_is_answered_where_its_file_came_from(stage: OutboundFixture) -> None:
    """The answer is a reply to the message of the file, in its topic and language, and audible."""
    [job] = await stage.finish_many(1, GROUP, thread_id=9)
    await stage.speak()
    [said] = stage.answers

    assert said.place == Place(GROUP, thread_id=9, reply_to=job.origin.message_id)
    assert (said.language, said.silent) == ("en", False)
    assert stage.messenger.said == [said]


async def test_answer_has_the_link_and_its_end(stage: OutboundFixture) -> None:
    """The link is made when the answer is sent, from the data in the ledger."""
    job = await stage.accept(name="报告.pdf")
    stored = await stage.done(job)
    await stage.speak()
    [item] = items_of(stage.answers[0])
    assert item.link is not None

    assert item == AnswerItem(
        job.id, "报告.pdf", ItemState.LIVE, link=item.link, size=1000, sha256=SHA256
    )
    assert stored.key in item.link.url
    assert item.link.expires_at == at(0) + LIFETIME


async def test_failed_and_cancelled_jobs_are_answered_too(stage: OutboundFixture) -> None:
    """The answer has the code that its sentence needs."""
    failed, cancelled = await stage.accept(), await stage.accept(OTHER)
    await stage.fail(failed, "disk_full")
    await stage.cancel(cancelled)
    await stage.speak()
    items = [item for said in stage.answers for item in items_of(said)]

    assert sorted((item.job_id, item.state, item.code) for item in items) == [
        (failed.id, ItemState.FAILED, "disk_full"),
        (cancelled.id, ItemState.CANCELLED, None),
    ]


async def test_answers_are_single_while_the_budget_lasts(stage: OutboundFixture) -> None:
    """Two answers at once are two messages, each a reply to its own file."""
    jobs = await stage.finish_many(2)
    await stage.speak()

    assert [ids_of(said) for said in stage.answers] == [[job.id] for job in jobs]


async def test_answers_are_merged_when_the_budget_is_short(stage: OutboundFixture) -> None:
    """Three answers at once are one message."""
    jobs = await stage.finish_many(3)
    await stage.speak()

    assert [ids_of(said) for said in stage.answers] == [[job.id for job in jobs]]


@pytest.mark.parametrize("chat_id", [OWNER, GROUP])
@pytest.mark.parametrize("fits", [3, 50])
async def test_fifty_at_once_are_all_in_exactly_one_answer(
    stage: OutboundFixture, chat_id: int, fits: int
) -> None:
    """No message holds more than fits, and no flood limit is ever hit."""
    stage.messenger.fits = fits
    jobs = await stage.finish_many(50, chat_id)
    await stage.after(300)

    assert answered(stage.answers) == [job.id for job in jobs]
    assert max(len(items_of(said)) for said in stage.answers) <= fits
    assert stage.messenger.floods == []


async def test_fifty_at_once_are_answered_in_seconds(stage: OutboundFixture) -> None:
    """Merging makes few messages of many answers."""
    await stage.finish_many(50)
    await stage.after(10)

    assert len(answered(stage.answers)) == 50
    assert len(stage.answers) == 5


async def test_jobs_of_different_topics_are_not_merged(stage: OutboundFixture) -> None:
    """An answer belongs into the topic of its file."""
    for thread_id in (1, 2):
        await stage.finish_many(10, GROUP, thread_id=thread_id)
    await stage.speak()

    assert [(said.place and said.place.thread_id, ids_of(said)) for said in stage.answers] == [
        (1, list(range(1, 11))),
        (2, list(range(11, 21))),
    ]


async def test_replies_overtake_answers(stage: OutboundFixture) -> None:
    """A command is replied to within a second, with any number of answers waiting."""
    stage.messenger.fits = 1
    await stage.finish_many(30)
    await stage.after(5)
    await stage.post("help")
    asked_at = stage.clock.now()
    await stage.after(2)
    [reply] = [said for said in stage.messenger.said if isinstance(said.view, Notice)]

    assert reply.at - asked_at <= timedelta(seconds=1)
    assert stage.messenger.floods == []


async def test_reply_is_worded_when_it_is_sent(stage: OutboundFixture) -> None:
    """An overview shows the state at the time of sending."""
    await stage.post("status", kind=OutboxKind.OVERVIEW)
    job = await stage.accept()
    await stage.post("start", kind=OutboxKind.WELCOME)
    await stage.post("help")
    await stage.after(5)
    overview, welcome, notice = [said.view for said in stage.messenger.calls("send")[:3]]
    assert isinstance(overview, Overview)

    assert [line.job_id for line in overview.running] == [job.id]
    assert welcome == Welcome(20 << 20, LIFETIME)
    assert notice == Notice("help")


async def test_reply_is_said_once(stage: OutboundFixture) -> None:
    """As a reply to the command."""
    await stage.post("help")
    await stage.after(10)
    [said] = stage.messenger.said

    assert said.place == Place(OWNER, reply_to=1)


async def test_press_is_answered_at_once_whatever_the_budget(stage: OutboundFixture) -> None:
    """The answer to a button press is no message and needs no rate; the app of the user waits for
    it.
    """
    await stage.finish_many(3)
    await stage.speak()
    stage.rate_limits.of(OWNER).pause(at(600))
    for name in ("cancelling", "press-too-late"):
        await stage.post(name, kind=OutboxKind.PRESS)
    await stage.speak()

    assert [(said.query_id, said.view) for said in stage.messenger.calls("press")] == [
        ("cancelling", Notice("cancelling")),
        ("press-too-late", Notice("press-too-late")),
    ]


async def test_chats_are_answered_side_by_side(stage: OutboundFixture) -> None:
    """Each chat has its own rate limit; only the common one lets some wait, a second at most."""
    jobs = [(await stage.finish_many(1, OWNER + n))[0] for n in range(20)]
    await stage.after(1)

    assert sorted(answered(stage.answers)) == [job.id for job in jobs]
    assert seconds(stage.answers).count(0) >= 7
    assert max(seconds(stage.answers)) <= 1


async def test_chat_that_cannot_be_answered_hides_no_other(
    stage: OutboundFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More jobs than are looked at in one round wait in a flooded chat; the next chat is
    answered all the same, and so are its commands.
    """
    monkeypatch.setattr(answers, "MOST_UNANSWERED", 5)
    stage.messenger.trouble(Trouble("send", ChatFlooded(3600), chat_id=OWNER, times=0))
    await stage.finish_many(12)
    for n in range(12):
        await stage.post(f"help-{n}")
    await stage.speak()
    [job] = await stage.finish_many(1, OTHER)
    await stage.post("help", chat_id=OTHER)
    await stage.after(5)

    assert answered(stage.answers) == [job.id]
    assert len(stage.messenger.calls("send", OTHER)) == 2
