"""Objects and their due dates in SQL."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    union,
    update,
)

from bot.adapters.ledger.jobs import IS_UNFINISHED, UNFINISHED, acquire
from bot.adapters.ledger.rows import NO_TIME, Instant, beside, is_not, read_rows, to_job, to_object
from bot.adapters.ledger.schema import PROGRESSED, answers, jobs, objects
from bot.core.jobs import Ending, Job, ObjectState, Placement, StoredObject
from bot.core.ports.jobs import Claim, NewObject, Prepared

_IS_LEFT = is_not(objects.c.state, ObjectState.GONE.value)
# All that is live is left: the first condition leads to the index.
IS_LIVE = _IS_LEFT & (objects.c.state == ObjectState.LIVE.value)
# A planned object belongs to its job until that has ended, and then to the reaper.
_HAS_NO_RUNNER = or_(
    IS_LIVE,
    objects.c.ending.is_not(None),
    jobs.c.state.not_in(UNFINISHED),
)

NATURAL_ENDING = case((IS_LIVE, Ending.EXPIRED.value), else_=Ending.UNDONE.value)

_NOW = bindparam("now", type_=Instant)
# Each part has an index of its own. What was ended by a decision is due at once, whichever clock
# the decision was noted with.
_MAY_BE_DUE = union(
    select(objects.c.id).where(_IS_LEFT, objects.c.due_at <= _NOW),
    select(objects.c.id).where(_IS_LEFT, objects.c.ending.is_not(None)),
    # No time at all: text, in SQLite, is greater than every number.
    select(objects.c.id).where(_IS_LEFT, objects.c.due_at >= literal_column(f"{NO_TIME}")),
)
DUE = (
    select(objects)
    .join(jobs, objects.c.job_id == jobs.c.id)
    .where(objects.c.id.in_(_MAY_BE_DUE), _HAS_NO_RUNNER)
    .where(
        or_(
            objects.c.not_before.is_(None),
            objects.c.not_before <= _NOW,
            objects.c.not_before >= literal_column(f"{NO_TIME}"),
        )
    )
    .order_by(IS_LIVE.desc(), objects.c.due_at)
    .limit(bindparam("limit", type_=Integer))
)
_LATER_OF_BOTH = case(
    (objects.c.not_before > objects.c.due_at, objects.c.not_before), else_=objects.c.due_at
)
# What was never postponed, in the order of the index: those that a job still uses are due last.
_NEXT_DUE = (
    select(objects.c.due_at)
    .join(jobs, objects.c.job_id == jobs.c.id)
    .where(_IS_LEFT, objects.c.not_before.is_(None), _HAS_NO_RUNNER)
    .order_by(objects.c.due_at)
    .limit(1)
)
_NEXT_POSTPONED = (
    select(_LATER_OF_BOTH)
    .join(jobs, objects.c.job_id == jobs.c.id)
    .where(_IS_LEFT, objects.c.not_before.is_not(None), _HAS_NO_RUNNER)
    .order_by(_LATER_OF_BOTH)
    .limit(1)
)

_PLAN = insert(objects).returning(objects)
_OLDEST_FIRST = select(objects).order_by(beside(objects.c.id))
_PLANNED = _OLDEST_FIRST.where(
    objects.c.job_id == bindparam("job"),
    objects.c.state == ObjectState.PLANNED.value,
    objects.c.ending.is_(None),
)
_OF_JOBS = _OLDEST_FIRST.where(objects.c.job_id.in_(bindparam("jobs", expanding=True)))
_SAME_FILE = (
    select(jobs)
    .join(objects, objects.c.job_id == jobs.c.id)
    .where(jobs.c.bot_id == bindparam("bot"), jobs.c.owner_id == bindparam("owner"))
    .where(jobs.c.file_unique_id == bindparam("file"), jobs.c.id != bindparam("job"))
    .where(IS_LIVE, objects.c.ending.is_(None))
    .where(objects.c.due_at >= bindparam("live_until", type_=Instant))
    .order_by(jobs.c.id.desc())
    .limit(1)
)


def plan(
    connection: Connection,
    job: Job,
    key: str,
    due_at: datetime,
    placement: Placement = Placement(),  # noqa: B008 -- frozen.
) -> StoredObject:
    """Record the intention to create `key`."""
    values = {
        "job_id": job.id,
        "key": key,
        "state": ObjectState.PLANNED.value,
        "due_at": due_at,
        "sweeps": 0,
        "bucket": placement.bucket,
        "region": placement.region,
        "mode": placement.mode or "",
    }
    made = connection.execute(_PLAN, values)
    return to_object(made.mappings().one())


def claim(
    connection: Connection,
    job_id: int,
    now: datetime,
    plan: Callable[[Job], NewObject] | None = None,
    boot_id: str = "",
) -> Claim | None:
    """Claim a queued job that is due for one attempt, and find or plan its object."""
    job = acquire(connection, job_id, now, boot_id)
    if job is None:
        return None
    return Claim(job, None if plan is None else prepare(connection, job, plan(job)))


def prepare(connection: Connection, job: Job, new: NewObject) -> Prepared:
    """Return what a job continues with, or record the intention to create `new`."""
    begun = planned_for(connection, job.id)
    if begun is not None:
        return Prepared(begun=begun)
    if new.alike_until is not None:
        earlier = same_file(connection, job, new.alike_until)
        if earlier is not None:
            return Prepared(earlier=earlier)
    return Prepared(planned=plan(connection, job, new.key, new.due_at, new.placement))


def initiated(connection: Connection, object_id: int, upload_id: str, part_size: int) -> None:
    """Record the upload id and the part size."""
    _update(connection, objects.c.id == object_id, upload_id=upload_id, part_size=part_size)


def progressed(connection: Connection, object_id: int) -> None:
    """Store that the job of this object has made progress since its last crash."""
    is_its_job = (
        jobs.c.id == select(objects.c.job_id).where(objects.c.id == object_id).scalar_subquery()
    )
    connection.execute(update(jobs).where(is_its_job).values(crash_progress=PROGRESSED))


def completing(connection: Connection, object_id: int, at: datetime) -> datetime:
    """Store that OSS may have completed the object at `at`; the earliest moment stays."""
    moment = literal(at, Instant)
    earliest = case((objects.c.completed_at < moment, objects.c.completed_at), else_=moment)
    found: datetime = connection.execute(
        update(objects)
        .where(objects.c.id == object_id)
        .values(completed_at=earliest)
        .returning(objects.c.completed_at)
    ).scalar_one()
    return found


def completed(connection: Connection, object_id: int, at: datetime) -> None:
    """Store that the object was completed at `at` and not before."""
    _update(connection, objects.c.id == object_id, completed_at=at)


def planned_for(connection: Connection, job_id: int) -> StoredObject | None:
    """Return the newest planned object of a job that has not been abandoned."""
    rows = connection.execute(_PLANNED, {"job": job_id})
    found = read_rows(connection, objects, rows.mappings(), to_object)
    return found[-1] if found else None


def of_jobs(connection: Connection, job_ids: Sequence[int]) -> dict[int, StoredObject]:
    """Return the newest object of each of these jobs."""
    rows = connection.execute(_OF_JOBS, {"jobs": list(job_ids)})
    found = read_rows(connection, objects, rows.mappings(), to_object)
    return {stored.job_id: stored for stored in found}


def live_of(connection: Connection, owner_id: int) -> list[tuple[Job, StoredObject]]:
    """Return the live objects of an owner with their jobs, the newest first."""
    return _live_where(connection, beside(jobs.c.owner_id) == owner_id)


def live_in(connection: Connection, chat_ids: Sequence[int]) -> list[tuple[Job, StoredObject]]:
    """Return the live objects that came from these chats with their jobs, the newest first."""
    return _live_where(connection, beside(jobs.c.chat_id).in_(chat_ids))


def same_file(
    connection: Connection, job: Job, live_until: datetime
) -> tuple[Job, StoredObject] | None:
    """Return an earlier job with the same file and owner and an object that lives long enough."""
    given = {
        "bot": job.origin.bot_id,
        "owner": job.origin.owner_id,
        "file": job.file.file_unique_id,
        "job": job.id,
        "live_until": live_until,
    }
    rows = connection.execute(_SAME_FILE, given).mappings()
    found = read_rows(connection, jobs, rows, to_job)
    stored = of_jobs(connection, [earlier.id for earlier in found])
    return next(((job, stored[job.id]) for job in found if job.id in stored), None)


def revoke(connection: Connection, job_id: int, now: datetime) -> bool:
    """Make the live object of a job due now, because its owner deleted it."""
    changed = _update(
        connection,
        objects.c.job_id == job_id,
        IS_LIVE,
        objects.c.ending.is_(None),
        due_at=now,
        ending=Ending.DELETED.value,
        not_before=None,
        attempts=0,
    )
    return changed == 1


def abandon(connection: Connection, object_id: int, now: datetime) -> None:
    """Make a planned object due now."""
    _update(
        connection,
        objects.c.id == object_id,
        objects.c.state == ObjectState.PLANNED.value,
        due_at=now,
        ending=Ending.UNDONE.value,
    )


def due(connection: Connection, now: datetime, limit: int) -> list[StoredObject]:
    """Return objects that are due: live ones before planned ones, the longest overdue first."""
    rows = connection.execute(DUE, {"now": now, "limit": limit})
    return read_rows(connection, objects, rows.mappings(), to_object)


DUE_IN_STATE = DUE.where(objects.c.state == bindparam("state"))


def due_in(
    connection: Connection, now: datetime, state: ObjectState, limit: int
) -> list[StoredObject]:
    """Return objects in this state that are due, the longest overdue first."""
    given = {"now": now, "state": state.value, "limit": limit}
    rows = connection.execute(DUE_IN_STATE, given)
    return read_rows(connection, objects, rows.mappings(), to_object)


def next_due_at(connection: Connection) -> datetime | None:
    """Return when the next object falls due."""
    found = [connection.execute(one).scalar_one_or_none() for one in (_NEXT_DUE, _NEXT_POSTPONED)]
    return min((moment for moment in found if isinstance(moment, datetime)), default=None)


def live(connection: Connection) -> list[StoredObject]:
    """Return all live objects."""
    return _select(connection, IS_LIVE)


def overdue(connection: Connection, now: datetime) -> list[StoredObject]:
    """Return live objects that should be gone, postponed ones included."""
    return _select(connection, IS_LIVE, objects.c.due_at <= now)


def of_keys(connection: Connection, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return the rows of those keys that are in the ledger, gone ones included."""
    return _by_key(_select(connection, objects.c.key.in_(keys)))


