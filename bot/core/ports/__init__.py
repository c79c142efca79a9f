"""Contracts between the layers: guarantees of each side, and the errors raised. The clock, which
nearly every layer takes, is here.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The clock of deadlines, rate limits, status messages and signatures. Socket time-outs use
    the system's clock.
    """

    def now(self) -> datetime:
        """Return the current time in UTC, aware. May be called from any thread."""

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; at once if that holds already. Call it from an event loop
        only.
        """
