"""The clock of production, and how to wait for a moment or for news, whichever comes first."""

import asyncio
from datetime import UTC, datetime

from bot.core.ports.clock import Clock


class SystemClock:
    """The system's clock; fulfils the `Clock` port."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; looked at again every minute, because the clock
        may be set.
        """
        # Polling is the point: nobody tells a process that its system's clock was set.
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 60.0))


async def wait_for_event(event: asyncio.Event, clock: Clock, until: datetime | None) -> None:
    """Return when `event` is set or the clock reaches `until` (`None`: only the event). Clears
    nothing.
    """
    if until is None:
        await event.wait()
        return
    waits = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep_until(until))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
