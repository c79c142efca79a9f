"""Budgets: how much may be said or done, computed from a `now` that the caller passes in."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` actions per `period`, of which at most `burst` at once."""

    count: int
    period: timedelta
    burst: int

    @property
    def interval(self) -> timedelta:
        """The time after which one more action is earned."""
        return self.period / self.count


class TokenBucket:
    """Earns one token per `rate.interval`, holds at most `rate.burst`; starts full. Not
    thread-safe.
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._tokens = float(rate.burst)
        self._at: datetime | None = None

    def available(self, now: datetime) -> float:
        """Return how many tokens are there at `now` (a clock that goes back earns nothing)."""
        if self._at is not None and now > self._at:
            self._tokens = min(
                self.rate.burst, self._tokens + (now - self._at) / self.rate.interval
            )
        self._at = now if self._at is None else max(now, self._at)
        return self._tokens

    def take(self, now: datetime, *, reserve: float = 0.0) -> bool:
        """Take one token, unless fewer than `reserve` would be left; say whether it was taken."""
        if self.available(now) < 1.0 + reserve:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: datetime, *, reserve: float = 0.0) -> datetime:
        """Return the moment at which `take` will succeed (`now` when it would at once)."""
        missing = 1.0 + reserve - self.available(now)
        # A microsecond more, because the division may round down and the caller would ask again at
        # once.
        return (
            now if missing <= 0 else now + missing * self.rate.interval + timedelta(microseconds=1)
        )

    def drain(self) -> None:
        """Empty the bucket: Telegram said that the budget is gone."""
        self._tokens = 0.0
