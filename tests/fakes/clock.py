"""A clock that tells who sleeps."""

import asyncio
from datetime import datetime, timedelta

from bot.sandbox.clock import SandboxClock


class WatchedClock(SandboxClock):
    """Stands still, and remembers every sleep."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start, running=False)
        self._waits: list[tuple[datetime, datetime]] = []
        self._changed = asyncio.Condition()

    async def sleep_until(self, when: datetime) -> None:
        """Remember, then sleep."""
        self._waits.append((self.now(), when))
        async with self._changed:
            self._changed.notify_all()
        await super().sleep_until(when)

    async def until_waits(self, count: int, *, within: timedelta) -> list[datetime]:
        """Wait until `count` sleeps in all have begun that are not longer than `within`; return
        the times at which they end.
        """

        def short() -> list[datetime]:
            return [when for since, when in self._waits if when - since <= within]

        async with self._changed:
            await self._changed.wait_for(lambda: len(short()) >= count)
        return short()
