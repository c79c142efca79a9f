"""The counters, read as Prometheus reads them."""

import re

from prometheus_client.parser import text_string_to_metric_families

from bot.adapters.metrics import PrometheusMetrics
from bot.core.errors import all_codes
from bot.core.ports.metrics import (
    SENDERS_MISTAKES,
    JobOutcome,
    Metrics,
    NoMetrics,
    Readings,
    Span,
)
from bot.supervision import CAUSES

Sample = tuple[str, tuple[tuple[str, str], ...]]


def read(
    metrics: PrometheusMetrics, readings: Readings | None = None, *, ready: bool = True
) -> dict[Sample, float]:
    """Return every sample of the page."""
    page = metrics.page(readings, () if ready else ("oss",)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(samples: dict[Sample, float], name: str, **labels: str) -> float | None:
    """Return one sample, `None` where it is not there."""
    return samples.get((name, tuple(sorted(labels.items()))))


def test_nobody_counts_alike() -> None:
    """Both kinds fulfil the port, and the one that counts nothing says nothing."""
    kinds: list[Metrics] = [NoMetrics(), PrometheusMetrics("1")]
    for metrics in kinds:
        metrics.job_ended(JobOutcome.DONE)
        metrics.attempt_failed("disk_full")
        metrics.took(Span.WAIT, 1)
        metrics.moved(downloaded=1, uploaded=2)
        metrics.link_ended(1)
        metrics.edit_skipped("busy")
        metrics.telegram_answered("sendMessage", 200)
        metrics.oss_answered("head", "")

    assert len(kinds) == 2


def test_jobs() -> None:
    """Jobs are counted by outcome and code; what never happened reads 0 from the start."""
    metrics = PrometheusMetrics("1")
    before = read(metrics)
    metrics.job_ended(JobOutcome.DONE)
    metrics.job_ended(JobOutcome.FAILED, "store_forbidden")
    metrics.job_ended(JobOutcome.FAILED, "store_forbidden")
    metrics.attempt_failed("store_unavailable")
    after = read(metrics)

    assert value(before, "relay_jobs_total", outcome="done", code="") == 0
    assert value(before, "relay_jobs_total", outcome="failed", code="store_forbidden") == 0
    assert value(after, "relay_jobs_total", outcome="done", code="") == 1
    assert value(after, "relay_jobs_total", outcome="failed", code="store_forbidden") == 2
    assert value(after, "relay_attempts_failed_total", code="store_unavailable") == 1


def test_codes_begin_at_zero() -> None:
    """Every code has its series from the start, because the first event of a series that appears
    with it is no increase. Mistakes of senders are no failures.
    """
    samples = read(PrometheusMetrics("1"))
    ended = {
        dict(labels)["code"]: dict(labels)["outcome"]
        for name, labels in samples
        if name == "relay_jobs_total" and dict(labels)["code"]
    }
    attempts = {
        dict(labels)["code"] for name, labels in samples if name == "relay_attempts_failed_total"
    }

    assert ended == {
        code: "rejected" if code in SENDERS_MISTAKES else "failed" for code in all_codes()
    }
    assert attempts == all_codes()
    assert value(samples, "relay_answers_lost_total", code="chat_gone") == 0
    assert value(samples, "relay_unexpected_errors_total", unit="update") == 0


def test_causes() -> None:
    """What speaks against readiness reads 1; all else that could reads 0, and a cause that has
    gone does so again.
    """
    metrics = PrometheusMetrics("1")
    away = read(metrics, ready=False)
    well = read(metrics)

    assert {value(well, "relay_not_ready", cause=cause) for cause in CAUSES} == {0}
    assert value(away, "relay_not_ready", cause="oss") == 1
    assert value(away, "relay_not_ready", cause="telegram") == 0
    assert (value(away, "relay_ready"), value(well, "relay_ready")) == (0, 1)


def test_unexpected_errors() -> None:
    """They are counted by unit; errors of two classes in one unit are one series."""
    metrics = PrometheusMetrics("1")
    metrics.unexpected_error("update", "KeyError")
    metrics.unexpected_error("update", "MemoryError")

    assert value(read(metrics), "relay_unexpected_errors_total", unit="update") == 2


def test_bytes_and_seconds() -> None:
    """Both directions add up; each phase has its histogram, and a clock that was set back counts
    as no time.
    """
    metrics = PrometheusMetrics("1")
    metrics.moved(downloaded=10, uploaded=4)
    metrics.moved(downloaded=1, uploaded=0)
    metrics.took(Span.FETCH, 3.0)
    metrics.took(Span.FETCH, -5.0)
    samples = read(metrics)

    assert value(samples, "relay_bytes_total", direction="down") == 11
    assert value(samples, "relay_bytes_total", direction="up") == 4
    assert value(samples, "relay_phase_seconds_sum", phase="fetch") == 3.0
    assert value(samples, "relay_phase_seconds_bucket", phase="fetch", le="5.0") == 2
    assert value(samples, "relay_phase_seconds_count", phase="whole") == 0


def test_late_deletions() -> None:
    """The share of links that ended within the promised minute can be read."""
    metrics = PrometheusMetrics("1")
    for late in (0.2, 59.0, 61.0):
        metrics.link_ended(late)
    samples = read(metrics)

    assert value(samples, "relay_deletion_late_seconds_bucket", le="60.0") == 2
    assert value(samples, "relay_deletion_late_seconds_count") == 3


def test_calls() -> None:
    """Calls of both services by their result; floods have a counter of their own."""
    metrics = PrometheusMetrics("1")
    metrics.telegram_answered("editMessageText", 429)
    metrics.telegram_answered("editMessageText", 200)
    metrics.telegram_answered("getUpdates", 0)
    metrics.oss_answered("upload_part", "")
    metrics.oss_answered("upload_part", "store_throttled")
    metrics.edit_skipped("budget")
    samples = read(metrics)

    assert value(samples, "relay_telegram_floods_total") == 1
    for method, status in (("editMessageText", "429"), ("getUpdates", "0")):
        assert value(samples, "relay_telegram_calls_total", method=method, status=status) == 1
    for result in ("ok", "store_throttled"):
        assert value(samples, "relay_oss_calls_total", operation="upload_part", result=result) == 1
    assert value(samples, "relay_edits_skipped_total", reason="budget") == 1


def test_readings() -> None:
    """What is looked up stands as it was found; without a look the last one stays."""
    metrics = PrometheusMetrics("1.2.3")
    read(metrics, Readings(1, 2, 3, 4, 5, disk_free={"spool": 6}))
    samples = read(metrics, None, ready=False)

    assert value(samples, "relay_jobs_unfinished", state="running") == 1
    assert value(samples, "relay_jobs_unfinished", state="waiting") == 2
    assert value(samples, "relay_links_live") == 3
    assert value(samples, "relay_links_overdue") == 4
    assert value(samples, "relay_spool_reserved_bytes") == 5
    assert value(samples, "relay_disk_free_bytes", folder="spool") == 6
    assert value(samples, "relay_ready") == 0
    assert value(samples, "relay_build_info", version="1.2.3") == 1


def test_names_follow_the_rules() -> None:
    """Every metric of ours begins with "relay_"; the others are those of the process."""
    names = {name for name, _ in read(PrometheusMetrics("1"))}

    assert all(re.match(r"(relay|process|python)_[a-z0-9_]+$", name) for name in names)
    assert "process_resident_memory_bytes" in names
