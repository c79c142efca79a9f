"""An object in the bucket, as the ledger knows it: what it is called, where it stands, when it
must be gone.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.links import is_open


class ObjectState(StrEnum):
    """Where an object stands. A row is written before the first request that could
    create bytes.
    """

    PLANNED = "planned"
    """An upload is intended, under way, or was left behind; whatever of it exists goes when it is
    due.
    """
    LIVE = "live"
    """Complete and checked; its link works until it is due."""
    GONE = "gone"
    """Neither object nor upload exists any more."""


class Ending(StrEnum):
    """Why an object went."""

    EXPIRED = "expired"
    DELETED = "deleted"
    """Its owner said so."""
    UNDONE = "undone"
    """It never became a link: cancelled, failed, or replaced by another attempt."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of the ledger. `due_at` is when object and upload must be gone; for a live one the end
    of its link. `sweeps` counts how often a planned object has been removed already.
    """

    id: int
    job_id: int
    key: str
    state: ObjectState
    due_at: datetime
    upload_id: str | None = None
    part_size: int | None = None
    ending: Ending | None = None
    sweeps: int = 0

    def has_open_link(self, now: datetime) -> bool:
        """Decide whether there is a link to show at `now`; every view asks here."""
        is_kept = self.state is ObjectState.LIVE and self.ending is None
        return is_kept and is_open(self.due_at, now)
