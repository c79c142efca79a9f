"""One attempt, and what becomes of the job afterwards."""

import asyncio
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.core.errors import (
    Corrupted,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    StoreForbidden,
    StoreUnavailable,
    UploadGone,
)
from bot.core.jobs import Ending, Job, JobState, ObjectState
from bot.jobs.runner import (
    FEW_FAILURES,
    FIRST_WAIT,
    LONGEST_WAIT,
    MOST_FAILURES,
    MOST_UNEXPECTED,
    JobRunner,
    wait_before,
)
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import NOW, at, cancel
from tests.jobs.runner_fixture import RunnerFixture


class ProxyError(Exception):
    """Stands for the error of that name of a SOCKS library, which is no kind of OSError."""


@pytest.fixture
def shop(database: Database) -> RunnerFixture:
    """Return a relay with fakes around it."""
    return RunnerFixture(database)


async def _fail_until(shop: RunnerFixture, job: Job, error: Exception, attempts: int) -> None:
    for _ in range(attempts):
        again_at = await shop.fail(job, error)
        if again_at is not None:
            shop.clock.advance(again_at - shop.clock.now())


async def test_attempt_that_succeeds_is_news(shop: RunnerFixture) -> None:
    """There will be no other; an answer is due, and the link ends long after the next look."""
    job = await shop.accept()
    again_at = await shop.attempt(job)

    assert again_at is None
    assert (await shop.read(job)).state is JobState.DONE
    assert shop.signals.outbox.is_set()
    assert not shop.signals.deletions.is_set()


async def test_attempt_ends_in_one_line_for_the_operator(shop: RunnerFixture) -> None:
    """Id, state, bytes, seconds; no key, no name of the file."""
    job = await shop.accept()
    with capture_logs() as lines:
        await shop.attempt(job)

    assert lines == [
        {
            "event": "job ended",
            "log_level": "info",
            "job": job.id,
            "state": "done",
            "code": "",
            "bytes": 1000,
            "seconds": 0.0,
            "attempt": 1,
        }
    ]


async def test_job_that_is_not_to_be_had_is_left_alone(shop: RunnerFixture) -> None:
    """It was cancelled, or runs already."""
    ended, running = await shop.accept(), await shop.accept()
    await cancel(shop.ledger, ended)
    await shop.jobs.claim(running.id, NOW)

    assert [await shop.attempt(job) for job in (ended, running)] == [None, None]
    assert shop.source.opened == []


async def test_job_that_is_not_due_yet_comes_back(shop: RunnerFixture) -> None:
    """A system's clock may go back between the queue's look at it and the ledger's; a waiting job
    is never forgotten.
    """
    job = await shop.accept()
    claim = await shop.jobs.claim(job.id, NOW)
    assert claim is not None
    await shop.jobs.retry_later(claim.job, at(5), "disk_full")

    assert await shop.attempt(job) == at(5)
    assert shop.source.opened == []


@given(st.integers(1, 1000))
def test_wait_doubles_up_to_a_quarter_of_an_hour(failures: int) -> None:
    """Jitter takes off a fifth at most, so that many jobs do not come back together."""
    wait = wait_before(failures)
    full = min(FIRST_WAIT * 2 ** min(failures - 1, 30), LONGEST_WAIT)

    assert 0.8 * full <= wait <= full


async def test_transient_error_is_followed_by_another_attempt(shop: RunnerFixture) -> None:
    """The failure is counted, the reason kept, the upload too; the user has nothing to
    read yet.
    """
    job = await shop.accept()
    again_at = await shop.fail(job, StoreUnavailable("reset"))
    waiting = await shop.read(job)
    stored = await shop.object_of(job)

    assert again_at == waiting.run_at
    assert NOW + 0.8 * FIRST_WAIT <= waiting.run_at <= NOW + FIRST_WAIT
    assert (waiting.state, waiting.failures, waiting.error_code) == (
        JobState.QUEUED,
        1,
        "store_unavailable",
    )
    assert (stored.ending, stored.upload_id) == (None, "upload-1")
    assert not shop.signals.outbox.is_set()


async def test_next_attempt_goes_on_with_the_upload(shop: RunnerFixture) -> None:
    """What OSS has is not sent again, and success forgets the error."""
    job = await shop.accept()
    await _fail_until(shop, job, StoreUnavailable("reset"), 1)
    await shop.attempt(job)
    first, second = shop.uploads.targets

    assert (second.key, second.upload_id) == (first.key, "upload-1")
    assert (await shop.read(job)).error_code is None


async def test_permanent_error_ends_the_job(shop: RunnerFixture) -> None:
    """No other attempt, a code for the answer, and what was uploaded is due at once."""
    job = await shop.accept()
    again_at = await shop.fail(job, StoreForbidden("AccessDenied"))
    failed = await shop.read(job)

    assert again_at is None
    assert (failed.state, failed.error_code, failed.finished_at) == (
        JobState.FAILED,
        "store_forbidden",
        NOW,
    )
    assert [stored.ending for stored in await shop.ledger.objects.due(NOW, 10)] == [Ending.UNDONE]
    assert shop.signals.outbox.is_set()
    assert shop.signals.deletions.is_set()


