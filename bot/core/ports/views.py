"""What is said in a chat, as data; an adapter words it. No sentence for users lives here."""

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.jobs import JobState
from bot.core.links import Link
from bot.core.progress import Phase


@dataclass(frozen=True, slots=True)
class Notice:
    """A fixed sentence: `name` is a message of the locale files, `args` its variables."""

    name: str
    args: dict[str, str | int] = field(default_factory=dict)


class ItemState(StrEnum):
    """What an answer says of one job."""

    LIVE = "live"
    EXPIRED = "expired"
    DELETED = "deleted"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One job in an answer. `link`, `size` (bytes), `sha256` (hex) belong to live ones; `code` to
    failed ones.

    `args` are further variables of the sentence for `code` (sizes in bytes).
    """

    job_id: int
    name: str
    state: ItemState
    _: KW_ONLY
    link: Link | None = None
    size: int | None = None
    sha256: str | None = None
    code: str | None = None
    args: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one or several jobs. `zone` names the zone in which the chat is told moments, ""
    for that of the settings.
    """

    items: tuple[AnswerItem, ...]
    now: datetime
    zone: str = ""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One job on a status message. `position` counts from 1; `retry_in` is the wait before the
    next attempt.
    """

    job_id: int
    name: str
    state: JobState
    _: KW_ONLY
    phase: Phase | None = None
    position: int | None = None
    fraction: float | None = None
    moved: int = 0
    total: int | None = None
    rate: float | None = None
    time_left: timedelta | None = None
    elapsed: timedelta | None = None
    retry_in: timedelta | None = None
    code: str | None = None
    cancelling: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A status message: the jobs it shows, and how many more there are than lines. Those of an
    album belong `together`: one button cancels all that are left.
    """

    lines: tuple[StatusLine, ...]
    _: KW_ONLY
    more: int = 0
    together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLink:
    """A link that still works, as `/status` lists it."""

    job_id: int
    name: str
    size: int
    link: Link


class Listing(StrEnum):
    """What can be listed. The values are part of buttons that are out there: never rename."""

    STATUS = "status"
    """What runs or waits, and what is alive."""
    LINKS = "links"
    """What is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was accepted in the last 24 hours, and how much of it is allowed (0: no limit)."""

    files: int
    bytes: int
    most_files: int = 0
    most_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """One page of what runs or waits and of what is alive, of `subject`: a person, or a group.
    Pages count from 1.

    `in_group` says that a group reads it; with `discreet` live files are named, not linked to.
    """

    running: tuple[StatusLine, ...]
    live: tuple[LiveLink, ...]
    now: datetime
    _: KW_ONLY
    subject: int = 0
    listing: Listing = Listing.STATUS
    page: int = 1
    pages: int = 1
    use: Usage | None = None
    in_group: bool = False
    discreet: bool = False


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to `/start` and `/help`: the limit (bytes) and lifetime that hold here."""

    limit: int
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How many jobs failed with a code in the last 24 hours, and how long ago the last one did."""

    code: str
    count: int
    ago: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The answer to `/stats`: jobs that ended in the last 24 hours, what there is now, sizes in
    bytes. `failures` are the latest of the `failed` by code, `versions` names and versions of the
    programs.
    """

    done: int
    bytes: int
    failed: int
    cancelled: int
    failures: tuple[FailureCount, ...]
    running: int
    waiting: int
    links: int
    spool_used: int
    spool_quota: int
    disk_free: int
    uptime: timedelta
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageMenu:
    """The answer to `/language` of one person: which languages there are to choose from."""

    owner_id: int


View = Notice | Answer | StatusMessage | Overview | Welcome | Statistics | LanguageMenu
