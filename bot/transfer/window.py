"""How many parts of one file may be on their way at once."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ConcurrencyWindow:
    """Adapts to what the line and OSS can take: halved on trouble, one more after each window full
    of successes, never below 1 nor above `largest`.

    `slot` and what it calls belong to the event loop; `shrink` may be called from any thread and
    touches no loop: it only lowers a number that the next `enter` reads.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = largest
        self._lock = threading.Lock()
        self._in_flight = 0
        self._entered = 0
        self._shrunk_at = 0
        self._successes = 0
        self._freed = asyncio.Event()

    @property
    def size(self) -> int:
        """Parts that may be on their way at this moment."""
        return self._size

    async def enter(self) -> int:
        """Wait for a place and take it; return a ticket. Whoever enters must `leave`."""
        while self._in_flight >= self._size:
            self._freed.clear()
            await self._freed.wait()
        self._in_flight += 1
        self._entered += 1
        return self._entered

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Give the place back at the end of the block, which counts as a success unless it
        raises.
        """
        try:
            yield
            self._grow()
        finally:
            self._in_flight -= 1
            self._freed.set()

    def shrink(self, ticket: int) -> None:
        """Halve the window because the part with `ticket` was throttled or stalled.

        One bad moment hits all parts in flight; only the first of them counts.
        """
        with self._lock:
            if ticket > self._shrunk_at:
                self._size = max(1, self._size // 2)
                self._shrunk_at = self._entered
                self._successes = 0

    def _grow(self) -> None:
        with self._lock:
            self._successes += 1
            if self._successes >= self._size and self._size < self._largest:
                self._size += 1
                self._successes = 0
