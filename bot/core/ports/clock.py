"""Time, as it is handed to everything that keeps a promise about time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Drives deadlines, budgets, status messages and signatures. Socket time-outs stay with the
    system's clock.
    """

    def now(self) -> datetime:
        """Return the aware UTC time. May be called from any thread."""

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; at once if that holds already. Only from an event loop."""
