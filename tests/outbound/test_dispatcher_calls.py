"""Which of the offered calls the dispatcher makes, and when."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.core.errors import ChatError, ChatFlooded, ChatUnavailable
from bot.core.limits import STRANGERS
from bot.core.ports.ledger import PendingWork, Priority, Work
from bot.outbound.dispatcher import (
    RETRY_AFTER,
    Call,
    CallKind,
    ChatDispatcher,
    Offers,
    RoundState,
    edit_lane,
    press_lane,
    send_lane,
)
from bot.sandbox.clock import SandboxClock
from bot.supervision import Unit
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import NOW, OWNER, at
from tests.outbound.outbound_fixture import NoOutbox

SEND, EDIT, DELETE, QUERY = CallKind.SEND, CallKind.EDIT, CallKind.DELETE, CallKind.QUERY


class CountingOutbox(NoOutbox):
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    async def pending_work(self, limit: int) -> PendingWork:
        """Count."""
        self.reads += 1
        return await super().pending_work(limit)


class Script:
    """A sender that offers what the test says, each call until it has been made."""

    work = ~Work(0)

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def offer(self, state: RoundState) -> Offers:  # noqa: ARG002 -- the port has it.
        """Offer all that is left."""
        return Offers(list(self.calls))


@dataclass
class Desk:
    """A dispatcher with two senders, driven round by round."""

    clock: SandboxClock = field(default_factory=lambda: SandboxClock(NOW, running=False))
    outbox: CountingOutbox = field(default_factory=CountingOutbox)
    first: Script = field(default_factory=Script)
    second: Script = field(default_factory=Script)
    made: list[str] = field(default_factory=list)
    errors: dict[str, BaseException] = field(default_factory=dict)
    rows: "count[int]" = field(default_factory=count)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)

    def __post_init__(self) -> None:
        """Build the dispatcher."""
        self.dispatcher = ChatDispatcher(
            [self.first, self.second],
            self.outbox,
            asyncio.Event(),
            self.clock,
            metrics=self.metrics,
        )

    def offer(self, name: str, kind: CallKind = SEND, **more: Any) -> None:
        """Let the first sender offer a call that notes `name`, or fails once as `errors` say."""
        self.first.calls.append(self.call(self.first, name, kind, **more))

    def call(self, sender: Script, name: str, kind: CallKind = SEND, **more: Any) -> Call:
        """Return a call that its sender offers until it has been made."""

        async def run() -> None:
            if (error := self.errors.pop(name, None)) is not None:
                raise error
            self.made.append(name)
            sender.calls.remove(call)

        lane = send_lane(OWNER) if kind is SEND else edit_lane(OWNER)
        given = {"chat_id": OWNER, "lane": lane, "priority": Priority.ANSWER, **more}
        given = {"unit": Unit.ANSWER, "row": next(self.rows), **given}
        call = Call(kind=kind, run=run, **given)
        return call

    async def round(self) -> datetime | None:
        """Begin a round and wait until its calls have ended."""
        moment = await self.dispatcher.round()
        await self.dispatcher.calls.drain(5)
        return moment


@pytest.fixture
def desk() -> Desk:
    """Return a dispatcher whose senders have nothing to offer yet."""
    return Desk()


async def test_outbox_is_read_once_per_round(desk: Desk) -> None:
    """However many senders there are."""
    await desk.round()
    await desk.round()

    assert desk.outbox.reads == 2


async def test_priority_counts_before_the_order_of_senders(desk: Desk) -> None:
    """Calls of one lane follow each other by priority, equal ones by sender."""
    desk.offer("status", priority=Priority.STATUS)
    desk.offer("answer")
    desk.second.calls = [
        desk.call(desk.second, "other answer"),
        desk.call(desk.second, "reply", priority=Priority.REPLY),
    ]
    while desk.first.calls or desk.second.calls:
        await desk.round()
        desk.clock.advance(timedelta(seconds=1))

    assert desk.made == ["reply", "answer", "other answer", "status"]


async def test_what_is_less_important_leaves_its_reserve(desk: Desk) -> None:
    """A call that would not leave it waits for the token, and says so."""
    for number in range(3):
        desk.offer(f"status {number}", reserve=1.0)
    moments = [await desk.round() for _ in range(3)]
    desk.offer("reply", priority=Priority.REPLY)
    await desk.round()

    assert desk.made == ["status 0", "status 1", "reply"]
    assert moments[:2] == [None, None]
    assert moments[2] is not None
    assert at(0.9) < moments[2] < at(1.1)


@pytest.mark.parametrize("wakes", [False, True])
async def test_skipped_call_tells_why(desk: Desk, *, wakes: bool) -> None:
    """It is busy or short of budget; a round is planned for it unless it asks for none."""
    reasons: list[str] = []
    desk.dispatcher.rate_limits.of(OWNER).pause(at(9))
    desk.offer("edit", EDIT, on_skip=reasons.append, wakes=wakes)
    moment = await desk.round()
    desk.dispatcher.calls.start(edit_lane(OWNER), asyncio.sleep(0))
    busy = await desk.round()

    assert reasons == ["budget", "busy"]
    assert moment == (at(9) if wakes else None)
    assert busy is None


async def test_call_waits_for_further_lanes(desk: Desk) -> None:
    """An edit that waits for messages starts in the round after the message."""
    desk.offer("edit", EDIT, waits_for=(send_lane(OWNER),))
    desk.offer("message", priority=Priority.REPLY)
    await desk.round()
    first = list(desk.made)
    await desk.round()

    assert first == ["message"]
    assert desk.made == ["message", "edit"]


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (ChatFlooded(40), timedelta(seconds=40)),
        (ChatUnavailable("refused"), RETRY_AFTER),
    ],
)
@pytest.mark.parametrize("kind", [SEND, EDIT, DELETE])
async def test_failed_call_pauses_its_chat(
    desk: Desk, kind: CallKind, error: ChatError, wait: timedelta
) -> None:
    """Everything that shows in the chat waits, deletions too; other chats and queries do not."""
    desk.errors = {"failing": error}
    desk.offer("failing", kind)
    await desk.round()
    for name, more in (("message", SEND), ("edit", EDIT), ("deletion", DELETE)):
        desk.offer(name, more, lane=(f"{name} alone", OWNER))
    desk.offer("press", QUERY, lane=press_lane(7))
    desk.offer("elsewhere", chat_id=OWNER + 1, lane=send_lane(OWNER + 1))
    moment = await desk.round()
    meanwhile = sorted(desk.made)
    desk.clock.advance(wait)
    await desk.round()

    assert meanwhile == ["elsewhere", "press"]
    assert moment == NOW + wait
    assert {"failing", "message", "edit", "deletion"} <= set(desk.made)


async def test_cancel_that_nobody_asked_for(desk: Desk) -> None:
    """A cancelled future of a library is an error of its call, which is counted and backs off."""
    desk.errors = {"failing": asyncio.CancelledError()}
    desk.offer("failing", unit=Unit.OUTBOX, row=7)
    await desk.round()

    assert desk.metrics.unexpected == [("outbox", "CancelledError")]
    assert await desk.round() == NOW + RETRY_AFTER


async def test_wait_after_a_failure_is_that_of_the_call(desk: Desk) -> None:
    """Where Telegram names none."""
    desk.errors = {"failing": ChatUnavailable("refused")}
    desk.offer("failing", retry_after=timedelta(seconds=10))
    await desk.round()

    assert await desk.round() == at(10)


async def test_failed_query_pauses_its_lane_alone(desk: Desk) -> None:
    """What is asked about one request delays neither the chat nor other requests."""
    desk.errors = {"failing": ChatFlooded(40)}
    desk.offer("failing", QUERY, lane=press_lane(7))
    await desk.round()
    desk.offer("other", QUERY, lane=press_lane(8))
    desk.offer("message")
    moment = await desk.round()
    meanwhile = sorted(desk.made)
    desk.clock.advance(timedelta(seconds=40))
    await desk.round()

    assert meanwhile == ["message", "other"]
    assert moment == at(40)
    assert desk.made[-1] == "failing"


async def test_call_is_not_made_before_its_moment(desk: Desk) -> None:
    """And the dispatcher wakes for it."""
    desk.offer("leave", QUERY, lane=press_lane(7), not_before=at(2))
    moment = await desk.round()
    early = list(desk.made)
    desk.clock.advance(timedelta(seconds=2))
    await desk.round()

    assert (moment, early, desk.made) == (at(2), [], ["leave"])


@pytest.mark.parametrize("error", [MemoryError("no room"), ValueError("a defect")])
async def test_unexpected_error_costs_one_row(desk: Desk, error: Exception) -> None:
    """It is logged and counted once; the row rests, its neighbour in the same chat is served."""
    desk.errors["bad"] = error
    desk.offer("bad")
    desk.offer("good")
    with capture_logs() as lines:
        for _ in range(3):
            await desk.round()
    before = list(desk.made)
    desk.clock.advance(timedelta(seconds=3))
    await desk.round()

    assert (before, desk.made) == (["good"], ["good", "bad"])
    assert desk.metrics.unexpected == [("answer", type(error).__name__)]
    assert [(line["event"], line["exc_info"]) for line in lines] == [("unexpected error", error)]


async def test_strangers_have_a_small_budget_of_their_own(desk: Desk) -> None:
    """What they are told comes last, and a crowd of them uses up no other budget."""
    for number in range(100):
        chat_id = 10_000 + number
        desk.offer(
            f"stranger {number}",
            chat_id=chat_id,
            lane=send_lane(chat_id),
            priority=Priority.STRANGER,
        )
    desk.offer("member")
    moment = await desk.round()

    assert desk.made[0] == "member"
    assert len(desk.made) == 1 + STRANGERS.burst
    assert moment is not None
    assert moment - NOW == pytest.approx(STRANGERS.interval, abs=timedelta(milliseconds=1))
