"""Deadlines for whole calls, whatever the other side does with single bytes.

A socket's time-out begins anew with every byte, so a server that sends one byte a second holds a
call for ever. One thread waits for the next deadline of all calls; a thread for each of them would
cost more than the call.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final


@dataclass(order=True, slots=True)
class _Entry:
    at: float
    number: int
    act: Callable[[], None] | None = field(compare=False)
    """`None` once the call has ended."""


class DeadlineThread:
    """Calls what is overdue; its daemon thread begins with the first deadline. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._number = 0
        self._runs = False

    @contextmanager
    def after(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Call `act` if the block takes longer than `seconds`; `act` must neither block nor
        raise, and is not under way any more when the block has been left.
        """
        entry = self._add(time.monotonic() + seconds, act)
        try:
            yield
        finally:
            with self._changed:
                entry.act = None

    def _add(self, at: float, act: Callable[[], None]) -> _Entry:
        with self._changed:
            self._number += 1
            entry = _Entry(at, self._number, act)
            heapq.heappush(self._entries, entry)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="oss-deadlines", daemon=True).start()
            elif self._entries[0] is entry:
                self._changed.notify()
            return entry

    def _run(self) -> None:
        with self._changed:
            while True:
                left = self._act_on_overdue()
                self._changed.wait(left)

    def _act_on_overdue(self) -> float | None:
        """Return the seconds until the next deadline, `None` without one."""
        while self._entries:
            first = self._entries[0]
            left = first.at - time.monotonic()
            if first.act is not None:
                if left > 0:
                    return left
                first.act()
            heapq.heappop(self._entries)
        return None


DEADLINES: Final = DeadlineThread()
"""That of the process."""
