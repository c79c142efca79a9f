"""Replies to commands and presses, and changes that users ask for."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import MessageGone
from bot.core.ports.ledger import OutboxKind, OutboxMessage, Priority
from bot.core.ports.views import Listing, Notice, Overview, StatusMessage
from bot.outbound.outbox import MOST_TRIES
from tests.fakes.messenger import Trouble
from tests.fakes.samples import OWNER
from tests.outbound.outbound_fixture import OutboundFixture


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def post(
    stage: OutboundFixture, number: int, kind: OutboxKind, **payload: str | int
) -> None:
    """Put something into the outbox."""
    message = OutboxMessage(
        kind,
        Priority.PRESS if kind is OutboxKind.PRESS else Priority.REPLY,
        OWNER,
        "en",
        dedupe=f"{kind}:{number}",
        owner_id=OWNER,
        payload=payload,
    )
    assert await stage.ledger.outbox.post(message, stage.clock.now())


async def place(stage: OutboundFixture) -> int:
    """Let an overview stand in the chat; return its id."""
    await post(stage, 0, OutboxKind.OVERVIEW, listing="status", subject=OWNER, page=1)
    await stage.speak()
    return stage.messenger.calls("send")[0].message_id


async def test_overview_is_composed_when_it_is_said(stage: OutboundFixture) -> None:
    """The message in the outbox tells the owner, the list and the page."""
    await stage.accept()
    await post(stage, 1, OutboxKind.OVERVIEW, listing="links", subject=7, page=3)
    await stage.speak()
    view = stage.messenger.calls("send")[0].view

    assert isinstance(view, Overview)
    assert (view.listing, view.subject, view.page) == (Listing.LINKS, 7, 1)
    assert view.running == ()


async def test_overview_of_an_earlier_version_is_that_of_its_owner(stage: OutboundFixture) -> None:
    """A message that was stored without these is still sent after an update."""
    await post(stage, 1, OutboxKind.OVERVIEW)
    await stage.speak()
    view = stage.messenger.calls("send")[0].view

    assert isinstance(view, Overview)
    assert (view.listing, view.subject, view.page) == (Listing.STATUS, OWNER, 1)


async def test_change_edits_its_message(stage: OutboundFixture) -> None:
    """Nothing new is sent, and the content is that of the time of the edit."""
    message_id = await place(stage)
    job = await stage.accept()
    await post(
        stage, 1, OutboxKind.OVERVIEW, edits=message_id, listing="status", subject=OWNER, page=1
    )
    await stage.speak()
    shown = stage.messenger.shown(OWNER)[message_id]

    assert isinstance(shown, Overview)
    assert [job.id] == [line.job_id for line in shown.running]
    assert len(stage.messenger.calls("send")) == 1
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_notice_can_be_a_change(stage: OutboundFixture) -> None:
    """The parameters of the notice do not include its message id."""
    message_id = await place(stage)
    await post(stage, 1, OutboxKind.NOTICE, edits=message_id, name="help-any-text")
    await stage.speak()

    assert Notice("help-any-text") == stage.messenger.shown(OWNER)[message_id]


async def test_only_the_latest_change_of_a_message_is_made(stage: OutboundFixture) -> None:
    """Ten presses on one message make one edit, with the last content; other messages are edited
    too.
    """
    first, second = await place(stage), 0
    await post(stage, 99, OutboxKind.NOTICE, name="help-any-text")
    await stage.speak()
    second = stage.messenger.calls("send")[1].message_id
    for number in range(1, 11):
        await post(stage, number, OutboxKind.NOTICE, edits=first, name="only", n=number)
    await post(stage, 11, OutboxKind.NOTICE, edits=second, name="other")
    await stage.after(2)
    edits = stage.messenger.calls("edit")

    assert [(first, Notice("only", {"n": 10})), (second, Notice("other"))] == [
        (said.message_id, said.view) for said in edits if not isinstance(said.view, StatusMessage)
    ]
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_changes_keep_the_budget_of_edits(stage: OutboundFixture) -> None:
    """A press every second does not exceed the rate limit of edits."""
    message_id = await place(stage)
    for number in range(1, 60):
        await post(stage, number, OutboxKind.NOTICE, edits=message_id, name=f"n-{number}")
        await stage.after(1)

    assert stage.messenger.floods == []
    await stage.after(60)
    assert Notice("n-59") == stage.messenger.shown(OWNER)[message_id]


async def test_change_of_a_message_that_is_gone_is_given_up(stage: OutboundFixture) -> None:
    """An edit of a message that was removed sends no new one."""
    message_id = await place(stage)
    stage.messenger.trouble(Trouble("edit", MessageGone("gone")))
    await post(stage, 1, OutboxKind.NOTICE, edits=message_id, name="help-any-text")
    await stage.speak()

    assert len(stage.messenger.calls("send")) == 1
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_press_can_be_answered_without_a_word(stage: OutboundFixture) -> None:
    """The app stops waiting, and the message itself shows the change."""
    await post(stage, 1, OutboxKind.PRESS, query_id="q")
    await stage.speak()
    [said] = stage.messenger.calls("press")

    assert (said.query_id, said.view) == ("q", None)


@pytest.mark.parametrize(
    ("kind", "call"), [(OutboxKind.NOTICE, "send"), (OutboxKind.PRESS, "press")]
)
async def test_message_that_always_fails_is_set_aside(
    stage: OutboundFixture, kind: OutboxKind, call: str
) -> None:
    """After five tries, which are counted across restarts; a neighbour is served meanwhile."""
    trouble = stage.messenger.trouble(Trouble(call, MemoryError("no room"), times=MOST_TRIES + 9))
    if kind is OutboxKind.NOTICE:
        trouble.chat_id = OWNER
    payload: dict[str, str | int] = {"name": "help-any-text", "query_id": "q"}
    await post(stage, 1, kind, **payload)
    await stage.post("help-any-text", chat_id=OWNER + 1)
    tries = []
    for _ in range(MOST_TRIES + 3):
        await stage.after(10)
        tries += [
            message.tries for message in (await stage.ledger.outbox.pending_work(10)).messages
        ]
        stage.restart()

    assert tries  # Of a process that was not the last.
    assert [said.chat_id for said in stage.messenger.said] == [OWNER + 1]
    assert trouble.hits == MOST_TRIES
    assert (await stage.ledger.outbox.pending_work(10)).messages == []
    assert await stage.ledger.probe.set_aside() == {"outbox": 1}


async def test_reply_whose_process_dies_is_sent_at_most_twice(stage: OutboundFixture) -> None:
    """The intention is stored before the call, so a start knows that it was cut off."""
    await post(stage, 1, OutboxKind.NOTICE, name="help-any-text")
    [message] = (await stage.ledger.outbox.pending_work(10)).messages
    calls = 0
    for _ in range(5):
        # As a process that dies inside the call leaves it.
        if not (await stage.ledger.outbox.pending_work(10)).messages:
            break
        stage.restart()
        gate = stage.messenger.hold(OWNER)
        await stage.round()
        await stage.until_calls_end()
        calls = len(stage.messenger.tried)
        await stage.calls.drain(0)
        gate.set()

    assert calls == 2
    assert await stage.ledger.probe.set_aside() == {"outbox": 1}
    assert (message.tries, message.error_code) == (0, None)
