"""How much one person, or one group, may have relayed in 24 hours; computed from what they had."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.core.ports.chats import Accepted

WINDOW: Final = timedelta(hours=24)
"""What was accepted earlier does not count any more: a rolling day, not one of the calendar."""


class Limit(StrEnum):
    """What was reached. The values are part of the names of sentences."""

    LARGEST = "largest"
    FILES = "files"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """Why a file is not accepted now. `most` and `used` are files or bytes, as `limit` says;
    `size` is that of the file. `frees_in` is the time until it would be accepted, if nothing else
    is sent meanwhile; `None` if it never would.
    """

    limit: Limit
    most: int
    used: int
    size: int
    frees_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Files and bytes in any 24 hours, and the bytes of one file; 0 is no limit."""

    files: int = 0
    bytes: int = 0
    largest: int = 0

    @property
    def is_rolling(self) -> bool:
        """Whether what was accepted before matters at all."""
        return self.files > 0 or self.bytes > 0

    def judge(self, size: int, before: Sequence[Accepted], now: datetime) -> LimitRefusal | None:
        """Say why a file of `size` bytes may not be accepted now, or `None` if it may.

        `before` is what was accepted, in any order. Of several limits the one that holds the file
        back longest is told.
        """
        if 0 < self.largest < size:
            return LimitRefusal(Limit.LARGEST, self.largest, 0, size)
        counted = sorted((a for a in before if now - a.at < WINDOW), key=lambda a: a.at)
        refusals = [
            refusal
            for refusal in (
                self._judge_files(size, counted, now),
                self._judge_bytes(size, counted, now),
            )
            if refusal is not None
        ]
        return max(refusals, key=_wait, default=None)

    def _judge_files(
        self, size: int, counted: Sequence[Accepted], now: datetime
    ) -> LimitRefusal | None:
        used = len(counted)
        if not self.files or used < self.files:
            return None
        # So many must leave the window until one more fits.
        last = counted[used - self.files]
        return LimitRefusal(Limit.FILES, self.files, used, size, last.at + WINDOW - now)

    def _judge_bytes(
        self, size: int, counted: Sequence[Accepted], now: datetime
    ) -> LimitRefusal | None:
        used = sum(accepted.size for accepted in counted)
        if not self.bytes or used + size <= self.bytes:
            return None
        left = used
        for accepted in counted:
            left -= accepted.size
            if left + size <= self.bytes:
                return LimitRefusal(
                    Limit.BYTES, self.bytes, used, size, accepted.at + WINDOW - now
                )
        return LimitRefusal(Limit.BYTES, self.bytes, used, size)


def _wait(refusal: LimitRefusal) -> timedelta:
    return timedelta.max if refusal.frees_in is None else refusal.frees_in
