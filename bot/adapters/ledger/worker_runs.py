"""Runs in SQL as a worker has them, on a server: it takes one, tells of its progress, and ends it
with the attempt. Each change needs the worker's lease. `runs.py` is the half of the front.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    select,
    tuple_,
    update,
)

from bot.adapters.ledger import jobs as job_rows
from bot.adapters.ledger import objects
from bot.adapters.ledger.connection import Lease
from bot.adapters.ledger.database import Database, SqlPart, reads, writes
from bot.adapters.ledger.leases import WORKER
from bot.adapters.ledger.ledger import SqlJobs
from bot.adapters.ledger.rows import insert_for
from bot.adapters.ledger.runs import SERVER_NOW, TELL, instant, live_workers, to_microseconds
from bot.adapters.ledger.schema import jobs, runs, workers
from bot.core.jobs import Job, JobState, Snapshot, StoredObject
from bot.core.ports.jobs import Claim, Finished, NewObject
from bot.core.ports.runs import CLOUD, TakenRun
from bot.core.ports.store import StoreTime

P = ParamSpec("P")
T = TypeVar("T")

LARGEST_DIFFERENCE: Final = timedelta(seconds=5)
"""Of the clocks of front and worker, up to which they count as the same."""
NEWS: Final = timedelta(seconds=1)
"""A change of the clock of OSS that the front has to know."""
TOLD_EVERY: Final = 30.0
"""Seconds (real) between two reports of the time of OSS without a change."""
MOST_CLAIMS: Final = 1000
"""The newest claims, of which is remembered when they were made."""


def register(  # noqa: PLR0913, PLR0917 -- what a worker says of itself.
    connection: Connection,
    lease: Lease,
    slots: int,
    place: str,
    root: str,
    version: str,
    obstacle: str,
) -> None:
    """Note a worker and how many jobs it takes; what it knows of the time of OSS stays."""
    values = {
        "name": lease.name.removeprefix(WORKER),
        "fence": lease.fence,
        "slots": slots,
        "place": place,
        "root": root,
        "version": version,
        "started_at": SERVER_NOW,
        "obstacle": obstacle,
    }
    connection.execute(
        insert_for(connection, workers)
        .values(values)
        .on_conflict_do_update(
            index_elements=["name"], set_={k: v for k, v in values.items() if k != "name"}
        )
    )
    connection.execute(TELL)


def has_others(connection: Connection, lease: Lease, place: str) -> bool:
    """Return whether another worker than that of the lease takes jobs of this place."""
    mine = lease.name.removeprefix(WORKER)
    return any(
        other.slots and other.place == place and other.name != mine
        for other in live_workers(connection, {})
    )


def _is_run_of(lease: Lease) -> ColumnElement[bool]:
    return (runs.c.worker == lease.name.removeprefix(WORKER)) & (runs.c.fence == lease.fence)


def find(connection: Connection, run_id: int) -> TakenRun | None:
    """Return a run that no worker has taken."""
    row = connection.execute(
        select(runs.c.job_id, jobs.c.owner_id)
        .join(jobs, jobs.c.id == runs.c.job_id)
        .where(runs.c.id == run_id, runs.c.worker == "")
    ).one_or_none()
    return None if row is None else TakenRun(run_id, row.job_id, row.owner_id)


def claim(  # noqa: PLR0913, PLR0917 -- the claim of a job, and that of its run.
    connection: Connection,
    job_id: int,
    run_id: int,
    now: datetime,
    plan: Callable[[Job], NewObject] | None,
    lease: Lease,
    boot_id: str,
) -> Claim | None:
    """Take a run that no worker has, and claim its job for one attempt."""
    taken = connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.job_id == job_id, runs.c.worker == "")
        .values(worker=lease.name.removeprefix(WORKER), fence=lease.fence)
        .returning(runs.c.handed_at)
    ).scalar_one_or_none()
    if taken is None:
        return None
    # By the clock of the front, which found it due.
    claimed = objects.claim(connection, job_id, max(now, taken), plan, boot_id)
    if claimed is None:
        connection.execute(delete(runs).where(runs.c.id == run_id))
        connection.execute(TELL)
        return None
    attempt = {"attempt": claimed.job.attempt, "total": claimed.job.file.announced_size}
    connection.execute(update(runs).where(runs.c.id == run_id).values(attempt))
    return claimed


def ends_run(
    operation: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Connection, P], T]:
    """Let the end of an attempt be that of its run, in the same transaction. The operation has the
    job as its first argument.
    """

    @wraps(operation)
    def ending(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result = operation(connection, *args, **kwargs)
        job: Any = kwargs.get("job") or args[0]
        _end_run(connection, job)
        return result

    return ending


def _end_run(connection: Connection, job: Job) -> None:
    is_it = (runs.c.job_id == job.id) & (runs.c.attempt == job.attempt)
    connection.execute(delete(runs).where(is_it))
    connection.execute(TELL)


def retry_later(  # noqa: PLR0913 -- that of a job, by keyword.
    connection: Connection,
    job: Job,
    run_at: datetime,
    code: str,
    *,
    claimed_at: datetime | None,
    abandon_at: datetime | None = None,
    unexpected: int = 0,
) -> bool:
    """Put a running job back for another attempt, due by the clock of the front; `claimed_at` is
    when this worker took it, by its own clock.
    """
    handed_at = connection.execute(
        select(runs.c.handed_at).where(runs.c.job_id == job.id, runs.c.attempt == job.attempt)
    ).scalar_one_or_none()
    if handed_at is not None and claimed_at is not None:
        # Less is the way of the run to this worker.
        behind = handed_at - claimed_at
        run_at += behind if abs(behind) > LARGEST_DIFFERENCE else timedelta(0)
    return job_rows.retry_later(
        connection, job, run_at, code, abandon_at=abandon_at, unexpected=unexpected
    )


def cancel_waiting(connection: Connection, job_id: int, now: datetime) -> Job | None:
    """Cancel a queued job, and tell the front."""
    job = job_rows.cancel_waiting(connection, job_id, now)
    if job is not None:
        connection.execute(TELL)
    return job


def tell(
    connection: Connection,
    lease: Lease,
    progress: Mapping[int, Snapshot],
) -> None:
    """Note the progress of runs, by job."""
    statement = update(runs).where(_is_run_of(lease), runs.c.job_id == bindparam("job"))
    connection.execute(
        statement.values({name: bindparam(f"new_{name}") for name in _PROGRESS}),
        [
            {"job": job_id, **{f"new_{name}": getattr(now, name) for name in _PROGRESS}}
            for job_id, now in progress.items()
        ],
    )
    connection.execute(TELL)


_PROGRESS: Final = ("phase", "total", "downloaded", "uploaded", "stored")


def cancelled(connection: Connection, job_ids: Collection[int]) -> set[int]:
    """Return those of these jobs that are to be cancelled."""
    asked = select(runs.c.job_id).where(runs.c.job_id.in_(job_ids), runs.c.cancel_asked)
    return set(connection.execute(asked).scalars())


def mine(connection: Connection, lease: Lease) -> dict[int, int]:
    """Return the runs that a worker has by the ledger: their jobs, by run."""
    rows = connection.execute(select(runs.c.id, runs.c.job_id).where(_is_run_of(lease)))
    return {row.id: row.job_id for row in rows}


def give_up(connection: Connection, lease: Lease, run_ids: Collection[int]) -> None:
    """Put the jobs of runs back that a worker has by the ledger, and does not run."""
    is_it = _is_run_of(lease) & runs.c.id.in_(run_ids)
    gone = connection.execute(
        delete(runs).where(is_it).returning(runs.c.job_id, runs.c.attempt)
    ).all()
    is_attempt = tuple_(jobs.c.id, jobs.c.attempt).in_([tuple(row) for row in gone])
    connection.execute(
        update(jobs)
        .where(is_attempt, jobs.c.state == JobState.RUNNING.value)
        .values(state=JobState.QUEUED.value)
    )
    connection.execute(TELL)


def tell_time(connection: Connection, lease: Lease, oss_now: Callable[[], datetime]) -> None:
    """Note by how much the clock of OSS is ahead of that of the server."""
    now = connection.execute(select(SERVER_NOW)).scalar_one()
    ahead = to_microseconds(oss_now() - instant(now))
    connection.execute(
        update(workers)
        .where(workers.c.name == lease.name.removeprefix(WORKER), workers.c.fence == lease.fence)
        .values(oss_ahead=ahead, oss_told_at=SERVER_NOW)
    )


class SqlWorkerJobs(SqlJobs):
    """Implements `JobLedger` for a worker: the jobs are those of its runs. `run_of` returns the
    run of a job of this process; `tell_time` tells the front the time of OSS, where it is news.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        run_of: Callable[[int], int],
        tell_time: Callable[[], Awaitable[None]],
        *,
        boot_id: str,
    ) -> None:
        super().__init__(database, boot_id=boot_id)
        self._lease = lease
        self._run_of = run_of
        self._tell_time = tell_time
        self._claimed_at: dict[int, datetime] = {}

    give_back = writes(ends_run(job_rows.give_back))
    _retry_later = writes(ends_run(retry_later))
    _finish = writes(ends_run(job_rows.finish))
    fail = writes(ends_run(job_rows.fail))
    cancel = writes(ends_run(job_rows.cancel))
    cancel_waiting = writes(cancel_waiting)

    async def claim(
        self, job_id: int, now: datetime, plan: Callable[[Job], NewObject] | None = None
    ) -> Claim | None:
        """Take the run of a job, and claim the job."""
        claimed = await self._database.write(
            claim, job_id, self._run_of(job_id), now, plan, self._lease, self._boot_id
        )
        if claimed is not None:
            self._claimed_at[job_id] = now
            while len(self._claimed_at) > MOST_CLAIMS:
                del self._claimed_at[next(iter(self._claimed_at))]
        return claimed

    async def retry_later(
        self,
        job: Job,
        run_at: datetime,
        code: str,
        *,
        abandon_at: datetime | None = None,
        unexpected: int = 0,
    ) -> bool:
        """Put a running job back for another attempt."""
        claimed_at = self._claimed_at.get(job.id)
        return await self._retry_later(
            job, run_at, code, claimed_at=claimed_at, abandon_at=abandon_at, unexpected=unexpected
        )

    async def finish(
        self, job: Job, stored: StoredObject, result: Finished, now: datetime
    ) -> bool:
        """Mark a job DONE; the front knows the time of OSS by which its link ends."""
        await self._tell_time()
        return await self._finish(job, stored, result, now)


