"""The dispatcher: starts the calls to Telegram that the senders offer, as far as the calls in
flight, the rate limits and the pauses of each chat allow.

A `Sender` reads the ledger and offers calls. The dispatcher works in rounds: in each it asks every
sender once. A chat is paused after a flood limit (`ChatFlooded`) and after other chat errors. At
most one call is in flight per `Lane`.
"""

import asyncio
import time
from asyncio import sleep
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, Protocol

from bot.clock import is_asked_to_end, wait_for_event
from bot.core.errors import ChatError, ChatFlooded
from bot.core.limits import ChatRateLimit, RateLimits, TokenBucket
from bot.core.ports import Clock
from bot.core.ports.ledger import Outbox, OutboxKind, OutboxMessage, PendingWork, Priority, Work
from bot.core.ports.metrics import Metrics
from bot.supervision import Unit, UnitEdge


class InFlightCalls:
    """Owns the tasks of calls to Telegram, so that a slow chat delays no other.

    A lane is busy until its call has returned, and then until the next round begins: a sender may
    have read the ledger in this round before the call ended, and would offer the same call again.
    Telegram may delay the return of a call by a minute instead of refusing it (a silent flood
    wait). `freed` is called when a call has returned, because another round is needed then.
    """

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._ended: set[Hashable] = set()

    def begin_round(self) -> None:
        """Free the lanes whose calls have returned. Call it before senders read the ledger."""
        self._ended.clear()

    def is_free(self, lane: Hashable) -> bool:
        """Return whether no call has been in flight on this lane in this round."""
        return lane not in self._tasks and lane not in self._ended

    def start(self, lane: Hashable, call: Coroutine[Any, Any, None]) -> None:
        """Start a call on a free lane. The call must handle its own errors."""
        self._tasks[lane] = asyncio.create_task(self._run(lane, call))

    async def _run(self, lane: Hashable, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        finally:
            del self._tasks[lane]
            self._ended.add(lane)
            self._freed()

    @property
    def is_idle(self) -> bool:
        """Return whether no call has been in flight on any lane in this round."""
        return not (self._tasks or self._ended)

    async def wait_for_one(self, timeout: float) -> None:
        """Wait until one call in flight has returned, for at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(
                self._tasks.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )

    async def drain(self, timeout: float) -> None:
        """Wait for the calls in flight for at most `timeout` seconds, cancel those that have not
        returned, and free all lanes.
        """
        if tasks := list(self._tasks.values()):
            _, pending = await asyncio.wait(tasks, timeout=timeout)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._ended.clear()


Lane = tuple[str, int]
"""Key of calls that are made one at a time: at most one call is in flight per lane."""


def send_lane(chat_id: int) -> Lane:
    """Return the lane of new messages in a chat, including answers."""
    return "send", chat_id


def edit_lane(chat_id: int) -> Lane:
    """Return the lane of edits in a chat."""
    return "edit", chat_id


def press_lane(row_id: int) -> Lane:
    """Return the lane of one button press; `row_id` is its row in the outbox."""
    return "press", row_id


class CallKind(Enum):
    """The kind of a call. It decides which rate limit the call uses and whether pauses apply."""

    SEND = auto()
    EDIT = auto()
    REACT = auto()
    """Uses the limit of edits: Telegram does not document how it limits reactions."""
    DELETE = auto()
    """Uses no rate limit, but waits while the chat is paused."""
    QUERY = auto()
    """Shows nothing in the chat (`answerCallbackQuery`, a query about members). It uses no rate
    limit, and pauses of the chat do not apply. After a chat error only its lane is paused.
    """


RETRY_AFTER: Final = timedelta(seconds=3)
"""First delay after an error, if Telegram does not name one."""
MAX_BACKOFF: Final = timedelta(minutes=5)
"""Longest backoff after unexpected errors."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Backoff of a unit of work after unexpected errors: no call of it is started before `until`.

    `failures` counts the errors and stops at 10, because the delay doubles with each.
    """

    until: datetime
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a sender offers. `run` makes the call and stores its outcome.

    If `run` raises a `ChatError`, the chat (for `CallKind.QUERY` only the lane) is paused for as
    long as Telegram asked, or for `retry_after`; then the sender may offer the call again. Any
    other error belongs to one unit of work, identified by `unit` and `row`: it is logged and
    counted, and the unit backs off for a time that doubles. The sender stops offering a unit that
    has been tried too often.

    `reserve` is the number of tokens that the call must leave in the rate limit for more important
    calls. `waits_for` are further lanes that must be free. If the call cannot start now, `on_skip`
    is called with the reason: "busy" (a lane is not free; the end of the call in flight begins a
    round) or "budget" (a rate limit, a pause, a backoff or `not_before`; a round begins when the
    call becomes possible, unless `wakes` is false).
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


def failing_call(
    unit: Unit, row: int, chat_id: int, fail: Callable[[], Coroutine[Any, Any, None]]
) -> Call:
    """Return the call of a row for which no other can be offered: `fail` counts it and raises the
    error. So the error costs that row alone, like one of its call.
    """
    return Call(
        kind=CallKind.QUERY,
        chat_id=chat_id,
        lane=(f"failing {unit}", row),
        priority=Priority.ANSWER,
        unit=unit,
        row=row,
        run=fail,
    )


@dataclass(frozen=True, slots=True)
class Offers:
    """The calls that a sender offers, in its order of preference. The sender must be asked again
    at `again_at`.
    """

    calls: Sequence[Call] = ()
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoundState:
    """What every sender sees in a round: the time and the outbox rows as of its start, the calls
    in flight, and the rate limits.
    """

    now: datetime
    outbox: Sequence[OutboxMessage]
    calls: InFlightCalls
    rate_limits: RateLimits

    def is_free(self, lane: Lane) -> bool:
        """Return whether no call has been in flight on a lane in this round."""
        return self.calls.is_free(lane)

    def is_paused(self, chat_id: int) -> bool:
        """Return whether no call may be made in a chat now: Telegram asked for a pause."""
        return self.rate_limits.of(chat_id).ready_at(None, self.now) > self.now

    def messages_left(self, chat_id: int) -> float:
        """Return how many messages the rate limit of a chat allows now."""
        return self.rate_limits.of(chat_id).messages.available(self.now)


class Sender(Protocol):
    """Decides which calls the stored state requires, and offers them; it never starts a call. It
    is asked while there is work of its kinds, and once afterwards.
    """

    work: Work

    async def offer(self, state: RoundState) -> Offers:
        """Return the calls to make now. The dispatcher applies the rate limits and the pauses."""


ROUND_INTERVAL: Final = 0.05
"""Seconds between two rounds on average. A round reads much of the ledger, which delays the intake
of updates.
"""
ROUNDS_AT_ONCE: Final = 8
"""Rounds after a rest without a pause: a single file needs four."""
MAX_ROWS_PER_CHAT: Final = 200
"""Most rows of the outbox that a round reads per chat."""


class _Pace:
    """Limits the rounds to one in `ROUND_INTERVAL` on average, a few more after a rest: what
    happens to a single file waits for nothing, and the changes of a burst share a round. In real
    time, because it limits the load.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def wait(self, now: float) -> float:
        """Count a round; return the seconds until the next one may begin."""
        self._due = max(self._due, now - ROUNDS_AT_ONCE * ROUND_INTERVAL) + ROUND_INTERVAL
        return max(0.0, self._due - now)


class ChatDispatcher:
    """The loop that starts the calls of all senders: by priority, and at equal priority in the
    order of `senders`.

    A set `changed` event begins a round; it means that senders may have new calls to offer.
    `current` maps a chat id to the current id of that chat, so that a migrated group has one rate
    limit.
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
        self._backoffs: dict[tuple[Unit, int], Backoff] = {}

    async def run(self) -> None:
        """Run a round after every change and whenever one is due, until cancelled."""
        while True:
            # Cleared before the senders read; otherwise a change during the round would be lost.
            self._changed.clear()
            until = await self.round()
            # Real time, not `clock`: this limits the load, and a burst of changes shares a round.
            await sleep(self._pace.wait(time.monotonic()))
            await wait_for_event(self._changed, self._clock, until)

    async def round(self) -> datetime | None:
        """Ask every sender, start the calls that are possible now, and return when the next round
        is due. `None` means that only a change makes one necessary.
        """
        self.calls.begin_round()
        pending = await self._outbox.pending_work(MAX_ROWS_PER_CHAT)
        state = RoundState(self._clock.now(), pending.messages, self.calls, self.rate_limits)
        # Once more after the last work, so that a sender can forget what it remembers of it.
        found = _kinds(pending)
        work, self._last_work = found | self._last_work, found
        asked = [sender for sender in self._senders if sender.work & work]
        # At the same moment, so that their reads share a visit to the ledger.
        offers = await asyncio.gather(*(self._ask(sender, state) for sender in asked))
        self._forget_backoffs(state.now)
        calls = [call for offer in offers for call in offer.calls]
        calls.sort(key=lambda call: call.priority)
        moments = [offer.again_at for offer in offers]
        moments += [self._start_or_skip(call) for call in calls]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _ask(self, sender: Sender, state: RoundState) -> Offers:
        """Ask a sender. If it raises, it backs off, and the other senders are still asked."""
        key = (Unit.OFFER, self._senders.index(sender))
        backoff = self._backoffs.get(key)
        if backoff is not None and backoff.until > state.now:
            return Offers(again_at=backoff.until)
        try:
            return await sender.offer(state)
        except Exception as error:  # noqa: BLE001 -- one sender must not stop the others.
            self._edge.failed(Unit.OFFER, type(sender).__name__, error)
            return Offers(again_at=self._back_off(key, RETRY_AFTER))

    def _back_off(self, key: tuple[Unit, int], wait: timedelta) -> datetime:
        failures = self._backoffs[key].failures if key in self._backoffs else 0
        delay: timedelta = wait * 2**failures
        until = self._clock.now() + min(MAX_BACKOFF, delay)
        self._backoffs[key] = Backoff(until, min(failures + 1, 10))
        return until

    def _forget_backoffs(self, now: datetime) -> None:
        kept = {
            key: backoff
            for key, backoff in self._backoffs.items()
            if now - backoff.until < MAX_BACKOFF
        }
        self._backoffs = kept

    def _start_or_skip(self, call: Call) -> datetime | None:
        """Start a call if it is possible now. Otherwise return when a round must begin for it."""
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
        if (backoff := self._backoffs.get((call.unit, call.row))) is not None:
            not_before = max(not_before, backoff.until)
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
        except asyncio.CancelledError as error:
            if is_asked_to_end():
                raise
            self._failed(call, error)
        except Exception as error:  # noqa: BLE001 -- one unit of work must not stop the others.
            self._failed(call, error)

    def _failed(self, call: Call, error: BaseException) -> None:
        self._edge.failed(call.unit, call.row, error)
        self._back_off((call.unit, call.row), call.retry_after)

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
        """Send what is due before the process stops, for at most `timeout` seconds; then cancel
        the calls in flight.

        Call it after `run` has ended, so that a due answer does not wait for the next start.
        """
        with suppress(TimeoutError):
            # A ledger that does not work would be waited for as long as that takes.
            async with asyncio.timeout(timeout):
                await self.round()
                # A call that ends frees its lane for the next one: repeat until none is started.
                while not self.calls.is_idle:
                    await self.calls.wait_for_one(timeout)
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
