"""One difference between what the bucket is and what it shall be."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.adapters.oss.administration import BucketAdministration


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, in words, and how to make it.

    `ours` says that it touches only our prefix and our own statements; whatever touches others
    too is asked for first. `make` blocks and may raise `StoreError`; it may be repeated.
    """

    what: str
    before: str
    after: str
    ours: bool
    make: Callable[[BucketAdministration], None] = field(repr=False, compare=False)
