"""Messages that are sent at the end, when the loop of the dispatcher has ended."""

import asyncio

from bot.core.ports.ledger import PendingWork, Priority, Work
from bot.outbound.dispatcher import (
    Call,
    CallKind,
    ChatDispatcher,
    Offers,
    RoundState,
    send_lane,
)
from bot.sandbox.clock import SandboxClock
from bot.supervision import Unit
from tests.fakes.samples import NOW
from tests.outbound.outbound_fixture import NoOutbox


class Sentences:
    """A sender that has one sentence after the other for one chat; `None` hangs for ever."""

    work = ~Work(0)

    def __init__(self, *sentences: str | None, chat_id: int = 1) -> None:
        self.said: list[str] = []
        self._left = list(sentences)
        self._chat_id = chat_id

    async def offer(self, state: RoundState) -> Offers:  # noqa: ARG002 -- the port has it.
        """Offer the next sentence."""
        if not self._left:
            return Offers()
        call = Call(
            kind=CallKind.SEND,
            chat_id=self._chat_id,
            lane=send_lane(self._chat_id),
            priority=Priority.ANSWER,
            unit=Unit.ANSWER,
            row=self._chat_id,
            run=self._say_next,
        )
        return Offers([call])

    async def _say_next(self) -> None:
        await self._say(self._left.pop(0))

    async def _say(self, sentence: str | None) -> None:
        if sentence is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.said.append(str(sentence))


def _voice(*speakers: Sentences) -> ChatDispatcher:
    clock = SandboxClock(NOW, running=False)
    return ChatDispatcher(speakers, NoOutbox(), asyncio.Event(), clock)


async def test_everything_that_is_due_is_said() -> None:
    """Sentences of one chat follow each other until there is no further one."""
    speaker = Sentences("answer", "card removed")
    dispatcher = _voice(speaker)
    await dispatcher.last_words(timeout=10)

    assert speaker.said == ["answer", "card removed"]
    assert dispatcher.calls.is_idle


async def test_calls_that_end_within_a_round() -> None:
    """A call may be over before the round is; the next one of its chat is sent all the same."""

    class Slow(Sentences):
        async def offer(self, state: RoundState) -> Offers:
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().offer(state)

    speaker = Sentences("first", "second")
    await _voice(speaker, Slow()).last_words(timeout=10)

    assert speaker.said == ["first", "second"]


async def test_nothing_to_say() -> None:
    """Without anything to say the end does not wait."""
    dispatcher = _voice()
    async with asyncio.timeout(5):
        await dispatcher.last_words(timeout=60)

    assert dispatcher.calls.is_idle


async def test_call_that_hangs_is_cut_off() -> None:
    """A chat that hangs neither delays the end beyond the time-out nor silences the others."""
    hanging = Sentences(None, chat_id=1)
    speaker = Sentences("paused", "and more", chat_id=2)
    dispatcher = _voice(hanging, speaker)
    await dispatcher.last_words(timeout=1)

    assert speaker.said == ["paused", "and more"]
    assert dispatcher.calls.is_idle


async def test_ledger_that_is_away_is_not_waited_for() -> None:
    """A server that is away when the bot stops does not keep it from its end."""

    class Away(NoOutbox):
        async def pending_work(self, limit: int) -> PendingWork:
            del limit
            return await asyncio.Future()

    clock = SandboxClock(NOW, running=False)
    dispatcher = ChatDispatcher([Sentences("unsaid")], Away(), asyncio.Event(), clock)
    async with asyncio.timeout(5):
        await dispatcher.last_words(timeout=0.05)

    assert dispatcher.calls.is_idle


async def test_defect_of_a_call_does_not_delay_the_end() -> None:
    """A call that raises something unexpected costs its own message, not those of others."""

    class Broken(Sentences):
        async def _say(self, sentence: str | None) -> None:
            raise ZeroDivisionError(sentence)

    other = Sentences("paused", chat_id=2)
    async with asyncio.timeout(5):
        await _voice(Broken("x"), other).last_words(timeout=60)

    assert other.said == ["paused"]
