"""Rate limits of calls to Telegram: one budget for each chat and one for all chats together.

Source of the figures: Telegram's bots FAQ (one message a second in a chat with short bursts, 20 a
minute in a group, about 30 a second in all) and the maintainers of TDLib (edits: about 20 a minute
in one chat, in groups together with messages). A bucket with a burst of b and n more a minute
allows b + n in its first minute, so n + b stays at 20; for all together it is 28 in a second,
because calls may arrive closer together than they were sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.core.bounded import BoundedMap


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` actions per `period`, of which at most `burst` at once."""

    count: int
    period: timedelta
    burst: int

    @property
    def interval(self) -> timedelta:
        """The time until one more action is allowed."""
        return self.period / self.count


class TokenBucket:
    """A token bucket: gains one token per `rate.interval`, holds at most `rate.burst`, starts
    full. Not thread-safe.
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._tokens = float(rate.burst)
        self._at: datetime | None = None

    def available(self, now: datetime) -> float:
        """Return the number of tokens at `now` (a clock that goes back adds none)."""
        if self._at is not None and now > self._at:
            self._tokens = min(
                self.rate.burst, self._tokens + (now - self._at) / self.rate.interval
            )
        self._at = now if self._at is None else max(now, self._at)
        return self._tokens

    def take(self, now: datetime, *, reserve: float = 0.0) -> bool:
        """Take one token, unless fewer than `reserve` would be left; return whether it was
        taken.
        """
        if self.available(now) < 1.0 + reserve:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: datetime, *, reserve: float = 0.0) -> datetime:
        """Return when `take` will succeed (`now` if it would at once)."""
        missing = 1.0 + reserve - self.available(now)
        # A microsecond more, because the division may round down and the caller would ask again at
        # once.
        return (
            now if missing <= 0 else now + missing * self.rate.interval + timedelta(microseconds=1)
        )


MINUTE: Final = timedelta(minutes=1)
PRIVATE_MESSAGES: Final = Rate(count=60, period=MINUTE, burst=3)
PRIVATE_EDITS: Final = Rate(count=16, period=MINUTE, burst=4)
GROUP_ACTIONS: Final = Rate(count=14, period=MINUTE, burst=6)
ALL_ACTIONS: Final = Rate(count=20, period=timedelta(seconds=1), burst=8)
STRANGERS: Final = Rate(count=30, period=MINUTE, burst=6)
"""What all strangers together are told, so that a crowd of them delays nothing else."""

RESERVED_FOR_REPLIES: Final = 1.0
RESERVED_FOR_ANSWERS: Final = 2.0


class ChatRateLimit:
    """The budget of one chat. Groups have one bucket for everything, private chats one for
    messages, one for edits. `overall` is the bucket of all chats.
    """

    def __init__(self, chat_id: int, overall: TokenBucket | None = None) -> None:
        self._overall = overall or TokenBucket(ALL_ACTIONS)
        is_group = chat_id < 0
        self.messages = TokenBucket(GROUP_ACTIONS if is_group else PRIVATE_MESSAGES)
        self.edits = self.messages if is_group else TokenBucket(PRIVATE_EDITS)
        self._paused_until: datetime | None = None

    def pause(self, until: datetime) -> None:
        """Allow no call before `until`: Telegram asked for it, or cannot be reached."""
        self._paused_until = max(until, self._paused_until or until)

    def ready_at(
        self, bucket: TokenBucket | None, now: datetime, *, reserve: float = 0.0
    ) -> datetime:
        """Return when one action of this bucket is possible and leaves `reserve`. Without a bucket
        only pauses count.
        """
        paused_until = max(now, self._paused_until or now)
        if bucket is None:
            return paused_until
        return max(
            bucket.ready_at(now, reserve=reserve),
            self._overall.ready_at(now, reserve=reserve),
            paused_until,
        )

    def take(self, bucket: TokenBucket, now: datetime, *, reserve: float = 0.0) -> bool:
        """Take one action out of the bucket, if it is possible now."""
        if self.ready_at(bucket, now, reserve=reserve) > now:
            return False
        return self._overall.take(now, reserve=reserve) and bucket.take(now, reserve=reserve)


class RateLimits:
    """The budgets of all chats. Those of inactive chats are full and may be dropped.

    `current` returns the present id of a chat, so that a migrated one has one budget.
    """

    def __init__(self, current: Callable[[int], int] = lambda chat_id: chat_id) -> None:
        self._current = current
        self._overall = TokenBucket(ALL_ACTIONS)
        self.strangers = TokenBucket(STRANGERS)
        """The budget of what strangers are told, on top of that of their chats."""
        self._chats: BoundedMap[int, ChatRateLimit] = BoundedMap()

    def of(self, chat_id: int) -> ChatRateLimit:
        """Return the budget of a chat."""
        chat_id = self._current(chat_id)
        budget = self._chats.get(chat_id) or ChatRateLimit(chat_id, self._overall)
        self._chats.set(chat_id, budget)
        return budget
