"""The judge of a chaos sees what it is there for."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from tests.kill.witness import Record, Write, judge

# No process runs.
pytestmark = pytest.mark.in_a_file

QUEUED: Mapping[str, Any] = {"id": 7, "state": "queued", "attempt": 0}
FIRST = {"id": 7, "state": "running", "attempt": 1}
SECOND = {"id": 7, "state": "running", "attempt": 2}
PLANNED = {"id": 3, "job_id": 7, "state": "planned", "upload_id": None}


class Ledger:
    """Writes of several processes, each in a transaction of its own."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.writes: list[Write] = []

    def write(self, run: str, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Write:
        """Add a write, and return it."""
        number = next(self._numbers)
        self.writes.append(Write(number, float(number), run, place, old, new))
        return self.writes[-1]

    def lease(self, run: str, name: str, fence: int) -> None:
        """Let a process take a lease, or take it away from another."""
        old = {"name": name, "fence": fence - 1} if fence > 1 else {}
        self.write(run, "leases", old, {"name": name, "fence": fence})

    def begin(self) -> None:
        """Let a front and two workers begin, and one of these take a job."""
        self.lease("front-1.1", "bot", 1)
        for worker in ("worker-1", "worker-2"):
            self.lease(f"{worker}.1", f"worker-{worker}", 1)
        self.write("front-1.1", "jobs", {}, QUEUED)
        self.write("worker-1.1", "jobs", QUEUED, FIRST)
        self.write("worker-1.1", "objects", {}, PLANNED)

    def take_over(self) -> None:
        """Let the other worker have the job."""
        self.lease("front-1.1", "worker-worker-1", 2)
        self.write("front-1.1", "jobs", FIRST, {**FIRST, "state": "queued"})
        self.write("worker-2.1", "jobs", {**FIRST, "state": "queued"}, SECOND)

    def judge(self) -> Record:
        """Judge all of it."""
        return judge(self.writes, ["worker-1", "worker-2"])


def test_a_takeover_is_right() -> None:
    """No process is a zombie that has the right to write, and it is known who worked when."""
    ledger = Ledger()
    ledger.begin()
    ledger.take_over()
    ledger.write("worker-2.1", "objects", PLANNED, {**PLANNED, "state": "live"})
    ledger.write("worker-2.1", "jobs", SECOND, {**SECOND, "state": "done"})
    record = ledger.judge()

    taken = record.next_attempt(7, 6.0)
    assert record.zombies == []
    assert [*record.jobs_of("worker-1.1", 6.0)] == [7]
    assert taken is not None
    assert taken.run == "worker-2.1"


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_job_that_waits_for_a_place(overtaken: bool) -> None:  # noqa: FBT001 -- a parameter of the test.
    """It has waited for that alone unless another job has begun before it."""
    ledger = Ledger()
    ledger.begin()
    ledger.lease("front-1.1", "worker-worker-1", 2)
    back = ledger.write("front-1.1", "jobs", FIRST, {**FIRST, "state": "queued"})
    ledger.write("front-1.1", "jobs", {}, {**QUEUED, "id": 8})
    if overtaken:
        ledger.write("worker-2.1", "jobs", {**QUEUED, "id": 8}, {**FIRST, "id": 8})
    ledger.lease("front-1.1", "worker-worker-3", 1)
    again = ledger.write("worker-2.1", "jobs", {**FIRST, "state": "queued"}, SECOND)
    record = ledger.judge()

    waited = record.waited_for_a_slot(7, back.at - 1, again.at)
    assert waited is not overtaken
    assert not record.waited_for_a_slot(7, back.at, again.at)


def test_a_worker_that_was_replaced() -> None:
    """What it writes about the job, and about the upload, is that of a zombie; so is what it says
    about its progress.
    """
    ledger = Ledger()
    ledger.begin()
    ledger.take_over()
    zombies = [
        ledger.write("worker-1.1", "jobs", SECOND, {**SECOND, "state": "done"}),
        ledger.write("worker-1.1", "objects", PLANNED, {**PLANNED, "upload_id": "other"}),
        ledger.write("worker-1.1", "runs", {"job_id": 7}, {"job_id": 7, "uploaded": 5}),
    ]

    assert ledger.judge().zombies == zombies


def test_a_worker_with_a_lease_and_another_job() -> None:
    """The lease of a worker is no right to the jobs of others."""
    ledger = Ledger()
    ledger.begin()
    zombie = ledger.write("worker-2.1", "jobs", FIRST, {**FIRST, "state": "done"})

    assert ledger.judge().zombies == [zombie]


def test_a_front_that_was_replaced() -> None:
    """Only the holder of the lease writes about messages; anyone deletes what is due."""
    ledger = Ledger()
    ledger.begin()
    ledger.lease("front-2.1", "bot", 2)
    zombie = ledger.write("front-1.1", "answers", {"id": 1, "state": "sending"}, {"id": 1})
    ledger.write(
        "front-1.1", "objects", {**PLANNED, "state": "live"}, {**PLANNED, "state": "gone"}
    )
    ledger.write("front-2.1", "answers", {"id": 1}, {"id": 1, "state": "sent"})
    record = ledger.judge()

    assert record.zombies == [zombie]
    assert record.front() == "front-2.1"
