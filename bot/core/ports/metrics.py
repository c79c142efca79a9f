"""Metrics for the operator. No label identifies a user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from bot.core.errors import FileEmpty, FileTooLarge


class JobOutcome(StrEnum):
    """How a job ended. The values are stable: dashboards and alerts use them."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    """What was sent cannot be relayed, with a code of `SENDERS_MISTAKES`: no fault of the bot, of
    a service or of the machine.
    """


SENDERS_MISTAKES: Final = frozenset({FileEmpty.code, FileTooLarge.code})


class Span(StrEnum):
    """A measured phase of a job, in seconds. The values are stable: dashboards use them."""

    WAIT = "wait"
    """From acceptance to the first attempt."""
    FETCH = "fetch"
    """From Telegram to this machine; in local mode until the server has the file."""
    UPLOAD = "upload"
    """From this machine to OSS, in parallel with the fetch where possible."""
    WHOLE = "whole"
    """From acceptance to the link."""


class PageState(StrEnum):
    """What a page is for a visitor. The values are labels of a metric: never rename."""

    OPEN = "open"
    LOCKED = "locked"
    """Its password is wanted; nothing of its files may be shown."""
    PAUSED = "paused"
    """Closed by the sender for now."""
    ENDED = "ended"
    """Its time has been over for less than a day."""
    UNKNOWN = "unknown"
    """There never was one, or it is forgotten. Both are one answer."""
    USED_UP = "used_up"
    """A file was downloaded as often as the sender allowed."""


class PageRefusal(StrEnum):
    """Why a request of a page was refused, other than its state. The values are labels of a
    metric: never rename.
    """

    PASSWORD = "password"  # noqa: S105 -- a label.
    """It was wrong."""
    THROTTLED = "throttled"
    """There were too many wrong passwords, reports or requests at once."""
    FOREIGN = "foreign"
    """Another site has sent the form."""
    PREVIEW = "preview"
    """A program that only looks asked for a file whose downloads are counted."""
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Readings:
    """Gauges that are read at each scrape. `spool_reserved` is bytes."""

    jobs_running: int = 0
    jobs_waiting: int = 0
    links_live: int = 0
    links_overdue: int = 0
    spool_reserved: int = 0
    set_aside: Mapping[str, int] = field(default_factory=dict)
    """Rows that were given up after unexpected errors, by kind of unit."""
    workers: int = 0
    """Workers that can have the files of this bot; of a front only, as are their `places`."""
    slots: int = 0
    """How many jobs they take at once."""
    disk_free: Mapping[str, int] = field(default_factory=dict)
    """Free bytes of the disk of each folder: "spool" and "ledger"."""


class Metrics(Protocol):
    """Counters. Every method returns at once, raises nothing, and may be called from any thread.
    An empty `code` means that there was no error.
    """

    def job_ended(self, outcome: JobOutcome, code: str = "") -> None:
        """Count a job that has ended."""

    def attempt_failed(self, code: str) -> None:
        """Count an attempt that failed and will be followed by another."""

    def took(self, span: Span, seconds: float) -> None:
        """Record the duration of a phase that succeeded."""

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Count the bytes of an attempt, successful or not."""

    def link_ended(self, late: float) -> None:
        """Record how many seconds after its deadline a link's bytes were deleted."""

    def answer_lost(self, code: str) -> None:
        """Count an answer that could not be placed in any form."""

    def dropped(self, what: str) -> None:
        """Count what strangers sent beyond what they may: "notice", "leave" or
        "press".
        """

    def edit_skipped(self, reason: str) -> None:
        """Count an update that a status message did not show, because newer ones follow."""

    def telegram_answered(self, method: str, status: int) -> None:
        """Count a call of the Bot API; `status` is the HTTP status, 0 if there was no answer."""

    def oss_answered(self, operation: str, code: str) -> None:
        """Count a call of OSS."""

    def unexpected_error(self, unit: str, error: str) -> None:
        """Count an unexpected error by the kind of unit that it ended and its class name."""

    def loop_restarted(self, loop: str) -> None:
        """Count the restart of a loop of the process."""

    def page_shown(self, state: str) -> None:
        """Count a page that was shown, by its state."""

    def page_downloaded(self, method: str) -> None:
        """Count a redirect to a file, by the method of its request."""

    def page_refused(self, reason: str) -> None:
        """Count a request for a file, a password or a report that was refused."""


class NoMetrics:
    """Metrics that count nothing, for processes without metrics."""

    def job_ended(self, outcome: JobOutcome, code: str = "") -> None:
        """Do nothing."""

    def attempt_failed(self, code: str) -> None:
        """Do nothing."""

    def took(self, span: Span, seconds: float) -> None:
        """Do nothing."""

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Do nothing."""

    def link_ended(self, late: float) -> None:
        """Do nothing."""

    def answer_lost(self, code: str) -> None:
        """Do nothing."""

    def dropped(self, what: str) -> None:
        """Do nothing."""

    def edit_skipped(self, reason: str) -> None:
        """Do nothing."""

    def telegram_answered(self, method: str, status: int) -> None:
        """Do nothing."""

    def oss_answered(self, operation: str, code: str) -> None:
        """Do nothing."""

    def unexpected_error(self, unit: str, error: str) -> None:
        """Do nothing."""

    def loop_restarted(self, loop: str) -> None:
        """Do nothing."""

    def page_shown(self, state: str) -> None:
        """Do nothing."""

    def page_downloaded(self, method: str) -> None:
        """Do nothing."""

    def page_refused(self, reason: str) -> None:
        """Do nothing."""
