"""Limits of owners and groups on the files and bytes in 24 hours, checked before a file is
accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.core.bounded import BoundedMap
from bot.core.jobs import Origin
from bot.core.ports.ledger import Accepted, ChatLedger
from bot.core.ports.views import Notice

WINDOW: Final = timedelta(hours=24)
"""Files accepted earlier do not count any more: a rolling day, not a calendar day."""


class Limit(StrEnum):
    """The limit that was reached. The values are part of the names of sentences."""

    LARGEST = "largest"
    FILES = "files"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """The reason why a file is not accepted now. `most` and `used` are files or bytes, as `limit`
    says; `size` is that of the file. `frees_in` is the time until it would be accepted, if nothing
    else is sent meanwhile; `None` if it never would.
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
        """Whether earlier files count at all."""
        return self.files > 0 or self.bytes > 0

    def check(self, size: int, before: Sequence[Accepted], now: datetime) -> LimitRefusal | None:
        """Return the reason why a file of `size` bytes is not accepted now, or `None` if it is.

        `before` are the accepted files, in any order. Of several limits the one with the longest
        wait is returned.
        """
        if 0 < self.largest < size:
            return LimitRefusal(Limit.LARGEST, self.largest, 0, size)
        counted = sorted((a for a in before if now - a.at < WINDOW), key=lambda a: a.at)
        refusals = [
            refusal
            for refusal in (
                self._check_files(size, counted, now),
                self._check_bytes(size, counted, now),
            )
            if refusal is not None
        ]
        return max(refusals, key=_wait, default=None)

    def _check_files(
        self, size: int, counted: Sequence[Accepted], now: datetime
    ) -> LimitRefusal | None:
        used = len(counted)
        if not self.files or used < self.files:
            return None
        # So many files must leave the window until one more fits.
        last = counted[used - self.files]
        return LimitRefusal(Limit.FILES, self.files, used, size, last.at + WINDOW - now)

    def _check_bytes(
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


TOLD_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """The limits of each person, and those of each group for all its members together."""

    owner: TransferLimits = field(default_factory=TransferLimits)
    group: TransferLimits = field(default_factory=TransferLimits)


class LimitCheck:
    """Checks whether a file may be accepted. Belongs to one event loop.

    A user who sends a hundred files over a limit gets one refusal a minute; its text covers the
    other files too.
    """

    def __init__(self, chats: ChatLedger, limits: OwnerLimits) -> None:
        self._chats = chats
        self._limits = limits
        # An owner with a dropped entry gets the refusal once more.
        self._told: BoundedMap[tuple[int, int, str], tuple[int, datetime]] = BoundedMap()

    async def refusal(self, origin: Origin, size: int, now: datetime) -> Notice | None:
        """Return the refusal of `size` bytes now, or `None` if they are accepted."""
        refusal = await self._of_owner(origin, size, now)
        if refusal is not None:
            return _notice("limit", refusal)
        refusal = None if origin.is_private else await self._of_group(origin, size, now)
        return _notice("limit-group", refusal) if refusal else None

    async def _of_owner(self, origin: Origin, size: int, now: datetime) -> LimitRefusal | None:
        allowance, before = self._limits.owner, list[Accepted]()
        if allowance.is_rolling:
            before = await self._chats.accepted_by(origin.owner_id, now - WINDOW)
        return allowance.check(size, before, now)

    async def _of_group(self, origin: Origin, size: int, now: datetime) -> LimitRefusal | None:
        allowance, before = self._limits.group, list[Accepted]()
        if allowance.is_rolling:
            previous_ids = await self._chats.previous_ids(origin.chat_id)
            before = await self._chats.accepted_in(previous_ids, now - WINDOW)
        return allowance.check(size, before, now)

    def should_tell(self, origin: Origin, notice: Notice, now: datetime) -> bool:
        """Return whether this message is answered with its refusal; a redelivered one as
        before.
        """
        key = (origin.chat_id, origin.owner_id, notice.name)
        message_id, at = self._told.get(key) or (origin.message_id, now)
        if message_id != origin.message_id and now - at < TOLD_EVERY:
            return False
        self._told.set(key, (origin.message_id, now))
        return True


def _notice(kind: str, refusal: LimitRefusal) -> Notice:
    name = f"{kind}-{refusal.limit}"
    match refusal.limit:
        case Limit.FILES:
            args: dict[str, str | int] = {"done": refusal.used, "count": refusal.most}
        case Limit.LARGEST:
            args = {"size": refusal.size, "limit": refusal.most}
        case Limit.BYTES if refusal.frees_in is None:
            name, args = f"{name}-never", {"size": refusal.size, "limit": refusal.most}
        case Limit.BYTES:
            args = {"size": refusal.size, "used": refusal.used, "limit": refusal.most}
    if refusal.frees_in is not None:
        # Rounded up, so that a new attempt after that time succeeds.
        args["wait"] = -(-refusal.frees_in // timedelta(seconds=1))
    return Notice(name, args)