@pytest.mark.parametrize(
    ("error", "args"),
    [
        (FileTooLarge(30 << 20, 20 << 20), {"size": 30 << 20, "limit": 20 << 20}),
        (FileTooLarge(None, 20 << 20), {"limit": 20 << 20}),
        (StoreForbidden("AccessDenied"), {}),
    ],
)
async def test_failed_job_keeps_what_its_sentence_needs(
    shop: RunnerFixture, error: RelayError, args: dict[str, int]
) -> None:
    """Sizes and limits that the user is told."""
    job = await shop.accept()
    await shop.fail(job, error)

    assert (await shop.read(job)).error_args == args


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (StoreUnavailable("reset"), MOST_FAILURES),
        (SizeMismatch(10, 9), FEW_FAILURES),
    ],
)
async def test_attempts_are_limited(shop: RunnerFixture, error: RelayError, most: int) -> None:
    """Transient errors are tried for long, those that time seldom cures only a few times."""
    job = await shop.accept()
    await _fail_until(shop, job, error, most - 1)
    assert (await shop.read(job)).state is JobState.QUEUED
    await _fail_until(shop, job, error, 1)
    failed = await shop.read(job)

    assert (failed.state, failed.failures, failed.error_code) == (
        JobState.FAILED,
        most,
        error.code,
    )


async def test_size_that_does_not_match_is_told(shop: RunnerFixture) -> None:
    """Both counts are there for the sentence."""
    job = await shop.accept()
    await _fail_until(shop, job, SizeMismatch(10, 9), FEW_FAILURES)

    assert (await shop.read(job)).error_args == {"announced": 10, "received": 9}


@pytest.mark.parametrize("error", [UploadGone("NoSuchUpload"), Corrupted("CRC-64")])
async def test_useless_upload_is_given_up(shop: RunnerFixture, error: RelayError) -> None:
    """The next attempt begins with a key of its own; the old one is due at once."""
    job = await shop.accept()
    await _fail_until(shop, job, error, 1)
    due = await shop.ledger.objects.due(shop.clock.now(), 10)
    await shop.attempt(job)
    first, second = shop.uploads.targets

    assert [stored.key for stored in due] == [first.key]
    assert second.key != first.key
    assert second.upload_id is None
    assert (await shop.object_of(job)).state is ObjectState.LIVE


@pytest.mark.parametrize(
    "error",
    [
        ProxyError("connection refused by the rule set"),
        MemoryError("no room"),
        RuntimeError("can't start new thread"),
        sqlite3.OperationalError("database is locked"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_unexpected_error_is_tried_a_few_times(database: Database, error: Exception) -> None:
    """Each time the operator gets one traceback and the metric rises; then the user gets a code.
    Other failures do not count, and a new process goes on counting.
    """
    metrics = FakeMetrics()
    shop = RunnerFixture(database, metrics=metrics)
    job = await shop.accept()
    await _fail_until(shop, job, StoreUnavailable("503"), MOST_UNEXPECTED)
    with capture_logs() as lines:
        await _fail_until(shop, job, error, MOST_UNEXPECTED - 1)
        waiting = await shop.read(job)
        shop.attempts = JobRunner(shop.relay, shop.jobs, shop.lifecycle, shop.clock, metrics)
        await shop.fail(job, error)
    failed = await shop.read(job)

    assert (waiting.state, waiting.error_code) == (JobState.QUEUED, "unexpected")
    assert (failed.state, failed.error_code, failed.error_args) == (
        JobState.FAILED,
        "unexpected",
        {},
    )
    assert [line["exc_info"] for line in lines if "exc_info" in line] == [error] * MOST_UNEXPECTED
    assert metrics.unexpected == [("attempt", type(error).__name__)] * MOST_UNEXPECTED


async def test_cancel_that_nobody_asked_for(database: Database) -> None:
    """A cancelled future of a library fails an attempt like any unexpected error; the job is
    tried again, and not given back as at a stop, after which no process would begin it.
    """
    shop = RunnerFixture(database)
    job = await shop.accept()
    again_at = await shop.fail(job, asyncio.CancelledError())
    waiting = await shop.read(job)

    assert again_at is not None
    assert (waiting.state, waiting.error_code) == (JobState.QUEUED, "unexpected")


async def test_end_of_an_attempt_that_cannot_be_stored(database: Database) -> None:
    """A job whose link could not be stored, because the ledger was held, is stored as done at the
    next run; its file is not relayed again.
    """
    shop = RunnerFixture(database)
    job = await shop.accept()
    shop.jobs.errors.append(sqlite3.OperationalError("database is locked"))
    with pytest.raises(sqlite3.OperationalError):
        await shop.attempt(job)
    stuck = await shop.read(job)
    await shop.attempt(job)

    assert stuck.state is JobState.RUNNING
    assert (await shop.read(job)).state is JobState.DONE
    assert len(shop.uploads.targets) == 1


async def test_transient_error_leaves_no_traceback(shop: RunnerFixture) -> None:
    """A transient error is logged as a warning with the reason, without a traceback."""
    job = await shop.accept()
    with capture_logs() as lines:
        await shop.fail(job, StoreUnavailable("connection reset"))

    assert [(line["log_level"], line["why"]) for line in lines] == [
        ("warning", "connection reset")
    ]
    assert not any("exc_info" in line for line in lines)
