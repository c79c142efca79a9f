"""A dictionary of bounded size, for what a process remembers about users and chats."""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CAPACITY: Final = 10_000
"""Entries of one map: enough for every chat that is active, a few MB at most."""


class BoundedMap(Generic[K, V]):
    """Keeps the entries that were set last, `capacity` of them (`CAPACITY`, if not
    given), so that a crowd of strangers costs
    no memory. What is forgotten must be harmless to forget.
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
        """Set a value, and forget the one that was set longest ago if there are too many."""
        self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > (self._capacity or CAPACITY):
            del self._entries[next(iter(self._entries))]

    def forget(self, key: K) -> None:
        """Forget a value; one that is not there is no error."""
        self._entries.pop(key, None)
