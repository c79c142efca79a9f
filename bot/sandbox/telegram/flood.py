"""Flood control: how much a bot may send, and what happens beyond that.

Sources: core.telegram.org/bots/faq ("My bot is hitting limits"); tdlib/td issues 2592 and 3034
(edits share the budget); td `NetQueryDelayer.cpp` (waits up to 60 s are silent delays).
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram.errors import too_many_requests

LONGEST_DELAY: Final = 60.0
"""Seconds that the server waits out itself before it answers 429."""


class FloodMode(StrEnum):
    """What happens to a call over the limit. It is counted in every mode."""

    OFF = "off"
    """It passes."""
    REFUSE = "refuse"
    """It gets a 429 with `retry_after`."""
    DELAY = "delay"
    """It is held back until there is room; over a minute it gets a 429."""


@dataclass
class _Window:
    """At most `count` within `seconds`, counted strictly: in every stretch of that length."""

    count: int
    seconds: float
    taken: deque[datetime] = field(default_factory=deque)

    def wait(self, now: datetime) -> float:
        while self.taken and (now - self.taken[0]).total_seconds() >= self.seconds:
            self.taken.popleft()
        if len(self.taken) < self.count:
            return 0.0
        return self.seconds - (now - self.taken[-self.count]).total_seconds()

    def take(self, now: datetime) -> None:
        self.taken.append(now)


@dataclass
class _Bucket:
    """`rate` per second on average, `burst` at once."""

    rate: float
    burst: int
    full_at: datetime | None = None

    def _after(self, now: datetime) -> datetime:
        return max(self.full_at or now, now) + timedelta(seconds=1 / self.rate)

    def wait(self, now: datetime) -> float:
        return max((self._after(now) - now).total_seconds() - self.burst / self.rate, 0.0)

    def take(self, now: datetime) -> None:
        self.full_at = self._after(now)


@dataclass
class Flood:
    """The settings, and the budgets of all chats. `hits` counts calls over a limit.

    Time is that of the clock. A private chat takes `private_rate` messages per second with a
    burst of `private_burst`; a group takes `group_per_minute` messages and edits together; every
    chat takes `edits_per_minute` edits; all together take `overall_per_second` calls.
    """

    clock: SandboxClock
    mode: FloodMode = FloodMode.OFF
    private_rate: float = 1.0
    private_burst: int = 5
    group_per_minute: int = 20
    edits_per_minute: int = 20
    overall_per_second: int = 30
    hits: int = 0
    _budgets: dict[tuple[str, int], _Window | _Bucket] = field(default_factory=dict)

    async def admit(self, chat_id: int, *, edit: bool) -> None:
        """Admit a message or an edit to a chat, or delay or refuse it.

        Raises:
            ApiError: 429, see `FloodMode`. A refused call uses up no budget.
        """
        budgets = self._of(chat_id, edit=edit)
        wait = self._wait(budgets)
        if wait > 0:
            self.hits += 1
        if self.mode == FloodMode.REFUSE and wait > 0:
            raise too_many_requests(math.ceil(wait))
        if self.mode == FloodMode.DELAY:
            await self._delay(budgets)
        if self._wait(budgets) <= 0:
            for budget in budgets:
                budget.take(self.clock.now())

    async def _delay(self, budgets: list[_Window | _Bucket]) -> None:
        started = self.clock.now()
        while (wait := self._wait(budgets)) > 0:
            now = self.clock.now()
            if (now - started).total_seconds() + wait > LONGEST_DELAY:
                raise too_many_requests(math.ceil(wait))
            await self.clock.sleep_until(now + timedelta(seconds=wait))

    def _wait(self, budgets: list[_Window | _Bucket]) -> float:
        now = self.clock.now()
        return max(budget.wait(now) for budget in budgets)

    def _of(self, chat_id: int, *, edit: bool) -> list[_Window | _Bucket]:
        budgets = [self._get("overall", 0)]
        if chat_id < 0:
            budgets.append(self._get("group", chat_id))
        elif not edit:
            budgets.append(self._get("private", chat_id))
        if edit:
            budgets.append(self._get("edits", chat_id))
        return budgets

    def _get(self, kind: str, chat_id: int) -> _Window | _Bucket:
        key = (kind, chat_id)
        if key not in self._budgets:
            self._budgets[key] = self._new(kind)
        return self._budgets[key]

    def _new(self, kind: str) -> _Window | _Bucket:
        if kind == "private":
            return _Bucket(self.private_rate, self.private_burst)
        if kind == "overall":
            return _Window(self.overall_per_second, 1.0)
        count = self.group_per_minute if kind == "group" else self.edits_per_minute
        return _Window(count, 60.0)

    def reset(self) -> None:
        """Reset all counts; changed settings apply from now on."""
        self.hits = 0
        self._budgets.clear()
