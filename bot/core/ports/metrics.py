"""Metrics for the operator. No label identifies a user."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class Readings:
    """Gauges that are read at each scrape. `spool_reserved` is bytes."""

    jobs_running: int = 0
    jobs_waiting: int = 0
    links_live: int = 0
    links_overdue: int = 0
    spool_reserved: int = 0


class Metrics(Protocol):
    """Counters. Every method returns at once, raises nothing, and may be called from any thread.
    An empty `code` means that there was no error.
    """

    def job_ended(self, outcome: str, code: str = "") -> None:
        """Count a job that has ended: "done", "failed" or "cancelled"."""

    def attempt_failed(self, code: str) -> None:
        """Count an attempt that failed and will be followed by another."""

    def took(self, span: Span, seconds: float) -> None:
        """Record the duration of a phase that succeeded."""

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Count the bytes of an attempt, successful or not."""

    def link_ended(self, late: float) -> None:
        """Record how many seconds after its deadline a link's bytes were deleted."""

    def edit_skipped(self, reason: str) -> None:
        """Count an update that a status message did not show, because newer ones follow."""

    def telegram_answered(self, method: str, status: int) -> None:
        """Count a call of the Bot API; `status` is the HTTP status, 0 if there was no answer."""

    def oss_answered(self, operation: str, code: str) -> None:
        """Count a call of OSS."""


class NoMetrics:
    """Metrics that count nothing, for processes without metrics."""

    def job_ended(self, outcome: str, code: str = "") -> None:
        """Do nothing."""

    def attempt_failed(self, code: str) -> None:
        """Do nothing."""

    def took(self, span: Span, seconds: float) -> None:
        """Do nothing."""

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Do nothing."""

    def link_ended(self, late: float) -> None:
        """Do nothing."""

    def edit_skipped(self, reason: str) -> None:
        """Do nothing."""

    def telegram_answered(self, method: str, status: int) -> None:
        """Do nothing."""

    def oss_answered(self, operation: str, code: str) -> None:
        """Do nothing."""
