"""Requests are served in order, again when Telegram could not be asked, and not for ever."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatFlooded, ChatUnavailable
from bot.core.ports.chat import GroupVisibility
from bot.core.ports.outbox import OutboxKind
from bot.inbound.deferred import MOST_TRIES, DeferredRequests, RequestKind
from tests.fakes.samples import GROUP, at
from tests.inbound.deferred_fixture import CHIEF, MEMBER, DeferredFixture


@pytest.fixture
def deferred(database: Database) -> DeferredFixture:
    """Deferred requests with an empty outbox."""
    return DeferredFixture(database)


async def test_answer_goes_where_the_request_came_from(deferred: DeferredFixture) -> None:
    """The answer is a reply, in the language of the sender; the request is done."""
    await deferred.request(RequestKind.AUTO, CHIEF, to="off")
    await deferred.serve()
    [message] = await deferred.ledger.outbox.pending(10)

    assert (message.kind, message.payload) == (OutboxKind.NOTICE, {"name": "auto-off"})
    assert (message.chat_id, message.reply_to, message.language) == (GROUP, 1, "en")


async def test_press_is_answered_as_a_press(deferred: DeferredFixture) -> None:
    """Its answer has the id of the query, and goes before everything else."""
    await deferred.request(RequestKind.PRESS, query_id="q", action="cancel", job_id=77)
    await deferred.serve()
    [message] = await deferred.ledger.outbox.pending(10)

    assert message.kind is OutboxKind.PRESS
    assert message.payload == {"name": "press-unknown", "query_id": "q"}


async def test_last_word_counts(deferred: DeferredFixture) -> None:
    """Requests of one group keep their order, also when the first must be repeated."""
    deferred.members.troubles = [ChatUnavailable("out of reach")]
    await deferred.request(RequestKind.AUTO, CHIEF, to="on")
    await deferred.request(RequestKind.AUTO, CHIEF, to="off")
    moment = await deferred.serve()
    held = await deferred.waiting()
    await deferred.serve(after=3.0)
    rules = await deferred.ledger.chats.chat(GROUP)

    assert at(3) == moment
    assert held == [RequestKind.AUTO, RequestKind.AUTO]
    assert await deferred.said() == ["auto-on-blind", "auto-off"]
    assert not rules.auto


async def test_other_groups_do_not_wait(deferred: DeferredFixture) -> None:
    """A group about which Telegram does not answer delays no other group."""
    deferred.members.troubles = [ChatUnavailable("out of reach")]
    await deferred.request(RequestKind.AUTO, CHIEF, to="on")
    await deferred.request(RequestKind.AUTO, MEMBER, to="on", chat_id=-7)
    await deferred.serve()

    assert await deferred.said() == ["only-group-admins"]


async def test_flood_wait_is_waited_for(deferred: DeferredFixture) -> None:
    """A flood limit delays the next call until its end."""
    deferred.members.troubles = [ChatFlooded(40)]
    await deferred.request(RequestKind.DELIVER, CHIEF, to="private")
    moment = await deferred.serve()

    assert deferred.clock.now() + timedelta(seconds=40) == moment


@pytest.mark.parametrize("kind", [RequestKind.AUTO, RequestKind.GREET, RequestKind.GONE])
async def test_given_up(deferred: DeferredFixture, kind: RequestKind) -> None:
    """Only a user who waits for an answer is told that there will be none."""
    deferred.members.troubles = [ChatUnavailable("out of reach")] * 100
    asker = CHIEF if kind is RequestKind.AUTO else None
    await deferred.request(kind, asker, to="on")
    for _ in range(MOST_TRIES):
        await deferred.serve(after=3.0)

    assert await deferred.waiting() == []
    assert (["request-failed"] if asker else []) == await deferred.said()


async def test_crash_in_between(deferred: DeferredFixture) -> None:
    """A request that was served, but not noted as served, is served again and answered once."""
    await deferred.request(RequestKind.AUTO, CHIEF, to="off")
    [request] = await deferred.ledger.outbox.pending(10)
    await deferred.serve()
    later = DeferredRequests(
        deferred.ledger, deferred.request_handler, deferred.calls, deferred.clock
    )
    await later._serve(request)

    assert await deferred.said() == ["auto-off"]


async def test_leaving_waits_for_news(deferred: DeferredFixture) -> None:
    """A group that turns out to be the successor of one that is allowed is not left."""
    successor = -1_000_007
    deferred.members.sights[successor] = GroupVisibility(is_here=True)
    await deferred.request(RequestKind.LEAVE, chat_id=successor, tell=1)
    moment = await deferred.serve()
    await deferred.ledger.chats.migrate(GROUP, successor)
    await deferred.serve(after=2.0)

    assert at(2) == moment
    assert deferred.members.asked == []
    assert await deferred.waiting() == []
