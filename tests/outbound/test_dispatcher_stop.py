"""Messages that are sent at the end, when the loop of the dispatcher has ended."""

import asyncio
from datetime import datetime

import pytest

from bot.outbound.dispatcher import ChatDispatcher, InFlightCalls
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW


class Sentences:
    """A sender that has one sentence after the other for one chat; `None` hangs for ever."""

    def __init__(self, calls: InFlightCalls, *sentences: str | None, chat: str = "chat") -> None:
        self.said: list[str] = []
        self._calls = calls
        self._left = list(sentences)
        self._chat = chat

    async def tick(self) -> datetime | None:
        """Start the next sentence if the one before has been said."""
        if self._left and self._calls.is_free(self._chat):
            self._calls.start(self._chat, self._say(self._left.pop(0)))
        return None

    async def _say(self, sentence: str | None) -> None:
        if sentence is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.said.append(str(sentence))


def _voice(calls: InFlightCalls, *speakers: Sentences) -> ChatDispatcher:
    return ChatDispatcher(speakers, calls, asyncio.Event(), SandboxClock(NOW, running=False))


async def test_everything_that_is_due_is_said() -> None:
    """Sentences of one chat follow each other until there is no further one."""
    calls = InFlightCalls(lambda: None)
    speaker = Sentences(calls, "answer", "card removed")
    await _voice(calls, speaker).last_words(timeout=10)

    assert speaker.said == ["answer", "card removed"]
    assert calls.is_idle


async def test_calls_that_end_within_a_round() -> None:
    """A call may be over before the round is; the next one of its chat is sent all the same."""

    class Slow(Sentences):
        async def tick(self) -> datetime | None:
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().tick()

    calls = InFlightCalls(lambda: None)
    speaker = Sentences(calls, "first", "second")
    await _voice(calls, speaker, Slow(calls)).last_words(timeout=10)

    assert speaker.said == ["first", "second"]


async def test_nothing_to_say() -> None:
    """Without anything to say the end does not wait."""
    calls = InFlightCalls(lambda: None)
    async with asyncio.timeout(5):
        await _voice(calls).last_words(timeout=60)

    assert calls.is_idle


async def test_call_that_hangs_is_cut_off() -> None:
    """A chat that hangs neither delays the end beyond the time-out nor silences the others."""
    calls = InFlightCalls(lambda: None)
    hanging = Sentences(calls, None, chat="slow")
    speaker = Sentences(calls, "paused", "and more", chat="quick")
    await _voice(calls, hanging, speaker).last_words(timeout=1)

    assert speaker.said == ["paused", "and more"]
    assert calls.is_idle


async def test_defect_comes_out() -> None:
    """What a call lets out is a defect, and the end of the program says so."""
    calls = InFlightCalls(lambda: None)

    class Broken(Sentences):
        async def _say(self, sentence: str | None) -> None:
            raise ZeroDivisionError(sentence)

    with pytest.raises(ZeroDivisionError):
        await _voice(calls, Broken(calls, "x")).last_words(timeout=10)
