"""A clock for tests and stand-ins: follows the system clock, or moves only when advanced."""

import asyncio
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """The clock shared by the bot and both stand-ins (fulfils the `Clock` port).

    `running` lets it follow the system's clock from `start` on; otherwise only `advance` moves it.
    Thread-safe; sleepers may live in different event loops.
    """

    def __init__(self, start: datetime | None = None, *, running: bool = True) -> None:
        self._base = start or datetime.now(UTC)
        self._running = running
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def is_running(self) -> bool:
        """Return whether it follows the system's clock."""
        return self._running

    def now(self) -> datetime:
        """Return the aware UTC time of this clock."""
        with self._lock:
            return self._read()

    def _read(self) -> datetime:
        ran = time.monotonic() - self._since if self._running else 0.0
        return self._base + timedelta(seconds=ran)

    def advance(self, by: timedelta) -> None:
        """Move the clock and wake every sleeper that is due.

        Raises:
            ValueError: `by` is negative; a clock of this sandbox never goes back.
        """
        if by < timedelta(0):
            raise ValueError("the clock cannot go back")
        with self._lock:
            self._base += by
            sleepers = list(self._sleepers)
        for loop, event in sleepers:
            # A loop that has ended meanwhile has no sleepers left.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._sleepers.add(entry)
        try:
            while (left := (when - self.now()).total_seconds()) > 0:
                entry[1].clear()
                # Looked at once more after the clear, or an advance in between would be lost.
                if self.now() >= when:
                    break
                # Not `wait_for`: up to Python 3.11 it swallows a cancellation that comes together
                # with an advance (source: github python/cpython issue 86296).
                with suppress(TimeoutError):
                    async with asyncio.timeout(left if self._running else None):
                        await entry[1].wait()
        finally:
            with self._lock:
                self._sleepers.discard(entry)
