"""Views: the content of messages as data. An adapter composes the texts; no sentence for users
stands here.
"""

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from bot.core.files import Link
from bot.core.jobs import JobState, Phase
from bot.core.ports.pages import PageOptions


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


class PageOption(StrEnum):
    """What a button below an answer does with its page. The values are part of the data of sent
    buttons: never rename.
    """

    MENU = "options"
    """Show a `PageMenu`."""
    EXPIRES = "expires"
    """End the link so many minutes after the upload."""
    DOWNLOADS = "downloads"
    """Allow so many downloads of each file, 0 for any number."""
    PASSWORD = "password"  # noqa: S105 -- the name of an option.
    """Make a password (1), or remove it (0)."""
    QR = "qr"
    """Send the address as a picture."""
    PAUSE = "pause"
    """Close the page without deleting anything (1), or open it again (0)."""
    ADDRESS = "address"
    """Give the page a new address, if it still has the one of this `Page.generation`."""
    TELL = "tell"
    """Tell of downloads: the index in `Tell`."""
    ARM = "arm"
    """Allow the downloads once more, if there have been so many so far."""
    NAME = "name"
    """Show the name of the sender (1), or hide it (0)."""
    AGAIN = "again"
    """Relay the files of an answer again whose links have ended."""
    REMOVE = "remove"
    """End the links of all files of the page, and delete them: below a report to the admins."""


class PageMenu(IntEnum):
    """The buttons below an answer. The values are part of the data of sent buttons."""

    CLOSED = 0
    MAIN = 1
    EXPIRES = 2
    DOWNLOADS = 3
    TELL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPage:
    """The page of an answer. `job_id` is any of its jobs, which names it in the data of buttons;
    `url` is a secret.

    `lifetimes` are the minutes from the upload that can be chosen now, `lifetime` those that hold,
    `longest` the most. With `is_few` only some options are offered. `can_rearm` says whether one
    of its allowed downloads is used, `is_used_up` whether all are.
    """

    job_id: int
    url: str = field(repr=False)
    options: PageOptions = field(default_factory=PageOptions)
    downloads: int = 0
    last_download_at: datetime | None = None
    generation: int = 0
    menu: PageMenu = PageMenu.CLOSED
    lifetimes: tuple[int, ...] = ()
    lifetime: int = 0
    longest: int = 0
    is_few: bool = False
    can_rearm: bool = False
    is_used_up: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one or several jobs. `zone` names the time zone of the chat, "" for that of the
    settings. With `is_one_of_several` the file belongs to an album of which nothing else was seen.
    `page` is that of the items whose link is its address.
    """

    items: tuple[AnswerItem, ...]
    now: datetime
    zone: str = ""
    is_one_of_several: bool = False
    page: AnswerPage | None = None


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One job in a status message. `position` counts from 1; `retry_in` is the wait before the
    next attempt. A waiting job is `held` if no job can start, for the reason `code`.
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
    held: bool = False
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
    """A link that still works, as `/status` lists it. The URL of `link` is empty while the page
    that it leads to waits for its answer.
    """

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
    """The answer to `/start` and `/help`: the limit (bytes) and the lifetime of links, and whether
    these `have_pages`.
    """

    limit: int
    lifetime: timedelta
    have_pages: bool = False


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


@dataclass(frozen=True, slots=True)
class PagePassword:
    """The password of a page, shown once; `name` is that of its first file."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageQr:
    """The address of a page as a picture (PNG); `name` is that of its first file."""

    name: str
    picture: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageReport:
    """What admins are told where a visitor has reported a page: no text of another person. The
    `url` is a secret; `page_id` is the number that `relay-bot links` shows.
    """

    page_id: int
    job_id: int
    owner_id: int
    files: int
    url: str = field(repr=False)


View = (
    Notice
    | Answer
    | StatusMessage
    | Overview
    | Welcome
    | Statistics
    | LanguageMenu
    | PagePassword
    | PageQr
    | PageReport
)
