"""The metrics in Prometheus's format. The names are stable: dashboards and alerts use them.

Labels have few values, all defined by this program: outcomes, error codes, names of methods. No
label is an id, a name or a key of a user.
"""

from collections.abc import Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from bot.core.errors import ChatError, Crashed, Unexpected, all_codes
from bot.core.ports.metrics import (
    SENDERS_MISTAKES,
    JobOutcome,
    PageRefusal,
    PageState,
    Readings,
    Span,
)
from bot.supervision import CAUSES, LOOPS, Unit

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 10800)
"""From a small sticker to gigabytes over a slow connection."""
LATE: Final = (1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 21600, 86400)
"""The limit is 60 s; larger values show how long the bot was down."""


class PrometheusMetrics:
    """Implements the `Metrics` port, each instance with a registry of its own. Thread-safe."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._build(version)
        self._count_jobs()
        self._count_calls()
        self._count_faults()
        self._count_pages()
        self._look()

    def _build(self, version: str) -> None:
        about = self._gauge("relay_build_info", "The version that runs.", "version")
        about.labels(version).set(1)

    def _count_jobs(self) -> None:
        self._jobs = self._counter(
            "relay_jobs", "Jobs that have ended, by outcome and error code.", "outcome", "code"
        )
        # A counter that appears with its first event hides that event from `increase`.
        for outcome in (JobOutcome.DONE, JobOutcome.CANCELLED):
            self._jobs.labels(outcome, "")
        for code in sorted(all_codes()):
            is_mistake = code in SENDERS_MISTAKES
            self._jobs.labels(JobOutcome.REJECTED if is_mistake else JobOutcome.FAILED, code)
        self._attempts = self._counter(
            "relay_attempts_failed", "Attempts that failed and were repeated.", "code"
        )
        for code in sorted(all_codes()):
            self._attempts.labels(code)
        self._answers_lost = self._counter(
            "relay_answers_lost", "Answers that could not be placed in any form.", "code"
        )
        for code in sorted(all_codes(ChatError) | {Crashed.code, Unexpected.code}):
            self._answers_lost.labels(code)
        self._dropped = self._counter(
            "relay_strangers_dropped",
            "What people without rights did beyond the bounds for all of them.",
            "what",
        )
        for what in ("notice", "leave", "press"):
            self._dropped.labels(what)
        self._bytes = self._counter("relay_bytes", "Bytes that moved, by direction.", "direction")
        for direction in ("down", "up"):
            self._bytes.labels(direction)
        self._seconds = self._histogram(
            "relay_phase_seconds", "How long the phases of a job took.", SECONDS, "phase"
        )
        for span in Span:
            self._seconds.labels(span.value)
        self._late = self._histogram(
            "relay_deletion_late_seconds", "How late the bytes of a link were deleted.", LATE
        )

    def _count_calls(self) -> None:
        self._skipped = self._counter(
            "relay_edits_skipped", "Changes that a status message did not show.", "reason"
        )
        for reason in ("budget", "busy", "interval"):
            self._skipped.labels(reason)
        self._telegram = self._counter(
            "relay_telegram_calls",
            "Calls of the Bot API, by method and HTTP status (0: no answer).",
            "method",
            "status",
        )
        self._floods = self._counter(
            "relay_telegram_floods", "Calls that the Bot API refused with 429."
        )
        self._oss = self._counter(
            "relay_oss_calls", "Calls of OSS, by operation and result.", "operation", "result"
        )

    def _count_faults(self) -> None:
        self._unexpected = self._counter(
            "relay_unexpected_errors",
            "Unexpected errors, by the kind of unit that failed; the log has the class.",
            "unit",
        )
        for unit in Unit:
            self._unexpected.labels(unit.value)
        self._restarts = self._counter(
            "relay_loop_restarts", "Restarts of loops that raised an error.", "loop"
        )
        for loop in LOOPS:
            self._restarts.labels(loop)

    def _count_pages(self) -> None:
        self._pages = self._counter("relay_pages", "Pages shown, by their state.", "state")
        for state in PageState:
            self._pages.labels(state.value)
        self._downloads = self._counter(
            "relay_page_downloads", "Redirects from pages to files, by HTTP method.", "method"
        )
        for method in ("GET", "HEAD"):
            self._downloads.labels(method)
        self._refused = self._counter(
            "relay_page_refusals", "Requests of pages that were refused, by reason.", "reason"
        )
        for reason in (*PageState, *PageRefusal):
            if reason is not PageState.OPEN:
                self._refused.labels(reason.value)

    def _look(self) -> None:
        self._jobs_now = self._gauge("relay_jobs_unfinished", "Unfinished jobs.", "state")
        self._links = self._gauge("relay_links_live", "Links that work.")
        self._overdue = self._gauge("relay_links_overdue", "Links that should have ended.")
        self._spool = self._gauge("relay_spool_reserved_bytes", "Room reserved in the spool.")
        self._set_aside = self._gauge(
            "relay_set_aside", "Rows that were given up after unexpected errors.", "unit"
        )
        self._workers = self._gauge("relay_workers", "Workers that a front has.")
        self._slots = self._gauge("relay_worker_slots", "Jobs that its workers take at once.")
        self._disk = self._gauge(
            "relay_disk_free_bytes", "Free bytes of the disk of each folder.", "folder"
        )
        self._ready = self._gauge("relay_ready", "1 while nothing speaks against it.")
        self._causes = self._gauge(
            "relay_not_ready", "1 while this speaks against readiness, by cause.", "cause"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def job_ended(self, outcome: JobOutcome, code: str = "") -> None:
        """Count a job that has ended."""
        self._jobs.labels(outcome, code).inc()

    def attempt_failed(self, code: str) -> None:
        """Count an attempt that failed and will be followed by another."""
        self._attempts.labels(code).inc()

    def took(self, span: Span, seconds: float) -> None:
        """Record the duration of a phase."""
        # The clock may be set while a job runs; a histogram takes nothing below zero.
        self._seconds.labels(span.value).observe(max(0.0, seconds))

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Count the bytes of an attempt."""
        self._bytes.labels("down").inc(downloaded)
        self._bytes.labels("up").inc(uploaded)

    def link_ended(self, late: float) -> None:
        """Record how late a link's bytes were deleted."""
        self._late.observe(max(0.0, late))

    def answer_lost(self, code: str) -> None:
        """Count an answer that could not be placed."""
        self._answers_lost.labels(code).inc()

    def dropped(self, what: str) -> None:
        """Count what was dropped."""
        self._dropped.labels(what).inc()

    def edit_skipped(self, reason: str) -> None:
        """Count an update that a status message did not show."""
        self._skipped.labels(reason).inc()

    def telegram_answered(self, method: str, status: int) -> None:
        """Count a call of the Bot API."""
        self._telegram.labels(method, str(status)).inc()
        if status == 429:
            self._floods.inc()

    def oss_answered(self, operation: str, code: str) -> None:
        """Count a call of OSS."""
        self._oss.labels(operation, code or "ok").inc()

    def unexpected_error(self, unit: str, error: str) -> None:
        """Count an unexpected error by its unit alone: classes are not known beforehand, and a
        series that begins with 1 is no increase.
        """
        del error
        self._unexpected.labels(unit).inc()

    def loop_restarted(self, loop: str) -> None:
        """Count the restart of a loop."""
        self._restarts.labels(loop).inc()

    def page_shown(self, state: str) -> None:
        """Count a page that was shown."""
        self._pages.labels(state).inc()

    def page_downloaded(self, method: str) -> None:
        """Count a redirect to a file."""
        self._downloads.labels(method).inc()

    def page_refused(self, reason: str) -> None:
        """Count a refused request of a page."""
        self._refused.labels(reason).inc()

    def page(self, readings: Readings | None, causes: Collection[str] = ()) -> bytes:
        """Return the page of all metrics for Prometheus, of `CONTENT_TYPE`. `causes` are what
        speaks against readiness.

        Without `readings` (the ledger cannot be read) the previous values stay.
        """
        self._ready.set(int(not causes))
        for cause in dict.fromkeys((*CAUSES, *causes)):
            self._causes.labels(cause).set(int(cause in causes))
        if readings is not None:
            self._jobs_now.labels("running").set(readings.jobs_running)
            self._jobs_now.labels("waiting").set(readings.jobs_waiting)
            self._links.set(readings.links_live)
            self._overdue.set(readings.links_overdue)
            self._spool.set(readings.spool_reserved)
            self._workers.set(readings.workers)
            self._slots.set(readings.slots)
            self._set_aside.clear()
            for unit in Unit:
                self._set_aside.labels(unit.value).set(0)
            for kind, count in readings.set_aside.items():
                self._set_aside.labels(kind).set(count)
            for folder, free in readings.disk_free.items():
                self._disk.labels(folder).set(free)
        return generate_latest(self._registry)
