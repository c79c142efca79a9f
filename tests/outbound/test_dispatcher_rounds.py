"""News of a burst are looked at together."""

import asyncio

import pytest

from bot.core.ports.ledger import Work
from bot.outbound import dispatcher
from bot.outbound.dispatcher import Offers, RoundState
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW
from tests.outbound.outbound_fixture import NoOutbox


class Counter:
    """A sender that counts its ticks and has nothing to send."""

    work = ~Work(0)

    def __init__(self) -> None:
        self.looks = 0

    async def offer(self, state: RoundState) -> Offers:  # noqa: ARG002 -- the port has it.
        """Count."""
        self.looks += 1
        return Offers()


async def test_burst_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many signals between two rounds lead to one round, and none of them is lost."""
    pauses: asyncio.Queue[None] = asyncio.Queue()

    async def pause(_: float) -> None:
        await pauses.get()

    monkeypatch.setattr(dispatcher, "sleep", pause)
    signals, speaker = asyncio.Event(), Counter()
    speaking = dispatcher.ChatDispatcher(
        [speaker], NoOutbox(), signals, SandboxClock(NOW, running=False)
    )
    task = asyncio.create_task(speaking.run())
    for _ in range(50):
        signals.set()
        await asyncio.sleep(0)
    during = speaker.looks
    pauses.put_nowait(None)
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert (during, speaker.looks) == (1, 2)
