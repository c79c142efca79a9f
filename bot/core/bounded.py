"""A dictionary of bounded size, for the state of users and chats that a process keeps in
memory.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

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
