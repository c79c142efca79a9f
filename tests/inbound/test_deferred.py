"""Requests are served in order, again when Telegram could not be asked, and not for ever."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatFlooded, ChatUnavailable
from bot.core.ports.chat import GroupVisibility
from bot.core.ports.ledger import OutboxKind
from bot.inbound.access import RequestKind
from bot.inbound.deferred import MOST_TRIES, DeferredRequests
from tests.fakes.samples import GROUP, at
from tests.inbound.deferred_fixture import CHIEF, MEMBER, DeferredFixture


@pytest.fixture
def office(database: Database) -> DeferredFixture:
    """Deferred requests with an empty outbox."""
    return DeferredFixture(database)


async def test_answer_goes_where_the_request_came_from(office: DeferredFixture) -> None:
    """The answer is a reply, in the language of the sender; the request is done."""
    await office.request(RequestKind.AUTO, CHIEF, to="off")
    await office.serve()
    [message] = (await office.ledger.outbox.pending_work(10)).messages

    assert (message.kind, message.payload) == (OutboxKind.NOTICE, {"name": "auto-off"})
    assert (message.chat_id, message.reply_to, message.language) == (GROUP, 1, "en")


async def test_press_is_answered_as_a_press(office: DeferredFixture) -> None:
    """Its answer has the id of the query, and goes before everything else."""
    await office.request(RequestKind.PRESS, query_id="q", action="cancel", job_id=77)
    await office.serve()
    [message] = (await office.ledger.outbox.pending_work(10)).messages

    assert message.kind is OutboxKind.PRESS
    assert message.payload == {"name": "press-unknown", "query_id": "q"}


async def test_last_word_counts(office: DeferredFixture) -> None:
    """Requests of one group keep their order, also when the first must be repeated."""
    office.members.troubles = [ChatUnavailable("out of reach")]
    await office.request(RequestKind.AUTO, CHIEF, to="on")
    await office.request(RequestKind.AUTO, CHIEF, to="off")
    moment = await office.serve()
    held = await office.waiting()
    await office.serve(after=3.0)
    rules = await office.ledger.chats.chat(GROUP)

    assert at(3) == moment
    assert held == [RequestKind.AUTO, RequestKind.AUTO]
    assert await office.said() == ["auto-on-blind", "auto-off"]
    assert not rules.auto


async def test_other_groups_do_not_wait(office: DeferredFixture) -> None:
    """A group about which Telegram does not answer delays no other group."""
    office.members.troubles = [ChatUnavailable("out of reach")]
    await office.request(RequestKind.AUTO, CHIEF, to="on")
    await office.request(RequestKind.AUTO, MEMBER, to="on", chat_id=-7)
    await office.serve()

    assert await office.said() == ["only-group-admins"]


async def test_flood_wait_is_waited_for(office: DeferredFixture) -> None:
    """A flood limit delays the next call until its end."""
    office.members.troubles = [ChatFlooded(40)]
    await office.request(RequestKind.DELIVER, CHIEF, to="private")
    moment = await office.serve()

    assert office.clock.now() + timedelta(seconds=40) == moment


@pytest.mark.parametrize("kind", [RequestKind.AUTO, RequestKind.GREET, RequestKind.GONE])
async def test_given_up(office: DeferredFixture, kind: RequestKind) -> None:
    """Who waits for an answer is told that there will be none; others are not."""
    office.members.troubles = [ChatUnavailable("out of reach")] * 100
    asker = CHIEF if kind is RequestKind.AUTO else None
    await office.request(kind, asker, to="on")
    for _ in range(MOST_TRIES):
        await office.serve(after=3.0)

    assert await office.waiting() == []
    assert (["request-failed"] if asker else []) == await office.said()


async def test_crash_in_between(office: DeferredFixture) -> None:
    """A request that was served, but not noted as served, is served again and answered once."""
    await office.request(RequestKind.AUTO, CHIEF, to="off")
    [request] = (await office.ledger.outbox.pending_work(10)).messages
    await office.serve()
    later = DeferredRequests(office.ledger.outbox, office.request_handler, office.clock)
    await later._serve(request)

    assert await office.said() == ["auto-off"]


async def test_leaving_waits_for_news(office: DeferredFixture) -> None:
    """A group that turns out to be the successor of one that is allowed is not left."""
    successor = -1_000_007
    office.members.sights[successor] = GroupVisibility(is_here=True)
    await office.request(RequestKind.LEAVE, chat_id=successor, tell=1)
    moment = await office.serve()
    await office.ledger.chats.migrate(GROUP, successor)
    await office.serve(after=2.0)

    assert at(2) == moment
    assert office.members.asked == []
    assert await office.waiting() == []


async def test_request_that_always_fails_is_set_aside(office: DeferredFixture) -> None:
    """An unexpected error is tried again within a limit, then the person who asked is told."""
    office.members.troubles = [MemoryError("no room")] * 100
    await office.request(RequestKind.AUTO, CHIEF, to="on")
    for _ in range(MOST_TRIES + 2):
        await office.serve(after=400.0)

    assert len(office.members.asked) == MOST_TRIES
    assert await office.waiting() == []
    assert await office.said() == ["request-failed"]
    assert await office.ledger.probe.set_aside() == {"outbox": 1}
