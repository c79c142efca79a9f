"""The dispatcher: decides which of the calls offered by senders are made now, by the calls in
flight, the rate limits and the pauses of each chat.
"""

import asyncio
import time
from asyncio import sleep as pause
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, Protocol

from bot.clock import wait_for_event
from bot.core.errors import ChatError, ChatFlooded
from bot.core.limits import ChatRateLimit, RateLimits, TokenBucket
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Metrics
from bot.core.ports.outbox import Outbox, OutboxKind, OutboxMessage, PendingWork, Priority, Work
from bot.supervision import Unit, UnitEdge


class InFlightCalls:
    """Owns the tasks of calls to the chat service, so that a slow chat delays no other.

    A lane is taken until its call has returned, which Telegram may delay by a minute (silent flood
    waits), and then until the next round: a sender may have read the ledger in this round before
    the call ended, and would offer the same call again. `freed` is called when another round is
    needed.
    """

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._ended: set[Hashable] = set()

    def begin_round(self) -> None:
        """Free the lanes whose calls have returned. Call it before the ledger is read."""
        self._ended.clear()

    def is_free(self, key: Hashable) -> bool:
        """Return whether this lane has had no call in flight in this round."""
        return key not in self._tasks and key not in self._ended

    def start(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        """Start a call on a free lane. It handles its errors itself."""
        self._tasks[key] = asyncio.create_task(self._run(key, call))

    async def _run(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        finally:
            del self._tasks[key]
            self._ended.add(key)
            self._freed()

    @property
    def is_idle(self) -> bool:
        """Return whether no lane has had a call in flight in this round."""
        return not (self._tasks or self._ended)

    async def wait_for_one(self, timeout: float) -> None:
        """Wait until one of the calls in flight has returned, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(
                self._tasks.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )

    async def drain(self, timeout: float) -> None:
        """Wait until the calls in flight have returned, at most `timeout` seconds; cancel the
        others. Begins a round.
        """
        if tasks := list(self._tasks.values()):
            _, pending = await asyncio.wait(tasks, timeout=timeout)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._ended.clear()


Lane = tuple[str, int]
"""Key under which at most one call is in flight."""


def send_lane(chat_id: int) -> Lane:
    """Return the lane of new messages and of answers in a chat."""
    return "send", chat_id


def edit_lane(chat_id: int) -> Lane:
    """Return the lane of edits in a chat."""
    return "edit", chat_id


def press_lane(row_id: int) -> Lane:
    """Return the lane of one button press, by its row in the outbox."""
    return "press", row_id


class CallKind(Enum):
    """The kind of a call, which decides its cost in the rate limits."""

    SEND = auto()
    EDIT = auto()
    REACT = auto()
    """Counted as an edit: Telegram does not document whether reactions count."""
    DELETE = auto()
    """Costs nothing, but waits while the chat is paused."""
    QUERY = auto()
    """Shows nothing in the chat (the answer to a callback query, a query about members): it costs
    nothing, and pauses of the chat do not apply. After a failure only its lane waits.
    """


RETRY_AFTER: Final = timedelta(seconds=3)
LONGEST_REST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Rest:
    """Until when a unit is left alone after unexpected errors, and how often it has failed."""

    until: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a sender offers. `run` makes it; what must be stored about its outcome is stored
    there.

    If `run` raises a `ChatError`, the chat is paused for as long as Telegram asked, or for
    `retry_after`, and the sender may offer the call again. Any other error is that of one unit of
    work, `unit` with the id `row`: it is logged and counted, and offers for it rest for a while
    that grows. The sender sets the unit aside when it has been tried too often.
    `reserve` is the number of tokens that must be left for more important calls; `waits_for` are
    further lanes that must be free. When the call is not possible now, `on_skip` is called with
    the reason ("busy", "budget"), and a round begins when it is, unless `wakes` is false.
    """

    kind: CallKind
    chat_id: int
    lane: Lane
    priority: Priority
    unit: Unit
    row: int
    run: Callable[[], Coroutine[Any, Any, None]]
    reserve: float = 0.0
    waits_for: tuple[Lane, ...] = ()
    not_before: datetime | None = None
    retry_after: timedelta = RETRY_AFTER
    on_skip: Callable[[str], None] | None = None
    wakes: bool = True


@dataclass(frozen=True, slots=True)
class Offers:
    """The calls that a sender could make now, in its order. `again_at` is a time at which it must
    be asked again.
    """

    calls: Sequence[Call] = ()
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoundState:
    """The state at the beginning of a round: the time, the rows of `outbox`, read once for all
    senders, the calls in flight and the rate limits.
    """

    now: datetime
    outbox: Sequence[OutboxMessage]
    calls: InFlightCalls
    rate_limits: RateLimits

    def is_free(self, lane: Lane) -> bool:
        """Return whether no call is in flight on a lane."""
        return self.calls.is_free(lane)

    def is_paused(self, chat_id: int) -> bool:
        """Return whether no call may be made in a chat now: Telegram asked for a pause."""
        return self.rate_limits.of(chat_id).ready_at(None, self.now) > self.now

    def messages_left(self, chat_id: int) -> float:
        """Return how many messages the rate limit of a chat allows now."""
        return self.rate_limits.of(chat_id).messages.available(self.now)


class Sender(Protocol):
    """Offers calls; makes none itself. It is asked while there is work of its kinds, and once
    afterwards.
    """

    work: Work

    async def offer(self, state: RoundState) -> Offers:
        """Return the calls that could be made now, regardless of the rate limits."""


GATHER: Final = 0.05
"""Seconds between two rounds on average. Each reads much of the ledger, which delays intake."""
ROUNDS_AT_ONCE: Final = 8
"""Rounds after a rest without a pause: a single file needs four."""
MOST_READ: Final = 200
"""Rows of the outbox that are read per chat in a round."""


class _Pace:
    """Limits the rounds to one in `GATHER` on average, a few more after a rest: what happens to a
    single file waits for nothing, and the changes of a burst share a round. In real time, because
    it limits the load.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def wait(self, now: float) -> float:
        """Count a round; return the seconds until the next one may begin."""
        self._due = max(self._due, now - ROUNDS_AT_ONCE * GATHER) + GATHER
        return max(0.0, self._due - now)


class ChatDispatcher:
    """The loop that makes all calls of senders, by priority, and those of equal priority in the
    order of `senders`.

    `current` returns the present id of a chat, so that a migrated one has one limit.
    """

    def __init__(
        self,
        senders: Sequence[Sender],
        outbox: Outbox,
        changed: asyncio.Event,
        clock: Clock,
        *,
        current: Callable[[int], int] = lambda chat_id: chat_id,
        metrics: Metrics | None = None,
    ) -> None:
        self._senders = senders
        self._outbox = outbox
        self._changed = changed
        self._clock = clock
        self._edge = UnitEdge(metrics)
        self.calls = InFlightCalls(changed.set)
        self.rate_limits = RateLimits(current)
        self._pace = _Pace()
        self._paused_lanes: dict[Lane, datetime] = {}
        self._last_work = ~Work(0)
        self._rests: dict[tuple[Unit, int], Rest] = {}

    async def run(self) -> None:
        """Begin a round after every change and at the next due time; until cancelled."""
        while True:
            # Cleared before senders read, or changes meanwhile would be lost.
            self._changed.clear()
            until = await self.round()
            await pause(self._pace.wait(time.monotonic()))
            await wait_for_event(self._changed, self._clock, until)

    async def round(self) -> datetime | None:
        """Ask every sender and start the calls that are possible now; return when the next may be.

        `None` means: not before the next change.
        """
        self.calls.begin_round()
        pending = await self._outbox.pending_work(MOST_READ)
        state = RoundState(self._clock.now(), pending.messages, self.calls, self.rate_limits)
        # Once more after the last work, so that a sender can forget what it remembers of it.
        found = _kinds(pending)
        work, self._last_work = found | self._last_work, found
        asked = [sender for sender in self._senders if sender.work & work]
        # At the same moment, so that their reads share a visit to the ledger.
        offers = await asyncio.gather(*(self._ask(sender, state) for sender in asked))
        self._forget_rests(state.now)
        calls = [call for offer in offers for call in offer.calls]
        calls.sort(key=lambda call: call.priority)
        moments = [offer.again_at for offer in offers]
        moments += [self._start_or_skip(call) for call in calls]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _ask(self, sender: Sender, state: RoundState) -> Offers:
        """Ask a sender. One that raises offers nothing for a while; the others are asked."""
        key = (Unit.OFFER, self._senders.index(sender))
        rest = self._rests.get(key)
        if rest is not None and rest.until > state.now:
            return Offers(again_at=rest.until)
        try:
            return await sender.offer(state)
        except Exception as error:  # noqa: BLE001 -- the edge of a sender.
            self._edge.failed(Unit.OFFER, type(sender).__name__, error)
            return Offers(again_at=self._rest(key, RETRY_AFTER))

    def _rest(self, key: tuple[Unit, int], wait: timedelta) -> datetime:
        times = self._rests[key].times if key in self._rests else 0
        longer: timedelta = wait * 2**times
        until = self._clock.now() + min(LONGEST_REST, longer)
        self._rests[key] = Rest(until, min(times + 1, 10))
        return until

    def _forget_rests(self, now: datetime) -> None:
        kept = {key: rest for key, rest in self._rests.items() if now - rest.until < LONGEST_REST}
        self._rests = kept

    def _start_or_skip(self, call: Call) -> datetime | None:
        """Start a call if it is possible now, or return when it may be possible."""
        if not all(self.calls.is_free(lane) for lane in (call.lane, *call.waits_for)):
            _skip(call, "busy")
            # The end of the call in flight begins a round.
            return None
        now = self._clock.now()
        ready_at = self._ready_at(call, now)
        if ready_at > now:
            _skip(call, "budget")
            return ready_at if call.wakes else None
        if (limit := self._limit(call)) and (bucket := _bucket(call, limit)):
            limit.take(bucket, now, reserve=call.reserve)
        if call.priority is Priority.STRANGER:
            self.rate_limits.strangers.take(now)
        self.calls.start(call.lane, self._make(call))
        return None

    def _ready_at(self, call: Call, now: datetime) -> datetime:
        not_before = max(call.not_before or now, self._paused_lanes.get(call.lane, now))
        if (rest := self._rests.get((call.unit, call.row))) is not None:
            not_before = max(not_before, rest.until)
        if call.priority is Priority.STRANGER:
            not_before = max(not_before, self.rate_limits.strangers.ready_at(now))
        if (limit := self._limit(call)) is None:
            return not_before
        return max(not_before, limit.ready_at(_bucket(call, limit), now, reserve=call.reserve))

    def _limit(self, call: Call) -> ChatRateLimit | None:
        return None if call.kind is CallKind.QUERY else self.rate_limits.of(call.chat_id)

    async def _make(self, call: Call) -> None:
        try:
            await call.run()
        except ChatError as error:
            self._pause(call, error)
        except Exception as error:  # noqa: BLE001 -- the edge of a unit.
            self._edge.failed(call.unit, call.row, error)
            self._rest((call.unit, call.row), call.retry_after)

    def _pause(self, call: Call, error: ChatError) -> None:
        now = self._clock.now()
        wait = (
            timedelta(seconds=error.delay) if isinstance(error, ChatFlooded) else call.retry_after
        )
        until = now + wait
        if (limit := self._limit(call)) is not None:
            limit.pause(until)
            return
        self._paused_lanes = {lane: end for lane, end in self._paused_lanes.items() if end > now}
        self._paused_lanes[call.lane] = until

    async def last_words(self, timeout: float) -> None:
        """Make the calls that are possible now, for `timeout` seconds at most, and cancel longer
        ones.

        Call it after `run` has ended: an answer that is due should not wait for the next start.
        """
        ends_at = time.monotonic() + timeout
        await self.round()
        # Until a round starts no call: a call that ends frees its lane for the next one.
        while not self.calls.is_idle and (left := ends_at - time.monotonic()) > 0:
            await self.calls.wait_for_one(left)
            await self.round()
        await self.calls.drain(0)


def _kinds(pending: PendingWork) -> Work:
    """Return the kinds of work of which there is some."""
    requests = sum(message.kind is OutboxKind.REQUEST for message in pending.messages)
    found = {
        Work.MESSAGES: len(pending.messages) > requests,
        Work.REQUESTS: requests > 0,
        Work.ANSWERS: pending.has_answers,
        Work.STATUS_MESSAGES: pending.has_status_messages,
    }
    return Work(sum(kind.value for kind, is_there in found.items() if is_there))


def _bucket(call: Call, limit: ChatRateLimit) -> TokenBucket | None:
    match call.kind:
        case CallKind.SEND:
            return limit.messages
        case CallKind.EDIT | CallKind.REACT:
            return limit.edits
        case _:
            return None


def _skip(call: Call, reason: str) -> None:
    if call.on_skip is not None:
        call.on_skip(reason)
