"""One call at a time for each key."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.outbound.dispatcher import InFlightCalls


class Track:
    """Calls in flight that count the wake-ups, and end when the test says so."""

    def __init__(self) -> None:
        self.freed = asyncio.Event()
        self.calls = InFlightCalls(self.freed.set)
        self.gate = asyncio.Event()
        self.ended: list[str] = []

    def start(self, key: str, call: Callable[[], Awaitable[object]] | None = None) -> None:
        """Begin a call that waits at the gate, or another one."""
        self.calls.start(key, self._run(key, call or self.gate.wait))

    async def _run(self, key: str, call: Callable[[], Awaitable[object]]) -> None:
        await call()
        self.ended.append(key)


@pytest.fixture
def track() -> Track:
    """Return a state without calls in flight."""
    return Track()


async def test_lane_is_taken_while_its_call_is_under_way(track: Track) -> None:
    """Calls of other chats can begin."""
    assert track.calls.is_free("a")
    track.start("a")

    assert not track.calls.is_free("a")
    assert track.calls.is_free("b")


async def test_calls_on_different_lanes_run_side_by_side(track: Track) -> None:
    """A slow call holds up no other chat."""
    other = asyncio.Event()
    track.start("slow")
    track.start("quick", other.wait)
    other.set()
    await track.freed.wait()

    assert track.ended == ["quick"]
    assert not track.calls.is_free("slow")


async def test_ended_call_frees_its_lane_in_the_next_round(track: Track) -> None:
    """A sender that read the ledger before the call ended must not act on what it read."""
    track.calls.begin_round()
    track.start("a")
    track.gate.set()
    await track.freed.wait()
    assert not track.calls.is_free("a")
    track.calls.begin_round()

    assert track.calls.is_free("a")


async def test_drain_waits_for_calls_under_way(track: Track) -> None:
    """The calls under way end, and their chats are free for more."""
    track.start("a")
    draining = asyncio.create_task(track.calls.drain(timeout=30))
    await asyncio.sleep(0)
    track.gate.set()
    await draining

    assert track.ended == ["a"]
    assert track.calls.is_free("a")


async def test_drain_cancels_what_takes_too_long(track: Track) -> None:
    """The end of the process does not wait for a slow chat."""
    track.start("a")
    await track.calls.drain(timeout=0)

    assert track.ended == []
    assert track.calls.is_free("a")


async def test_drain_of_free_lanes_returns_at_once(track: Track) -> None:
    """Without calls `drain` returns at once."""
    await track.calls.drain(timeout=30)

    assert track.ended == []
