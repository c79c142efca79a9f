"""Jobs: their states, parts, outcome and progress."""

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final

from bot.core.files import FileKind, IncomingFile, LinkMode, clean_name, is_open


class JobState(StrEnum):
    """The state of a job. Every state but the first two is final."""

    QUEUED = "queued"
    """Waits for its turn, or for the time of its next attempt."""
    RUNNING = "running"
    """One runner owns it; the attempt number is its fence."""
    DONE = "done"
    """The object is complete and verified, the link exists."""
    FAILED = "failed"
    """Given up with an error code."""
    CANCELLED = "cancelled"
    """Stopped by its user, or because its chat is gone."""

    @property
    def is_final(self) -> bool:
        """Whether the job can no longer change its state."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


class StopReason(Enum):
    """The reason why a running job is stopped."""

    USER = "user"
    """Undo everything: upload, object, spool."""
    SHUTDOWN = "shutdown"
    """Keep upload id, parts, spool and state for the next start."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that a job came from. No field ever changes; migration of a group changes only
    the chat that answers go to.

    `chat_id` and `message_id` name the requesting message, `owner_id` the user (or the chat that
    sent as itself) to whom the job belongs, `thread_id` the forum topic or `None`, `language` an
    IETF tag as Telegram gave it, or "", `album` the id that the files of one album share.
    """

    bot_id: int
    chat_id: int
    message_id: int
    owner_id: int
    thread_id: int | None = None
    language: str = ""
    album: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether the job came from the chat of one person (groups and channels have negative
        ids).
        """
        return self.chat_id > 0

    @property
    def group_id(self) -> int | None:
        """The id of the group that the job came from, `None` for a private chat."""
        return None if self.is_private else self.chat_id


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for with a file: how long its link lives at most, counted from the upload,
    and how often it may be downloaded from its page. `None` leaves it to the settings.
    """

    lifetime: timedelta | None = None
    most_downloads: int | None = None


NO_WISHES: Final = Wishes()


UNEXPECTED_ERRORS: Final = "unexpected_errors"
"""Key in `error_args` of a job that waits for its next attempt."""


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot of a job's row in the ledger.

    `attempt` counts acquisitions and is the fence of every later write. `failures` counts attempts
    that ended in an error. `size` (bytes), `sha256` (hex) and `finished_at` are set once the job
    is done; `error_code` once it failed (or as the reason of the wait for the next attempt), with
    the variables of its sentence in `error_args`. `status_message_id` is the status message that
    shows it, if any, `boot_id` the boot of the machine in which it last ran: spool bytes of an
    earlier boot are not trusted.
    """

    id: int
    origin: Origin
    file: IncomingFile
    state: JobState
    attempt: int
    failures: int
    created_at: datetime
    run_at: datetime
    error_code: str | None = None
    error_args: dict[str, int] = field(default_factory=dict)
    size: int | None = None
    sha256: str | None = None
    finished_at: datetime | None = None
    status_message_id: int | None = None
    answer_id: int | None = None
    boot_id: str = ""
    crashes: int = 0
    """How often the process died while it ran and made no progress."""
    wishes: Wishes = NO_WISHES

    @property
    def unexpected_errors(self) -> int:
        """How many attempts of an unfinished job ended with an unexpected error."""
        return self.error_args.get(UNEXPECTED_ERRORS, 0)


SHELL: Final = 0
"""Chat and owner of a job of `relay-bot send`. Telegram gives this id to no chat or user, so such
a job has no answer, and no chat can list or cancel it.
"""


def shell_origin(bot_id: int) -> Origin:
    """Return the origin of a job of `relay-bot send`."""
    return Origin(bot_id=bot_id, chat_id=SHELL, message_id=SHELL, owner_id=SHELL)


def shell_file(name: str, *, mime_type: str | None, size: int | None) -> IncomingFile:
    """Describe a file of this machine; no two of them count as the same file."""
    unique = f"shell-{secrets.token_hex(16)}"
    return IncomingFile(
        file_id=unique,
        file_unique_id=unique,
        kind=FileKind.DOCUMENT,
        name=clean_name(name, fallback="file.bin"),
        mime_type=mime_type,
        announced_size=size,
    )