def owners_of_keys(connection: Connection, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return the rows of those keys that are in the ledger and not gone."""
    return _by_key(_select(connection, objects.c.key.in_(keys), _IS_LEFT))


def of_unfinished_jobs(connection: Connection, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return the rows of those keys that a queued or running job continues with."""
    found = _select(
        connection,
        objects.c.key.in_(keys),
        objects.c.state == ObjectState.PLANNED.value,
        objects.c.ending.is_(None),
        objects.c.job_id.in_(select(jobs.c.id).where(IS_UNFINISHED)),
    )
    return _by_key(found)


def gone(connection: Connection, object_ids: Sequence[int], now: datetime) -> None:
    """Record that objects and uploads are gone; answers that show them become stale."""
    shown = (
        select(jobs.c.answer_id)
        .join(objects, objects.c.job_id == jobs.c.id)
        .where(objects.c.id.in_(object_ids), IS_LIVE)
    )
    connection.execute(
        update(answers).where(answers.c.id.in_(shown)).values(changes=answers.c.changes + 1)
    )
    _update(
        connection,
        objects.c.id.in_(object_ids),
        state=ObjectState.GONE.value,
        gone_at=now,
        ending=func.coalesce(objects.c.ending, NATURAL_ENDING),
    )


def swept(connection: Connection, object_ids: Sequence[int], again_at: datetime) -> None:
    """Record that these planned objects were removed once, and must be removed again."""
    sweeps = objects.c.sweeps + 1
    _update(connection, objects.c.id.in_(object_ids), sweeps=sweeps, not_before=again_at)


def removing(connection: Connection, object_ids: Sequence[int]) -> None:
    """Count an attempt to remove these."""
    attempts = objects.c.attempts + 1
    _update(connection, objects.c.id.in_(object_ids), attempts=attempts)


def postpone(
    connection: Connection, object_ids: Sequence[int], until: datetime, code: str
) -> None:
    """Do not return these from `due` before `until`; store why."""
    _update(connection, objects.c.id.in_(object_ids), not_before=until, error_code=code)


def _select(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredObject]:
    rows = connection.execute(_OLDEST_FIRST.where(*conditions))
    return read_rows(connection, objects, rows.mappings(), to_object)


def _update(connection: Connection, *conditions: ColumnElement[bool], **values: object) -> int:
    return connection.execute(update(objects).where(*conditions).values(values)).rowcount


def _live_where(
    connection: Connection, whose: ColumnElement[bool]
) -> list[tuple[Job, StoredObject]]:
    owned = connection.execute(
        select(jobs)
        .join(objects, objects.c.job_id == jobs.c.id)
        .where(whose, IS_LIVE, objects.c.ending.is_(None))
        .order_by(jobs.c.finished_at.desc(), jobs.c.id.desc())
    )
    found = read_rows(connection, jobs, owned.mappings(), to_job)
    stored = _select(connection, objects.c.job_id.in_([job.id for job in found]), IS_LIVE)
    by_job = {one.job_id: one for one in stored}
    return [(job, by_job[job.id]) for job in found if job.id in by_job]


def _by_key(found: Sequence[StoredObject]) -> dict[str, StoredObject]:
    return {stored.key: stored for stored in found}
