"""Progress is state that someone looks at, never an event that someone sends."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    """What a running job is doing, as a status message names it."""

    ROOM = "room"
    """Waits until there is room for the file on this machine."""
    FETCHING = "fetching"
    """Waits for Telegram to hand over the file; nothing has arrived yet."""
    MOVING = "moving"
    """Bytes arrive, or leave, or both."""
    FINISHING = "finishing"
    """All bytes are with OSS; it puts them together."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both halves at one moment, in bytes; `total` is `None` while nobody knows it."""

    downloaded: int
    uploaded: int
    total: int | None
    phase: Phase

    @property
    def fraction(self) -> float | None:
        """How much of both halves together is done, 0 to 1, or `None` without a total."""
        if not self.total:
            return None
        return min(1.0, (self.downloaded + self.uploaded) / (2 * self.total))


class ProgressMeter:
    """Absolute positions, written by threads and the loop, read by whoever wants to know.

    Thread-safe without a lock: each entry has one writer at a time, and a position is stored in
    one step. A part that is sent again sets its own entry back, so the total can shrink but never
    drift.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.downloaded = 0
        self.phase = Phase.FETCHING
        self._parts: dict[int, int] = {}

    def set_part(self, number: int, position: int) -> None:
        """Record that `position` bytes of part `number` have been handed to the connection."""
        self._parts[number] = position

    def restart_parts(self) -> None:
        """Forget all parts: a new upload begins."""
        self._parts = {}

    def snapshot(self) -> Snapshot:
        """Return both halves as they are now."""
        uploaded = sum(list(self._parts.values()))
        return Snapshot(self.downloaded, uploaded, self.total, self.phase)


class Speed:
    """Bytes per second over the last ten seconds of samples, of the slower half."""

    WINDOW = timedelta(seconds=10)

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, int, int]] = deque()

    def add(self, now: datetime, snapshot: Snapshot) -> None:
        """Take a sample; `now` must not go back."""
        self._samples.append((now, snapshot.downloaded, snapshot.uploaded))
        while len(self._samples) > 2 and now - self._samples[0][0] > self.WINDOW:
            self._samples.popleft()

    def rate(self) -> float | None:
        """Bytes per second of the half that still has to catch up, `None` before two samples
        exist.
        """
        if len(self._samples) < 2:
            return None
        (then, down0, up0), (now, down1, up1) = self._samples[0], self._samples[-1]
        seconds = (now - then).total_seconds()
        if seconds <= 0:
            return None
        return max(0.0, (up1 - up0 if up1 > up0 else down1 - down0) / seconds)

    def time_left(self, snapshot: Snapshot) -> timedelta | None:
        """Estimate the time until the last byte has left, `None` while it cannot be told."""
        rate = self.rate()
        if not rate or snapshot.total is None:
            return None
        return timedelta(seconds=max(0, snapshot.total - snapshot.uploaded) / rate)
