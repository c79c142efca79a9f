"""Counters that remember what was counted, in order."""

from bot.core.ports.metrics import JobOutcome, NoMetrics, Span


class FakeMetrics(NoMetrics):
    """Fulfils the `Metrics` port."""

    def __init__(self) -> None:
        self.ended: list[tuple[JobOutcome, str]] = []
        self.failed: list[str] = []
        self.spans: list[tuple[Span, float]] = []
        self.bytes: list[tuple[int, int]] = []
        self.late: list[float] = []
        self.skipped: list[str] = []
        self.unexpected: list[tuple[str, str]] = []
        self.restarts: list[str] = []
        self.lost: list[str] = []
        self.drops: list[str] = []
        self.pages: list[str] = []
        self.downloads: list[str] = []
        self.refusals: list[str] = []

    def job_ended(self, outcome: JobOutcome, code: str = "") -> None:
        """Remember outcome and code."""
        self.ended.append((outcome, code))

    def attempt_failed(self, code: str) -> None:
        """Remember the code."""
        self.failed.append(code)

    def took(self, span: Span, seconds: float) -> None:
        """Remember the stretch."""
        self.spans.append((span, seconds))

    def moved(self, *, downloaded: int, uploaded: int) -> None:
        """Remember both counts."""
        self.bytes.append((downloaded, uploaded))

    def link_ended(self, late: float) -> None:
        """Remember how late."""
        self.late.append(late)

    def answer_lost(self, code: str) -> None:
        """Remember the code."""
        self.lost.append(code)

    def dropped(self, what: str) -> None:
        """Remember what."""
        self.drops.append(what)

    def edit_skipped(self, reason: str) -> None:
        """Remember the reason."""
        self.skipped.append(reason)

    def unexpected_error(self, unit: str, error: str) -> None:
        """Remember the kind of unit and the class of the error."""
        self.unexpected.append((unit, error))

    def loop_restarted(self, loop: str) -> None:
        """Remember the loop."""
        self.restarts.append(loop)

    def page_shown(self, state: str) -> None:
        """Remember the state."""
        self.pages.append(state)

    def page_downloaded(self, method: str) -> None:
        """Remember the method."""
        self.downloads.append(method)

    def page_refused(self, reason: str) -> None:
        """Remember the reason."""
        self.refusals.append(reason)
