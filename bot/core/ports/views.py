"""Views: the content of messages as data. An adapter composes the texts; no sentence for users
stands here.
"""

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.files import Link
from bot.core.jobs import JobState, Phase


@dataclass(frozen=True, slots=True)
class Notice:
    """A fixed sentence: `name` is a message of the locale files, `args` its variables."""

    name: str
    args: dict[str, str | int] = field(default_factory=dict)


class ItemState(StrEnum):
    """The state of one job in an answer."""

    LIVE = "live"
    EXPIRED = "expired"
    DELETED = "deleted"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One job in an answer. `link`, `size` (bytes) and `sha256` (hex) are set for live ones,
    `code` for failed ones.

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
    """The end of one or several jobs. `zone` names the time zone of the chat, "" for that of the
    settings. With `is_one_of_several` the file belongs to an album of which nothing else was seen.
    """

    items: tuple[AnswerItem, ...]
    now: datetime
    zone: str = ""
    is_one_of_several: bool = False


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One job in a status message. `position` counts from 1; `retry_in` is the wait before the
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
    """A status message: the jobs it shows, and the number of jobs beyond its lines. Those of an
    album belong `together`: one button cancels all unfinished ones.
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
    """The lists that a user can open. The values are part of the data of sent buttons: never
    rename.
    """

    STATUS = "status"
    """Running and waiting jobs, and live links."""
    LINKS = "links"
    """Live links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Files and bytes accepted in the last 24 hours, and the limits (0: no limit)."""

    files: int
    bytes: int
    most_files: int = 0
    most_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """One page of the running and waiting jobs and the live links of `subject`: a person, or a
    group. Pages count from 1.

    `in_group` means that it is shown in a group; with `discreet` live files are named without
    links.
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
    """The answer to `/start` and `/help`: the limit (bytes) and the lifetime of links."""

    limit: int
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Failures with one code in the last 24 hours: their number, and the time since the last
    one.
    """

    code: str
    count: int
    ago: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The answer to `/stats`: jobs that ended in the last 24 hours, the present state, sizes in
    bytes. `failures` are the latest of the `failed` by code, `versions` names and versions of the
    programs, `ever_…` sum up all jobs that were ever done. `updates_set_aside` counts messages
    that could not be handled, `others_set_aside` answers, deletions and the like that were given
    up.
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
    updates_set_aside: int = 0
    others_set_aside: int = 0
    versions: tuple[tuple[str, str], ...] = ()
    ever_done: int = 0
    ever_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LanguageMenu:
    """The answer to `/language` of one person: the languages to choose from."""

    owner_id: int


View = Notice | Answer | StatusMessage | Overview | Welcome | Statistics | LanguageMenu
