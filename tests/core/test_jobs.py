"""States of a job and its immutability."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import Job, JobState, Origin

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_job() -> Job:
    """Return a job that was just accepted."""
    file = IncomingFile("id", "unique", FileKind.DOCUMENT, "a.txt", None, 3)
    return Job(1, Origin(42, 7, 8, 7), file, JobState.QUEUED, 0, 0, NOON, NOON)


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_end_states_are_final(state: JobState) -> None:
    """Done, failed and cancelled never change again."""
    assert state.is_final


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_first_states_are_not_final(state: JobState) -> None:
    """A job that waits or runs can still end in any state."""
    assert not state.is_final


def test_states_are_stored_as_their_names() -> None:
    """The ledger holds these words; they never change."""
    assert [str(s) for s in JobState] == ["queued", "running", "done", "failed", "cancelled"]


def test_new_job_has_nothing_to_show_yet() -> None:
    """Results, reasons and messages are empty until they exist."""
    job = make_job()

    assert (
        job.error_code,
        job.size,
        job.sha256,
        job.status_message_id,
        job.answer_id,
    ) == (None, None, None, None, None)
    assert job.error_args == {}


def test_job_is_a_value() -> None:
    """A job as it was read is equal to itself read again, and cannot be changed in place."""
    job = make_job()
    assert make_job() == job

    with pytest.raises(FrozenInstanceError):
        job.attempt = 5  # type: ignore[misc]  # the assignment is what must fail.