class ObjectState(StrEnum):
    """The state of an object. A row is written before the first request that could create
    bytes.
    """

    PLANNED = "planned"
    """An upload is intended, in progress or abandoned; the reaper removes what exists of it when
    due.
    """
    LIVE = "live"
    """Complete and verified; its link works until it is due."""
    GONE = "gone"
    """Neither object nor upload exists any more."""


class Ending(StrEnum):
    """The reason why an object was deleted."""

    EXPIRED = "expired"
    DELETED = "deleted"
    """Its owner deleted it."""
    UNDONE = "undone"
    """It never got a link: the job was cancelled, failed, or replaced by another attempt."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an object is stored and who ends its link, as the settings were when it was
    planned. Empty in rows of versions that did not store it: the present settings then apply.
    """

    bucket: str = ""
    region: str = ""
    mode: LinkMode | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of the ledger. `due_at` is when object and upload must be gone, by the clock of OSS;
    for a live one the end of its link. `sweeps` counts how often a planned object has been removed
    already, `attempts` the calls that were to delete it, `error_code` is the last one's.
    `completed_at` is the earliest moment at which OSS may have completed it.
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
    placement: Placement = Placement()
    completed_at: datetime | None = None
    attempts: int = 0
    error_code: str | None = None

    def has_open_link(self, now: datetime) -> bool:
        """Return whether there is a link to show at `now`. Every view uses this rule."""
        is_kept = self.state is ObjectState.LIVE and self.ending is None
        return is_kept and is_open(self.due_at, now)


MIB: Final = 1 << 20
MOST_PARTS: Final = 10_000
"""Source: OSS API reference, "UploadPart": part numbers run from 1 to 10,000."""
SMALLEST_PART: Final = 100 << 10
"""Bytes; every part but the last (source: OSS API reference, "CompleteMultipartUpload")."""
STREAMED_PART: Final = MIB
"""Preferred size while the file still arrives: the first part can leave after 1 MiB."""
LARGEST_PREFERRED_PART: Final = 32 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """A range of the file: `number` from 1, `offset` and `size` in bytes, `offset + size`
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
    """Choose the part size in bytes for a file of `size` bytes (or of at most that size, if it is
    unknown).

    While the file arrives, parts are 1 MiB, so that download and upload overlap; for a complete
    file they are 4 to 32 MiB, because fewer requests are cheaper. The size grows in whole MiB
    where 10,000 parts would not be enough.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError("an empty file has no parts")
    preferred = STREAMED_PART if arrives_while_uploading else _size_from_disk(size)
    least = -(-size // MOST_PARTS)
    return max(preferred, -(-least // MIB) * MIB if least > preferred else preferred)


def _size_from_disk(size: int) -> int:
    # Sixteen parts where possible: eight connections have work from the start, and one that is
    # slower than the others sends fewer of them.
    sixteenth = -(-size // 16 // MIB) * MIB
    return max(4 * MIB, min(LARGEST_PREFERRED_PART, sixteenth))


def plan_parts(size: int, part_size: int) -> Iterator[Part]:
    """Divide `size` bytes into parts of `part_size`, in order, numbered from 1, without gaps; the
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
    """Bytes downloaded and uploaded at one moment; `total` is `None` if the size is unknown. OSS
    has confirmed `stored` of those that were uploaded.
    """

    downloaded: int
    uploaded: int
    total: int | None
    phase: Phase
    stored: int = 0

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
        self._stored: dict[int, int] = {}

    def set_part(self, number: int, position: int) -> None:
        """Record that `position` bytes of part `number` have been handed to the connection."""
        self._parts[number] = position

    def store_part(self, number: int, size: int) -> None:
        """Record that OSS has confirmed part `number` of `size` bytes."""
        self._stored[number] = size

    def restart_parts(self) -> None:
        """Forget all parts: a new upload begins."""
        self._parts, self._stored = {}, {}

    def snapshot(self) -> Snapshot:
        """Return the bytes downloaded and uploaded now."""
        uploaded = sum(list(self._parts.values()))
        stored = sum(list(self._stored.values()))
        return Snapshot(self.downloaded, uploaded, self.total, self.phase, stored)


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