class SqlWorker(SqlPart):
    """Implements `WorkerLedger`."""

    def __init__(  # noqa: PLR0913 -- what a worker says of itself, by keyword.
        self,
        database: Database,
        lease: Lease,
        time: StoreTime,
        oss_now: Callable[[], datetime],
        *,
        place: str = CLOUD,
        root: str = "",
        version: str,
    ) -> None:
        super().__init__(database)
        self._lease = lease
        self._time = time
        self._oss_now = oss_now
        self._place = place
        self._root = root
        self._version = version
        self._told: tuple[timedelta, float] | None = None

    find = reads(find)
    cancelled = reads(cancelled)

    async def register(self, slots: int, obstacle: str = "") -> None:
        """Note that this worker takes so many jobs at once."""
        await self._database.write(
            register, self._lease, slots, self._place, self._root, self._version, obstacle
        )

    async def has_others(self) -> bool:
        """Return whether another worker takes jobs of the same place now."""
        return await self._database.read(has_others, self._lease, self._place)

    async def mine(self) -> Mapping[int, int]:
        """Return the runs that this worker has by the ledger: their jobs, by run."""
        return await self._database.read(mine, self._lease)

    async def give_up(self, run_ids: Collection[int]) -> None:
        """Put the jobs of runs back that this worker does not run."""
        await self._database.write(give_up, self._lease, run_ids)

    async def tell(self, progress: Mapping[int, Snapshot]) -> None:
        """Note the progress of runs, by job."""
        await self._database.write(tell, self._lease, progress)

    async def tell_time(self) -> None:
        """Note what OSS has told of its time, where it is news."""
        offset, now = self._time.offset, time.monotonic()
        if not self._time.is_current:
            return
        if self._told is not None:
            before, at = self._told
            if abs(offset - before) < NEWS and now - at < TOLD_EVERY:
                return
        await self._database.write(tell_time, self._lease, self._oss_now)
        self._told = offset, now
