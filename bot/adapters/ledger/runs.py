"""Runs and workers in SQL, on a server. All times are those of its clock, but for `handed_at`,
which is the front's, so that a worker with another clock takes a job that the front found due.

A run is held by its worker's lease. The front judges: it fences a worker whose lease has ended,
and from then on that worker writes nothing any more.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)

from bot.adapters.ledger import jobs as job_rows
from bot.adapters.ledger import objects, recovery
from bot.adapters.ledger.connection import Lease
from bot.adapters.ledger.database import Database, SqlPart, reads, writes
from bot.adapters.ledger.leases import NOW, WORKER
from bot.adapters.ledger.ledger import SqlJobs, SqlObjects
from bot.adapters.ledger.rows import Instant, insert_for, read_rows, to_object
from bot.adapters.ledger.schema import jobs, leases, runs, workers
from bot.adapters.ledger.schema import objects as object_rows
from bot.core.errors import LedgerLocked
from bot.core.jobs import Job, JobState, ObjectState, Phase, Snapshot, StoredObject
from bot.core.ports.jobs import Claim, Finished, NewObject, Recovered
from bot.core.ports.runs import (
    CLOUD,
    LINKS_ENDED,
    Defer,
    LiveWorker,
    Look,
    SeenRun,
    TakenRun,
    Withdraw,
)
from bot.core.ports.store import StoreTime

P = ParamSpec("P")
T = TypeVar("T")

UNTAKEN_FOR: Final = timedelta(seconds=5)
"""After which the engine is asked whether it still has a run that no worker has taken."""
LARGEST_DIFFERENCE: Final = timedelta(seconds=5)
"""Of the clocks of front and worker, up to which they count as the same."""
NEWS: Final = timedelta(seconds=1)
"""A change of the clock of OSS that the front has to know."""
TOLD_EVERY: Final = 30.0
"""Seconds (real) between two reports of the time of OSS without a change."""
MOST_CLAIMS: Final = 1000
"""The newest claims, of which is remembered when they were made."""
REMEMBERED_FOR: Final = timedelta(days=1)
"""How long a worker that is gone is listed."""

_NOW: Final[ColumnElement[int]] = literal_column(NOW)
_PREFIX: Final = literal_column(f"'{WORKER}'", Text)
_LEASE_NAME: Final = _PREFIX.concat(workers.c.name)
_LEASE_OF_RUN: Final = _PREFIX.concat(runs.c.worker)
_TELL: Final = text("SELECT pg_notify('relay_runs', '')")
_TELL_ENDED: Final = text(f"SELECT pg_notify('relay_runs', '{LINKS_ENDED}')")
_HOLDS: Final = (
    select(leases.c.name)
    .where(
        leases.c.name == _LEASE_OF_RUN,
        leases.c.fence == runs.c.fence,
        leases.c.expires_at > _NOW,
    )
    .exists()
)
"""Whether the worker of a run holds its lease."""


def _micro(delta: timedelta) -> int:
    return delta // timedelta(microseconds=1)


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def by_driver(connection: Connection, what: Callable[[Any], T]) -> T:
    """Do something by the connection of the driver."""
    return what(_raw(connection))


def hand_over(
    connection: Connection, job_id: int, place: str, now: datetime, defer: Defer
) -> None:
    """Make a run of a queued job, and give it to the engine."""
    job = select(
        jobs.c.id,
        bindparam("place", place),
        bindparam("now", now, type_=Instant),
        _NOW,
    ).where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED.value)
    made = connection.execute(
        insert_for(connection, runs)
        .from_select(["job_id", "place", "handed_at", "made_at"], job)
        .on_conflict_do_nothing(index_elements=["job_id"])
        .returning(runs.c.id)
    )
    run_id = made.scalar_one_or_none()
    if run_id is not None:
        number = defer(_raw(connection), run_id, place)
        connection.execute(update(runs).where(runs.c.id == run_id).values(engine_id=number))


def look(connection: Connection, wanted: Collection[int], now: Callable[[], datetime]) -> Look:
    """Look at all runs and workers, and at those of the `wanted` jobs that have no run."""
    found: dict[int, SeenRun] = {}
    lost, running, untaken = 0, dict[str, int](), dict[int, int | None]()
    is_old = (runs.c.made_at < _NOW - _micro(UNTAKEN_FOR)).label("is_old")
    rows = connection.execute(
        select(runs, jobs.c.cancel_requested, jobs.c.failures, _HOLDS.label("holds"), is_old)
        .select_from(runs)
        .join(jobs, jobs.c.id == runs.c.job_id)
    )
    for row in rows:
        found[row.job_id] = SeenRun(
            row.id,
            row.job_id,
            row.worker,
            Snapshot(row.downloaded, row.uploaded, row.total, Phase(row.phase), row.stored),
            cancel_requested=row.cancel_requested,
            cancel_asked=row.cancel_asked,
            failures=row.failures,
        )
        lost += bool(row.worker) and not row.holds
        if not row.worker and row.is_old:
            untaken[row.id] = row.engine_id
        running[row.worker] = running.get(row.worker, 0) + 1
    others = job_rows.get_many(connection, [one for one in wanted if one not in found])
    offset, told_at = _time_of_oss(connection, now)
    return Look(
        found,
        {job.id: job for job in others},
        live_workers(connection, running),
        lost=lost,
        untaken=untaken,
        oss_offset=offset,
        told_at=told_at,
    )


def _time_of_oss(
    connection: Connection, now: Callable[[], datetime]
) -> tuple[timedelta | None, datetime | None]:
    newest = (
        select(workers.c.oss_ahead, workers.c.oss_told_at, _NOW.label("now"))
        .where(workers.c.oss_told_at.is_not(None))
        .order_by(workers.c.oss_told_at.desc())
        .limit(1)
    )
    row = connection.execute(newest).one_or_none()
    if row is None:
        return None, None
    return instant(row.now + row.oss_ahead) - now(), row.oss_told_at


def instant(microseconds: int) -> datetime:
    """Return the moment so many microseconds after the beginning of 1970."""
    moment: datetime = Instant().process_result_value(microseconds, None)  # type: ignore[arg-type] # It needs no dialect.
    return moment


def live_workers(connection: Connection, running: Mapping[str, int]) -> list[LiveWorker]:
    """Return the workers that hold their leases, by name; `running` counts runs by worker."""
    rows = connection.execute(
        select(workers, leases.c.holder)
        .select_from(workers)
        .join(leases, leases.c.name == _LEASE_NAME)
        .where(leases.c.fence == workers.c.fence, leases.c.expires_at > _NOW)
        .order_by(workers.c.name)
    )
    return [
        LiveWorker(
            row.name,
            row.places,
            row.place,
            row.root,
            row.version,
            running.get(row.name, 0),
            row.holder,
            row.started_at,
            row.obstacle,
        )
        for row in rows
    ]


def list_workers(connection: Connection) -> list[LiveWorker]:
    """Return the workers that hold their leases, with the number of their runs."""
    counted = select(runs.c.worker, func.count()).group_by(runs.c.worker)
    running = {row[0]: row[1] for row in connection.execute(counted)}
    return live_workers(connection, running)


def cancel(connection: Connection, job_id: int, withdraw: Withdraw) -> bool:
    """Ask the worker to cancel a job; remove a run that none has taken, and return `False`."""
    asked = connection.execute(
        update(runs)
        .where(runs.c.job_id == job_id)
        .values(cancel_asked=True)
        .returning(runs.c.id, runs.c.engine_id, runs.c.worker)
    ).one_or_none()
    if asked is None:
        return False
    if asked.engine_id is not None:
        withdraw(_raw(connection), asked.engine_id)
    if asked.worker:
        return True
    connection.execute(delete(runs).where(runs.c.id == asked.id))
    return False


def take_back(
    connection: Connection,
    now: datetime,
    vanished: Collection[int],
    withdraw: Withdraw,
    *,
    judges: bool,
) -> list[Job]:
    """With `judges`, fence workers whose leases have ended and put their jobs back; return those
    that were ended. Remove the runs `vanished` that are untaken.
    """
    connection.execute(delete(runs).where(runs.c.id.in_(vanished), runs.c.worker == ""))
    if not judges:
        return []
    lost = connection.execute(select(runs).where(runs.c.worker != "", ~_HOLDS)).all()
    ended = []
    for name, fence in {(run.worker, run.fence) for run in lost}:
        connection.execute(
            update(leases)
            .where(leases.c.name == f"{WORKER}{name}", leases.c.fence == fence)
            .where(leases.c.expires_at <= _NOW)
            .values(fence=leases.c.fence + 1)
        )
        attempts = {run.job_id: run.attempt for run in lost if run.worker == name}
        ended += recovery.put_back(connection, now, attempts)
    for run in lost:
        if run.engine_id is not None:
            withdraw(_raw(connection), run.engine_id)
    connection.execute(delete(runs).where(runs.c.id.in_([run.id for run in lost])))
    _forget_workers(connection)
    return ended


def _forget_workers(connection: Connection) -> None:
    held = select(leases.c.name).where(
        leases.c.name == _LEASE_NAME, leases.c.expires_at > _NOW - _micro(REMEMBERED_FOR)
    )
    connection.execute(delete(workers).where(~held.exists()))


def begin_alone(connection: Connection) -> None:
    """Remove the runs of workers that are gone: from now on this process runs all jobs.

    Raises:
        LedgerLocked: workers run jobs of this ledger.
    """
    busy = connection.execute(select(runs.c.worker).where(_HOLDS).limit(1)).scalar_one_or_none()
    if busy is not None:
        raise LedgerLocked(
            f"the worker {busy} runs jobs of this ledger: stop it, or start with --role front"
        )
    connection.execute(delete(runs))


def recover(connection: Connection, now: datetime, *, shells_run: bool) -> Recovered:
    """Recover as `recovery.recover` does, and leave what was handed over to workers alone."""
    is_mine = jobs.c.id.not_in(select(runs.c.job_id))
    return recovery.recover(connection, now, {}, shells_run=shells_run, which=is_mine)


HELD_FOR: Final = timedelta(seconds=20)
"""How long a process has what is due for itself: it removes it within seconds, or died."""
_DUE_FOR_ONE: Final = objects.DUE_IN_STATE.with_for_update(of=object_rows, skip_locked=True)


def take_due(
    connection: Connection,
    now: datetime,
    state: ObjectState,
    limit: int,
    held: dict[int, datetime],
) -> list[StoredObject]:
    """Return objects that are due, and hold them back from other processes for a while; note in
    `held` until when.
    """
    given = {"now": now, "state": state.value, "limit": limit}
    rows = connection.execute(_DUE_FOR_ONE, given)
    found = read_rows(connection, object_rows, rows.mappings(), to_object)
    until = now + HELD_FOR
    # Here and not by the caller, which may be cancelled after the commit. What was not committed
    # is not held by anyone, so that `release` leaves it alone.
    held.update((one.id, until) for one in found)
    taken = update(object_rows).where(object_rows.c.id.in_([one.id for one in found]))
    connection.execute(taken.values(not_before=until))
    return found


def release(connection: Connection, held: Mapping[int, datetime]) -> None:
    """Let others have what is still held until these moments: what was removed or postponed since
    has another one, and what is gone stays gone.
    """
    is_held = tuple_(object_rows.c.id, object_rows.c.not_before).in_(list(held.items()))
    is_left = object_rows.c.state != ObjectState.GONE.value
    connection.execute(update(object_rows).where(is_held, is_left).values(not_before=None))


def gone(connection: Connection, object_ids: Sequence[int], now: datetime) -> None:
    """Record that objects and uploads are gone, and tell the front, which corrects answers."""
    objects.gone(connection, object_ids, now)
    connection.execute(_TELL_ENDED)


class SqlSharedObjects(SqlObjects):
    """Implements `ObjectLedger` where several processes remove what is due."""

    gone = writes(gone)

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._held: dict[int, datetime] = {}

    async def take_due(self, now: datetime, state: ObjectState, limit: int) -> list[StoredObject]:
        """Return objects that are due, and hold them for this process."""
        self._held = {id_: until for id_, until in self._held.items() if until > now}
        return await self._database.write(take_due, now, state, limit, self._held)

    async def release(self) -> None:
        """Let others have what this process holds.

        Raises:
            LedgerUnusable: the server is away; it passes by itself.
        """
        held, self._held = self._held, {}
        if held:
            await self._database.try_write(release, held)


class SqlFrontJobs(SqlJobs):
    """Implements `JobLedger` for a front, which runs no job itself."""

    async def recover(self, now: datetime, progress: Mapping[int, int] | None = None) -> Recovered:
        """Recover what a process has left that ran jobs itself."""
        del progress
        shells_run = await self._database.sends()
        return await self._database.write(recover, now, shells_run=shells_run)


class SqlRuns(SqlPart):
    """Implements `RunLedger`. `now` is the time of this process."""

    def __init__(
        self, database: Database, defer: Defer, withdraw: Withdraw, now: Callable[[], datetime]
    ) -> None:
        super().__init__(database)
        self._defer = defer
        self._withdraw = withdraw
        self._now = now

    async def hand_over(self, job_id: int, place: str, now: datetime) -> None:
        """Make a run of a queued job, and give it to the engine."""
        await self._database.write(hand_over, job_id, place, now, self._defer)

    async def look(self, jobs: Collection[int]) -> Look:
        """Look at all runs and workers, and at those of `jobs` that have no run."""
        return await self._database.read(look, jobs, self._now)

    async def cancel(self, job_id: int) -> bool:
        """Ask the worker to cancel a job."""
        return await self._database.write(cancel, job_id, self._withdraw)

    async def take_back(
        self, now: datetime, vanished: Collection[int], *, judges: bool
    ) -> Sequence[Job]:
        """Put the jobs of workers without a lease back, and remove vanished runs."""
        return await self._database.write(take_back, now, vanished, self._withdraw, judges=judges)


# ---- what a worker does ----


def register(  # noqa: PLR0913, PLR0917 -- what a worker says of itself.
    connection: Connection,
    lease: Lease,
    places: int,
    place: str,
    root: str,
    version: str,
    obstacle: str,
) -> None:
    """Note a worker and how many jobs it takes; what it knows of the time of OSS stays."""
    values = {
        "name": lease.name.removeprefix(WORKER),
        "fence": lease.fence,
        "places": places,
        "place": place,
        "root": root,
        "version": version,
        "started_at": _NOW,
        "obstacle": obstacle,
    }
    connection.execute(
        insert_for(connection, workers)
        .values(values)
        .on_conflict_do_update(
            index_elements=["name"], set_={k: v for k, v in values.items() if k != "name"}
        )
    )
    connection.execute(_TELL)


def has_others(connection: Connection, lease: Lease, place: str) -> bool:
    """Return whether another worker than that of the lease takes jobs of this place."""
    mine = lease.name.removeprefix(WORKER)
    return any(
        other.places and other.place == place and other.name != mine
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
        connection.execute(_TELL)
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
    connection.execute(_TELL)


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
        connection.execute(_TELL)
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
    connection.execute(_TELL)


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
    connection.execute(_TELL)


def tell_time(connection: Connection, lease: Lease, oss_now: Callable[[], datetime]) -> None:
    """Note by how much the clock of OSS is ahead of that of the server."""
    now = connection.execute(select(_NOW)).scalar_one()
    ahead = _micro(oss_now() - instant(now))
    connection.execute(
        update(workers)
        .where(workers.c.name == lease.name.removeprefix(WORKER), workers.c.fence == lease.fence)
        .values(oss_ahead=ahead, oss_told_at=literal_column(NOW))
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

    async def register(self, places: int, obstacle: str = "") -> None:
        """Note that this worker takes so many jobs at once."""
        await self._database.write(
            register, self._lease, places, self._place, self._root, self._version, obstacle
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
