"""Progress of a job, kept as state that readers poll; there are no progress events."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    """The current phase of a running job, as a status message names it."""

    ROOM = "room"
    """Waits until the spool has room for the file."""
    FETCHING = "fetching"
    """Waits for Telegram to serve the file; nothing has arrived yet."""
    MOVING = "moving"
    """Bytes arrive, leave, or both."""
    FINISHING = "finishing"
    """All bytes have been sent to OSS, which completes the object."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Bytes downloaded and uploaded at one moment; `total` is `None` if the size is unknown."""

    downloaded: int
    uploaded: int
    total: int | None
    phase: Phase

    @property
    def fraction(self) -> float | None:
        """The share of download and upload together that is done, 0 to 1; `None` without a
        total.
        """
        if not self.total:
            return None
        return min(1.0, (self.downloaded + self.uploaded) / (2 * self.total))


class ProgressMeter:
    """Byte positions of a transfer, written by threads and the loop, read from anywhere.

    Thread-safe without a lock: each entry has one writer at a time, and a position is stored
    atomically. A part that is sent again resets its own entry, so the total can shrink but stays
    exact.
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
        """Return the bytes downloaded and uploaded now."""
        uploaded = sum(list(self._parts.values()))
        return Snapshot(self.downloaded, uploaded, self.total, self.phase)


class Speed:
    """Throughput of the slower of download and upload: bytes per second over the last ten
    seconds.
    """

    WINDOW = timedelta(seconds=10)

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, int, int]] = deque()

    def add(self, now: datetime, snapshot: Snapshot) -> None:
        """Add a sample; `now` must not go back."""
        self._samples.append((now, snapshot.downloaded, snapshot.uploaded))
        while len(self._samples) > 2 and now - self._samples[0][0] > self.WINDOW:
            self._samples.popleft()

    def rate(self) -> float | None:
        """Return bytes per second of the direction that is behind, `None` before two samples
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
        """Estimate the time until the last byte is uploaded, `None` if it cannot be estimated."""
        rate = self.rate()
        if not rate or snapshot.total is None:
            return None
        return timedelta(seconds=max(0, snapshot.total - snapshot.uploaded) / rate)
