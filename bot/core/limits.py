"""Limits: maps of bounded size, rate limits of calls to Telegram, and transfer limits of owners.

A chat has a budget of calls, and all chats together have one. Source of the figures: Telegram's
bots FAQ (one message a second in a chat with short bursts, 20 a minute in a group, about 30 a
second in all) and the maintainers of TDLib (edits: about 20 a minute in one chat, in groups
together with messages). A bucket with a burst of b and n more a minute allows b + n in its first
minute, so n + b stays at 20; for all together it is 28 in a second, because calls may arrive
closer together than they were sent.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, TypeVar

from bot.core.jobs import Origin
from bot.core.ports.ledger import Accepted, ChatLedger
from bot.core.ports.views import Notice

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CAPACITY: Final = 10_000
"""Entries of one map: enough for every chat that is active, a few MB at most."""


class BoundedMap(Generic[K, V]):
    """A map that keeps the `capacity` entries set last (`CAPACITY`, if not given).

    The bound limits the memory that many unknown users can take. Store only entries that may be
    lost.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._entries: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or `None`."""
        return self._entries.get(key)

    def set(self, key: K, value: V) -> None:
        """Set a value, and drop the entry that was set longest ago if there are too many."""
        self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > (self._capacity or CAPACITY):
            del self._entries[next(iter(self._entries))]

    def forget(self, key: K) -> None:
        """Forget a value; one that is not there is no error."""
        self._entries.pop(key, None)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` actions per `period`, of which at most `burst` at once."""

    count: int
    period: timedelta
    burst: int

    @property
    def interval(self) -> timedelta:
        """The time until one more action is allowed."""
        return self.period / self.count


class TokenBucket:
    """A token bucket: gains one token per `rate.interval`, holds at most `rate.burst`, starts
    full. Not thread-safe.
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._tokens = float(rate.burst)
        self._at: datetime | None = None

    def available(self, now: datetime) -> float:
        """Return the number of tokens at `now` (a clock that goes back adds none)."""
        if self._at is not None and now > self._at:
            self._tokens = min(
                self.rate.burst, self._tokens + (now - self._at) / self.rate.interval
            )
        self._at = now if self._at is None else max(now, self._at)
        return self._tokens

    def take(self, now: datetime, *, reserve: float = 0.0) -> bool:
        """Take one token, unless fewer than `reserve` would be left; return whether it was
        taken.
        """
        if self.available(now) < 1.0 + reserve:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: datetime, *, reserve: float = 0.0) -> datetime:
        """Return when `take` will succeed (`now` if it would at once)."""
        missing = 1.0 + reserve - self.available(now)
        # A microsecond more, because the division may round down and the caller would ask again at
        # once.
        return (
            now if missing <= 0 else now + missing * self.rate.interval + timedelta(microseconds=1)
        )


MINUTE: Final = timedelta(minutes=1)
PRIVATE_MESSAGES: Final = Rate(count=60, period=MINUTE, burst=3)
PRIVATE_EDITS: Final = Rate(count=16, period=MINUTE, burst=4)
GROUP_ACTIONS: Final = Rate(count=14, period=MINUTE, burst=6)
ALL_ACTIONS: Final = Rate(count=20, period=timedelta(seconds=1), burst=8)
STRANGERS: Final = Rate(count=30, period=MINUTE, burst=6)
"""What all strangers together are told, so that a crowd of them delays nothing else."""

RESERVED_FOR_REPLIES: Final = 1.0
RESERVED_FOR_ANSWERS: Final = 2.0


class ChatRateLimit:
    """The budget of one chat. Groups have one bucket for everything, private chats one for
    messages, one for edits. `overall` is the bucket of all chats.
    """

    def __init__(self, chat_id: int, overall: TokenBucket | None = None) -> None:
        self._overall = overall or TokenBucket(ALL_ACTIONS)
        is_group = chat_id < 0
        self.messages = TokenBucket(GROUP_ACTIONS if is_group else PRIVATE_MESSAGES)
        self.edits = self.messages if is_group else TokenBucket(PRIVATE_EDITS)
        self._paused_until: datetime | None = None

    def pause(self, until: datetime) -> None:
        """Allow no call before `until`: Telegram asked for it, or cannot be reached."""
        self._paused_until = max(until, self._paused_until or until)

    def ready_at(
        self, bucket: TokenBucket | None, now: datetime, *, reserve: float = 0.0
    ) -> datetime:
        """Return when one action of this bucket is possible and leaves `reserve`. Without a bucket
        only pauses count.
        """
        paused_until = max(now, self._paused_until or now)
        if bucket is None:
            return paused_until
        return max(
            bucket.ready_at(now, reserve=reserve),
            self._overall.ready_at(now, reserve=reserve),
            paused_until,
        )

    def take(self, bucket: TokenBucket, now: datetime, *, reserve: float = 0.0) -> bool:
        """Take one action out of the bucket, if it is possible now."""
        if self.ready_at(bucket, now, reserve=reserve) > now:
            return False
        return self._overall.take(now, reserve=reserve) and bucket.take(now, reserve=reserve)


class RateLimits:
    """The budgets of all chats. Those of inactive chats are full and may be dropped.

    `current` returns the present id of a chat, so that a migrated one has one budget.
    """

    def __init__(self, current: Callable[[int], int] = lambda chat_id: chat_id) -> None:
        self._current = current
        self._overall = TokenBucket(ALL_ACTIONS)
        self.strangers = TokenBucket(STRANGERS)
        """The budget of what strangers are told, on top of that of their chats."""
        self._chats: BoundedMap[int, ChatRateLimit] = BoundedMap()

    def of(self, chat_id: int) -> ChatRateLimit:
        """Return the budget of a chat."""
        chat_id = self._current(chat_id)
        budget = self._chats.get(chat_id) or ChatRateLimit(chat_id, self._overall)
        self._chats.set(chat_id, budget)
        return budget


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
