"""Runs as a front has them, in memory. The test says what becomes of them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bot.core.jobs import Job, Phase, Snapshot
from bot.core.ports.runs import LiveWorker, Look, SeenRun


def a_run(job: Job, *, worker: str = "", failures: int = 0) -> SeenRun:
    """Return a run of a job, which has moved nothing yet."""
    return SeenRun(
        job.id,
        job.id,
        worker,
        Snapshot(0, 0, None, Phase.FETCHING),
        cancel_requested=False,
        cancel_asked=False,
        failures=failures,
    )


class FakeRuns:
    """Implements `RunLedger`. `may_look` holds looks back."""

    def __init__(self, jobs: Mapping[int, Job], *, slots: int = 1) -> None:
        self.jobs = dict(jobs)
        self.runs: dict[int, SeenRun] = {}
        self.lost = 0
        self.may_look = asyncio.Event()
        self.may_look.set()
        self._slots = slots

    async def hand_over(self, job_id: int, place: str, now: datetime) -> None:
        """Make a run of a job that has none."""
        del place, now
        self.runs.setdefault(job_id, a_run(self.jobs[job_id]))

    async def look(self, jobs: Collection[int]) -> Look:
        """Look at all runs, and at those of `jobs` that have none."""
        await self.may_look.wait()
        others = {id_: self.jobs[id_] for id_ in jobs if id_ not in self.runs}
        worker = LiveWorker("one", self._slots, "cloud", "", "1")
        return Look(dict(self.runs), others, [worker], lost=self.lost)

    async def cancel(self, job_id: int) -> bool:
        """No worker has it."""
        self.runs.pop(job_id, None)
        return False

    async def take_back(
        self, now: datetime, vanished: Collection[int], *, judges: bool
    ) -> Sequence[Job]:
        """Put the jobs of all workers back."""
        del now, vanished
        if judges:
            self.lost = 0
            self.runs = {id_: run for id_, run in self.runs.items() if not run.worker}
        return ()
