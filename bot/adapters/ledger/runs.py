"""Runs and workers in SQL, on a server, as a front has them, and the deletions that several
processes share; `worker_runs.py` is the half of the workers. All times are those of the server's
clock, but for `handed_at`, which is the front's, so that a worker with another clock takes a job
that the front found due.

A run is held by its worker's lease. The front judges: it fences a worker whose lease has ended,
and from then on that worker writes nothing any more.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

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
from bot.adapters.ledger.database import Database, SqlPart, writes
from bot.adapters.ledger.leases import NOW, WORKER
from bot.adapters.ledger.ledger import SqlJobs, SqlObjects
from bot.adapters.ledger.rows import Instant, insert_for, read_rows, to_object
from bot.adapters.ledger.schema import jobs, leases, runs, workers
from bot.adapters.ledger.schema import objects as object_rows
from bot.core.errors import LedgerLocked
from bot.core.jobs import Job, JobState, ObjectState, Phase, Snapshot, StoredObject
from bot.core.ports.jobs import Recovered
from bot.core.ports.runs import (
    LINKS_ENDED,
    Defer,
    LiveWorker,
    Look,
    SeenRun,
    Withdraw,
)

P = ParamSpec("P")
T = TypeVar("T")

UNTAKEN_FOR: Final = timedelta(seconds=5)
"""After which the engine is asked whether it still has a run that no worker has taken."""
REMEMBERED_FOR: Final = timedelta(days=1)
"""How long a worker that is gone is listed."""

SERVER_NOW: Final[ColumnElement[int]] = literal_column(NOW)
_PREFIX: Final = literal_column(f"'{WORKER}'", Text)
_LEASE_NAME: Final = _PREFIX.concat(workers.c.name)
_LEASE_OF_RUN: Final = _PREFIX.concat(runs.c.worker)
TELL: Final = text("SELECT pg_notify('relay_runs', '')")
_TELL_ENDED: Final = text(f"SELECT pg_notify('relay_runs', '{LINKS_ENDED}')")
_HOLDS: Final = (
    select(leases.c.name)
    .where(
        leases.c.name == _LEASE_OF_RUN,
        leases.c.fence == runs.c.fence,
        leases.c.expires_at > SERVER_NOW,
    )
    .exists()
)
"""Whether the worker of a run holds its lease."""


def to_microseconds(delta: timedelta) -> int:
    """Return a duration as the server counts it."""
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
        SERVER_NOW,
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
    is_old = (runs.c.made_at < SERVER_NOW - to_microseconds(UNTAKEN_FOR)).label("is_old")
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
        select(workers.c.oss_ahead, workers.c.oss_told_at, SERVER_NOW.label("now"))
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
        .where(leases.c.fence == workers.c.fence, leases.c.expires_at > SERVER_NOW)
        .order_by(workers.c.name)
    )
    return [
        LiveWorker(
            row.name,
            row.slots,
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
            .where(leases.c.expires_at <= SERVER_NOW)
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
        leases.c.name == _LEASE_NAME,
        leases.c.expires_at > SERVER_NOW - to_microseconds(REMEMBERED_FOR),
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
