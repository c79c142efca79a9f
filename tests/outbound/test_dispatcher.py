"""The loop behind everything that is said."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.core.ports.ledger import Work
from bot.outbound.dispatcher import ChatDispatcher, Offers, RoundState
from bot.sandbox.clock import SandboxClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import NOW, at
from tests.outbound.outbound_fixture import NoOutbox, OutboundFixture, answered

SLOW, QUICK = 201, 202


class Stutter:
    """A sender that remembers when it was asked and answers by a script."""

    work = ~Work(0)

    def __init__(self, clock: SandboxClock) -> None:
        self.asked: list[datetime] = []
        self.moments: list[datetime | None] = []
        self.error: Exception | None = None
        self._clock = clock
        self._changed = asyncio.Condition()

    async def offer(self, state: RoundState) -> Offers:  # noqa: ARG002 -- the port has it.
        """Remember."""
        self.asked.append(self._clock.now())
        async with self._changed:
            self._changed.notify_all()
        if self.error is not None:
            raise self.error
        return Offers(again_at=self.moments.pop(0) if self.moments else None)

    async def until_asked(self, times: int) -> None:
        """Wait until it has been ticked so often."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= times)


class Booth:
    """A dispatcher with one sender."""

    def __init__(self) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.signals = asyncio.Event()
        self.speaker = Stutter(self.clock)
        self.dispatcher = ChatDispatcher([self.speaker], NoOutbox(), self.signals, self.clock)


@pytest.fixture
async def booth() -> AsyncIterator[Booth]:
    """Run a dispatcher."""
    made = Booth()
    task = asyncio.create_task(made.dispatcher.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_speakers_are_asked_again_after_news(booth: Booth) -> None:
    """Without a signal a dispatcher with nothing to send does not tick its senders."""
    await booth.speaker.until_asked(1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(booth.speaker.asked) == 1
    booth.signals.set()
    await booth.speaker.until_asked(2)

    assert booth.speaker.asked == [NOW, NOW]


async def test_speakers_are_asked_again_at_the_moment_they_named(booth: Booth) -> None:
    """The next tick comes exactly at that time, by the clock."""
    await booth.speaker.until_asked(1)
    booth.speaker.moments = [at(5)]
    booth.signals.set()
    await booth.speaker.until_asked(2)
    booth.clock.advance(timedelta(seconds=4.999999))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(booth.speaker.asked) == 2
    booth.clock.advance(timedelta(microseconds=1))
    await booth.speaker.until_asked(3)

    assert booth.speaker.asked[-1] == at(5)


async def test_news_while_they_speak_are_not_lost(booth: Booth) -> None:
    """An event after a sender's tick leads to another tick."""
    await booth.speaker.until_asked(1)
    booth.signals.set()
    await booth.speaker.until_asked(2)
    booth.signals.set()
    await booth.speaker.until_asked(3)

    assert len(booth.speaker.asked) == 3


async def test_sender_that_raises_rests_alone() -> None:
    """One line and one count for each of its errors, with waits that grow; the others are asked
    in every round.
    """
    clock, metrics = SandboxClock(NOW, running=False), FakeMetrics()
    broken, other = Stutter(clock), Stutter(clock)
    broken.error = MemoryError("no room")
    loop = ChatDispatcher([broken, other], NoOutbox(), asyncio.Event(), clock, metrics=metrics)
    with capture_logs() as lines:
        moments = [await loop.round(), await loop.round()]
        clock.advance(timedelta(seconds=3))
        moments.append(await loop.round())

    assert moments == [at(3), at(3), at(9)]
    assert (len(broken.asked), len(other.asked)) == (2, 3)
    assert metrics.unexpected == [("offer", "MemoryError")] * 2
    assert [(line["unit"], line["exc_info"]) for line in lines] == [("offer", broken.error)] * 2


async def test_slow_chat_delays_no_other(database: Database) -> None:
    """While a call of one chat hangs, all others are answered, and it stays one call."""
    stage = OutboundFixture(database)
    gate = stage.messenger.hold(SLOW)
    slow = await stage.finish_many(2, SLOW)
    await stage.speak()
    quick = await stage.finish_many(5, QUICK)
    await stage.after(60)
    assert answered(stage.answers) == [job.id for job in quick]
    assert stage.messenger.tried.count(("send", SLOW)) == 1
    gate.set()
    await stage.after(10)

    assert sorted(answered(stage.answers)) == [job.id for job in [*slow, *quick]]
    assert stage.messenger.floods == []
