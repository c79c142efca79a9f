"""Deletes many objects so that one that cannot be deleted holds up no other."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.core.errors import RelayError, StoreError, StoreForbidden, StoreRefused
from bot.core.ports.store import ObjectStore

FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(seconds=30)
"""After a transient error: the bytes must go within a minute once OSS answers again."""
LONGEST_WAIT_AFTER_REFUSAL: Final = timedelta(minutes=5)
"""Of a single key; what concerns the bucket or the access key may be put right at any moment."""

ENOUGH_REFUSALS: Final = 16
"""Where so many single keys are refused and none is deleted, the others need not be asked for."""


def delete_each(store: ObjectStore, keys: Sequence[str]) -> dict[str, StoreError]:
    """Delete objects; return those that are left, each with the reason. Blocks.

    A request that is refused is cut in halves until the keys that are refused stand alone.

    Raises:
        StoreError: no key was tried, as when OSS cannot be reached.
    """
    return _Deletion(store).delete(keys)


def wait_after(attempts: int, error: RelayError) -> timedelta:
    """Return the wait after attempt number `attempts` (from 1) to delete an object: doubling."""
    is_refusal = isinstance(error, StoreForbidden | StoreRefused)
    longest = LONGEST_WAIT_AFTER_REFUSAL if is_refusal else LONGEST_WAIT
    doubled: timedelta = FIRST_WAIT * 2 ** min(attempts - 1, 20)
    return min(doubled, longest)


class _Deletion:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._refused = 0
        self._deleted = False

    def delete(self, keys: Sequence[str]) -> dict[str, StoreError]:
        try:
            left = dict(self._store.delete(keys))
        except (StoreForbidden, StoreRefused) as error:
            return self._apart(keys, error)
        self._deleted |= len(left) < len(keys)
        return left

    def _apart(self, keys: Sequence[str], error: StoreError) -> dict[str, StoreError]:
        is_hopeless = self._refused >= ENOUGH_REFUSALS and not self._deleted
        if len(keys) == 1 or is_hopeless:
            self._refused += 1
            return dict.fromkeys(keys, error)
        half = len(keys) // 2
        return self.delete(keys[:half]) | self.delete(keys[half:])
