"""How slow a connection may be before it counts as broken."""

from dataclasses import dataclass
from datetime import timedelta

from bot.core.errors import SourceUnavailable


@dataclass(frozen=True, slots=True)
class MinimumThroughput:
    """At least `minimum_rate` bytes per second, measured over `patience`; silence for so long is
    too slow at any rate.
    """

    minimum_rate: int = 8 << 10
    patience: timedelta = timedelta(seconds=20)


class ThroughputCheck:
    """Watches one connection. Only the time spent waiting for it counts, not that of our disk."""

    def __init__(self, pace: MinimumThroughput) -> None:
        self._pace = pace
        self._waited = 0.0
        self._received = 0

    def add(self, count: int, seconds: float) -> None:
        """Record that `count` bytes came after a wait of `seconds`.

        Raises:
            SourceUnavailable: the connection trickles.
        """
        self._waited += seconds
        self._received += count
        if self._waited < self._pace.patience.total_seconds():
            return
        rate = self._received / self._waited
        if rate < self._pace.minimum_rate:
            raise SourceUnavailable(f"{rate:.0f} bytes/s, at least {self._pace.minimum_rate}")
        self._waited, self._received = 0.0, 0
