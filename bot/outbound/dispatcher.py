"""The dispatcher: asks the senders in order of priority what can be sent now and owns the calls in
flight.
"""

import asyncio
import time
from asyncio import sleep as pause
from collections.abc import Callable, Coroutine, Hashable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.clock import wait_for_event
from bot.core.errors import ChatError, ChatFlooded
from bot.core.ports.clock import Clock
from bot.outbound.rate_limits import RESERVED_FOR_REPLIES, RateLimits


class InFlightCalls:
    """Owns the tasks of calls to the chat service, so that a slow chat delays nobody else.

    A lane that is taken stays taken until its call has returned, which Telegram may delay by a
    minute (silent flood waits), and then until the next round: whoever looked at the ledger in
    this one may still see it as it was before the call ended, and would say the same thing again.
    `freed` is called when there is reason for another round.
    """

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._ended: set[Hashable] = set()
        self._defect: BaseException | None = None

    def begin_round(self) -> None:
        """Free the lanes whose calls have returned; to be called before anybody looks at
        the ledger.

        Raises what a call let out: expected errors are handled there, so this is a defect or a
        broken ledger.
        """
        self._ended.clear()
        if self._defect is not None:
            raise self._defect

    def is_free(self, key: Hashable) -> bool:
        """Whether nothing is, or was in this round, under way on this lane."""
        return key not in self._tasks and key not in self._ended

    def start(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        """Begin a call on a free lane."""
        self._tasks[key] = asyncio.create_task(self._run(key, call))

    async def _run(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 -- it is raised again where somebody listens.
            self._defect = error
        finally:
            del self._tasks[key]
            self._ended.add(key)
            self._freed()

    @property
    def is_idle(self) -> bool:
        """Whether no call is, or was in this round, under way."""
        return not (self._tasks or self._ended)

    async def wait_for_one(self, timeout: float) -> None:
        """Wait until one of the calls under way has returned, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(
                self._tasks.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )

    async def drain(self, timeout: float) -> None:
        """Wait until the calls under way have returned, at most `timeout` seconds; cancel the
        rest. Begins a round.
        """
        if tasks := list(self._tasks.values()):
            _, pending = await asyncio.wait(tasks, timeout=timeout)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._ended.clear()


RETRY_AFTER = timedelta(seconds=3)


class ChatGate:
    """Lanes and budgets together, as replies and answers use them."""

    def __init__(self, rate_limits: RateLimits, calls: InFlightCalls, clock: Clock) -> None:
        self._rate_limits = rate_limits
        self._calls = calls
        self._clock = clock

    def ready(
        self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False
    ) -> datetime | None:
        """Return when a call may be made, or `None` while one is under way.

        An edit waits for the one that is under way too: a late one would bring a status message
        back that has become an answer.
        """
        if not self._calls.is_free(("send", chat_id)):
            return None
        if is_edit and not self._calls.is_free(("edit", chat_id)):
            return None
        budget = self._rate_limits.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        return budget.ready_at(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def take(self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False) -> None:
        """Take what the call costs out of the budget."""
        budget = self._rate_limits.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        budget.take(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def pause(self, chat_id: int, error: ChatError) -> None:
        """Say nothing in the chat for as long as this error asks for."""
        self._rate_limits.of(chat_id).pause(self._clock.now() + wait_after(error))


def wait_after(error: ChatError, *, otherwise: timedelta = RETRY_AFTER) -> timedelta:
    """Return how long an error asks to say nothing, or `otherwise` where it does not say."""
    return timedelta(seconds=error.delay) if isinstance(error, ChatFlooded) else otherwise


def _reserve(*, is_reply: bool) -> float:
    return 0.0 if is_reply else RESERVED_FOR_REPLIES


GATHER = 0.05
"""Seconds between two looks; each reads a good part of the ledger, for which those wait who write
down what people send.
"""


class Sender(Protocol):
    """Courier, narrator and reviser."""

    async def tick(self) -> datetime | None:
        """Start what is possible now; return when to be asked again, `None` for: after the next
        news.
        """


class ChatDispatcher:
    """The loop behind everything that is said."""

    def __init__(
        self,
        speakers: Sequence[Sender],
        calls: InFlightCalls,
        changed: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._speakers = speakers
        self._calls = calls
        self._changed = changed
        self._clock = clock

    async def run(self) -> None:
        """Ask every speaker, then wait for news or for the next moment; until cancelled."""
        while True:
            # Cleared before they look, or what happens in between would be lost.
            self._changed.clear()
            until = await self._round()
            # Real time, because it is for the machine: news of a burst are looked at together.
            await pause(GATHER)
            await wait_for_event(self._changed, self._clock, until)

    async def _round(self) -> datetime | None:
        self._calls.begin_round()
        moments = [await speaker.tick() for speaker in self._speakers]
        return min((moment for moment in moments if moment is not None), default=None)

    async def last_words(self, timeout: float) -> None:
        """Say what can be said now, for `timeout` seconds at most, and cut off what takes longer.

        For the end, when `run` has ended: whose file is done should not wait for the next start.
        """
        ends_at = time.monotonic() + timeout
        await self._round()
        # Until a round had nothing to say: what it says frees the lane for something else.
        while not self._calls.is_idle and (left := ends_at - time.monotonic()) > 0:
            await self._calls.wait_for_one(left)
            await self._round()
        await self._calls.drain(0)
