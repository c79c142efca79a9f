"""Pages behind links: what one shows, what it allows, and their ledger."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import quote

from bot.core.files import FileKind
from bot.core.jobs import StoredObject

TOKEN_LENGTH: Final = 22
"""Characters of a token: 128 random bits in base64url."""

REMEMBERED_FOR: Final = timedelta(hours=24)
"""How long a page says that its time is over; afterwards it is like one that never was."""


DOWNLOAD_LIFETIME: Final = timedelta(seconds=60)
"""How long a URL lives to which a download is redirected; less where the file ends earlier."""


def make_token() -> str:
    """Make the token of a new page: 128 random bits, in no relation to any object key."""
    return secrets.token_urlsafe(16)


class Tell(StrEnum):
    """Downloads of which the sender is told. The values are stored: never rename."""

    OFF = "off"
    FIRST = "first"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What the sender chose for a page. `most_downloads` holds for each file (`None`: no limit),
    `sender` is the name to show, if one is to be shown, and `password_hash` that of argon2.
    """

    most_downloads: int | None = None
    password_hash: str | None = field(default=None, repr=False)
    is_paused: bool = False
    sender: str | None = None
    tell: Tell = Tell.OFF


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one answer. `token` is its address and a secret: never log it. `downloads`
    counts all files together, `told_downloads` those of which the sender has been told, and
    `shown_downloads` those that the answer in the chat shows.
    """

    id: int
    answer_id: int
    token: str = field(repr=False)
    options: PageOptions
    downloads: int = 0
    last_download_at: datetime | None = None
    told_downloads: int = 0
    shown_downloads: int = 0

    @property
    def generation(self) -> int:
        """A number from 0 to 999,999 that tells this address from the next one, and reveals
        nothing of either.
        """
        digest = hashlib.sha256(self.token.encode()).digest()
        return int.from_bytes(digest[:4]) % 1_000_000


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of a page with its newest object. `downloads` counts all, `used` those that count
    against `PageOptions.most_downloads`. `gone_at` is when the object was found gone.
    """

    job_id: int
    owner_id: int
    name: str
    kind: FileKind
    size: int
    sha256: str
    mime_type: str | None
    stored: StoredObject
    gone_at: datetime | None = None
    downloads: int = 0
    used: int = 0

    def is_open(self, now: datetime) -> bool:
        """Return whether it can be downloaded at `now`; the options are not regarded."""
        return self.stored.has_open_link(now)

    def ended_at(self, now: datetime) -> datetime | None:
        """Return since when it cannot be downloaded, `None` while it can."""
        if self.is_open(now):
            return None
        ends = [self.stored.due_at, *([self.gone_at] if self.gone_at is not None else [])]
        return min(ends)

    def is_used_up(self, options: PageOptions) -> bool:
        """Return whether all downloads that the options allow are used."""
        return options.most_downloads is not None and self.used >= options.most_downloads


@dataclass(frozen=True, slots=True)
class PageContent:
    """A page and its files, in the order of their jobs."""

    page: Page
    files: tuple[PageFile, ...]

    def open_files(self, now: datetime) -> list[PageFile]:
        """Return the files that have not ended."""
        return [file for file in self.files if file.is_open(now)]

    def ended_at(self, now: datetime) -> datetime | None:
        """Return since when no file can be downloaded, `None` while one can."""
        if any(file.is_open(now) for file in self.files):
            return None
        ends = (file.ended_at(now) for file in self.files)
        return max((end for end in ends if end is not None), default=None)

    def is_forgotten(self, now: datetime) -> bool:
        """Return whether it counts as one that never was."""
        end = self.ended_at(now)
        return not self.files or (end is not None and now - end >= REMEMBERED_FOR)


@dataclass(frozen=True, slots=True)
class PageUse:
    """A page when a download of a file was asked for, `None` if there is none with this token, and
    whether one was used.
    """

    content: PageContent | None
    is_given: bool = False


MARK_PATH: Final = "/-/bot"
"""Where a bot says which one it is, for an operator who asks through its address."""


def bot_mark(secret: bytes) -> str:
    """Return what a bot says of itself: nothing without its token, which it does not tell."""
    return hmac.digest(secret, b"file-relay-bot mark", hashlib.sha256).hex()


def page_url(origin: str, token: str) -> str:
    """Return the address of a page; `origin` is that of `web.url`, without a slash at its end."""
    return f"{origin}/{token}"


def file_url(origin: str, content: PageContent, number: int) -> str:
    """Return the address that gives a file of a page to any client. `number` counts the files of
    the page from 1; the name is there for clients that name what they store by the address.
    """
    name = quote(content.files[number - 1].name, safe="")
    place = name if len(content.files) == 1 else f"{number}/{name}"
    return f"{page_url(origin, content.page.token)}/{place}"


class PasswordHasher(Protocol):
    """Hashes passwords of pages, outside the event loop."""

    async def hash(self, password: str) -> str:
        """Return what `PageOptions.password_hash` keeps."""

    async def verify(self, password_hash: str, password: str) -> bool:
        """Return whether this is the password, in any case and with any space between its words.

        Raises:
            HasherBusy: too many others wait.
        """


class HasherBusy(Exception):
    """So many passwords are looked at that another one would have to wait too long."""


class PageLedger(Protocol):
    """Pages, one for each answer with a file that was stored for a page: the transaction that
    creates such an answer, or moves its jobs to another one, creates its page.
    """

    async def create(self, job_id: int) -> PageContent | None:
        """Create the page of a job of a command, whose answer is older than its object, and return
        it; `None` where the object was not stored for a page.
        """

    async def find(self, token: str) -> PageContent | None:
        """Return the page with this token, ended ones included."""

    async def of_jobs(self, job_ids: Sequence[int]) -> Mapping[int, PageContent]:
        """Return the pages that show these jobs, by job."""

    async def use(
        self, token: str, number: int, now: datetime, password_hash: str | None = None
    ) -> PageUse:
        """Use one of the downloads that a page allows for its file `number`, before it is handed
        out, and return the page as it was when this was decided.

        One is given never more often than `PageOptions.most_downloads` since the file was armed;
        none if the page is paused or unknown, if its password is not the one that the visitor was
        admitted with, or if the file has ended. Counts it, as `count` does.
        """

    async def count(self, downloads: Mapping[tuple[int, int], int], now: datetime) -> None:
        """Add downloads, by page and job, that use up nothing."""

    async def set_options(self, page_id: int, /, **changes: Any) -> bool:
        """Change fields of `PageOptions`, or none; the answer becomes stale. Returns whether the
        page is there.
        """

    async def rearm(self, page_id: int, job_id: int | None = None) -> None:
        """Let a file of the page, or each, be downloaded as often again as the options allow."""

    async def renew(self, page_id: int) -> str:
        """Give the page a new token, return it, and forget the old one; the answer becomes
        stale.
        """

    async def end_at(self, page_id: int, due_at: Mapping[int, datetime]) -> int:
        """Set the end of live objects of the page, by job; the answer becomes stale. Returns how
        many changed: those that a deletion has reached do not.
        """

    async def show_downloads(self, now: datetime, limit: int) -> int:
        """Make answers stale whose number of downloads changed and that were not corrected for it
        in the last minute. Returns how many.
        """

    async def to_tell(self, limit: int) -> list[PageContent]:
        """Return pages with downloads of which the sender wants to be told and has not been."""

    async def told(self, page_id: int, downloads: int) -> None:
        """Record that the sender was told of so many downloads."""

    async def live(self, limit: int) -> list[PageContent]:
        """Return the pages with a file that has not ended, the newest first."""
