"""A front and workers in one ledger on a server, without anything that runs."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.adapters.engine import defer, make_tables, withdraw
from bot.adapters.ledger.database import Database, open_alone, open_as_worker
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.postgresql import change
from bot.adapters.ledger.runs import (
    SqlFrontJobs,
    SqlRuns,
)
from bot.adapters.ledger.worker_runs import SqlWorker, SqlWorkerJobs
from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import Job, Origin, Placement
from bot.core.ports.jobs import Claim, Finished, NewObject
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import CLOUD
from tests.fakes.ledger import execute

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESULT = Finished(5, "ab" * 32, NOW + timedelta(hours=24), NOW)


class Time:
    """What a worker knows of the clock of OSS."""

    offset = timedelta(0)
    is_current = True
    clock_was_set = False


@dataclass
class Worker:
    """A worker of a test. `run` is the run that it takes next."""

    database: Database
    ledger: SqlWorker
    jobs: SqlWorkerJobs
    time: Time
    run: int = 0


class Cluster:
    """A front and workers on one ledger; each has its connections and its lease."""

    def __init__(self, place: LedgerServer, stack: AsyncExitStack) -> None:
        self.place = place
        self.now = NOW
        self.oss_now = NOW
        self._stack = stack
        self._messages = 0

    async def open(self) -> "Cluster":
        """Open the front."""
        self.front = await self._stack.enter_async_context(open_alone(self.place))
        await asyncio.to_thread(change, self.place, make_tables)
        self.runs = SqlRuns(self.front, defer, withdraw, lambda: self.now)
        self.ledger = SqlLedger(self.front, jobs=SqlFrontJobs(self.front))
        return self

    async def worker(self, name: str, slots: int = 2) -> Worker:
        """Open a worker."""
        opening = open_as_worker(self.place, name, waits=lambda _: None)
        database = await self._stack.enter_async_context(opening)
        time, lease = Time(), database.lease
        assert lease is not None
        ledger = SqlWorker(database, lease, time, lambda: self.oss_now, version="1")
        made = Worker(database, ledger, None, time)  # type: ignore[arg-type] # Set below.
        made.jobs = SqlWorkerJobs(
            database, lease, lambda _: made.run, ledger.tell_time, boot_id="b"
        )
        await ledger.register(slots)
        return made

    async def accept(self) -> Job:
        """Accept a job."""
        self._messages += 1
        origin = Origin(1, 700, self._messages, 700)
        file = IncomingFile(
            f"id{self._messages}", f"u{self._messages}", FileKind.DOCUMENT, "a.bin", None, 5
        )
        job = await self.ledger.jobs.accept(origin, file, self.now)
        assert job is not None
        return job

    async def handed_over(self) -> Job:
        """Accept a job and hand it over."""
        job = await self.accept()
        await self.runs.hand_over(job.id, CLOUD, self.now)
        return job

    async def claimed(self, worker: Worker, job: Job, **more: Any) -> Claim:
        """Let a worker take the run of a job."""
        claim = await self.claim(worker, job, **more)
        assert claim is not None
        return claim

    async def claim(self, worker: Worker, job: Job, now: datetime | None = None) -> Claim | None:
        """Let a worker try to take the run of a job."""
        worker.run = (await self.runs.look([])).runs[job.id].id
        return await worker.jobs.claim(job.id, now or self.now, self.plan)

    def plan(self, job: Job) -> NewObject:
        """Plan an object."""
        return NewObject(f"key/{job.id}/{job.attempt}", self.now + timedelta(hours=1), Placement())

    def lose(self, name: str) -> None:
        """End the lease of a worker, as if it had stood still."""
        lease = f"name = 'worker-{name}'"
        execute(self.place, f"UPDATE leases SET expires_at = 0 WHERE {lease}")  # noqa: S608

    async def take_back(self) -> list[Job]:
        """Judge."""
        return list(await self.runs.take_back(self.now, [], judges=True))

    def deferred(self) -> list[Any]:
        """The jobs of the engine."""
        return execute(self.place, "SELECT args FROM procrastinate_jobs ORDER BY id")
