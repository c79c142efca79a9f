"""An object in the bucket as the ledger knows it, and how a file is cut into the parts of a
multipart upload.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

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


MIB: Final = 1 << 20
MOST_PARTS: Final = 10_000
"""Source: OSS API reference, "UploadPart": part numbers run from 1 to 10,000."""
SMALLEST_PART: Final = 100 << 10
"""Bytes; every part but the last (source: OSS API reference, "CompleteMultipartUpload")."""
STREAMED_PART: Final = MIB
"""Preferred size while the file still arrives: the first part can leave after 1 MiB."""
LARGEST_PREFERRED_PART: Final = 8 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the file: `number` from 1, `offset` and `size` in bytes, `offset + size`
    exclusive.
    """

    number: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.size


def choose_part_size(size: int, *, arrives_while_uploading: bool) -> int:
    """Choose the part size in bytes for a file of `size` bytes (or of at most that size, when it
    is not known).

    While a file arrives, 1 MiB, so that both halves overlap; 4 to 8 MiB from a file that is
    already there, because fewer requests are cheaper. Raised in whole MiB where 10,000 parts would
    not be enough.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError("an empty file has no parts")
    preferred = STREAMED_PART if arrives_while_uploading else _size_from_disk(size)
    least = -(-size // MOST_PARTS)
    return max(preferred, -(-least // MIB) * MIB if least > preferred else preferred)


def _size_from_disk(size: int) -> int:
    # At least eight parts where possible, so that eight connections have work from the start.
    eighth = -(-size // 8 // MIB) * MIB
    return max(4 * MIB, min(LARGEST_PREFERRED_PART, eighth))


def plan_parts(size: int, part_size: int) -> Iterator[Part]:
    """Cut `size` bytes into parts of `part_size`, in order, numbered from 1, without gaps; the
    last may be shorter.

    Raises:
        ValueError: `size` or `part_size` is below 1, or more than 10,000 parts would be needed.
    """
    if size < 1 or part_size < 1:
        raise ValueError("size and part_size must be positive")
    if -(-size // part_size) > MOST_PARTS:
        raise ValueError(f"{size} bytes need more than {MOST_PARTS} parts of {part_size}")
    for number, offset in enumerate(range(0, size, part_size), start=1):
        yield Part(number=number, offset=offset, size=min(part_size, size - offset))
