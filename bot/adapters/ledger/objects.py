"""Objects and their due dates in SQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Integer, bindparam, case, func, insert, or_, select, update

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.rows import to_job, to_object
from bot.adapters.ledger.schema import Instant, answers, jobs, objects
from bot.core.jobs import Ending, Job, JobState, ObjectState, StoredObject

_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)
_IS_LIVE = objects.c.state == ObjectState.LIVE.value
_IS_LEFT = objects.c.state != ObjectState.GONE.value
# A planned object belongs to its job until that has ended; only then is it the reaper's.
_HAS_NO_RUNNER = or_(
    _IS_LIVE,
    objects.c.ending.is_not(None),
    jobs.c.state.not_in(_UNFINISHED),
)

_NATURAL_ENDING = case((_IS_LIVE, Ending.EXPIRED.value), else_=Ending.UNDONE.value)

_NOW = bindparam("now", type_=Instant)
_DUE = (
    select(objects)
    .join(jobs, objects.c.job_id == jobs.c.id)
    .where(_IS_LEFT, _HAS_NO_RUNNER, objects.c.due_at <= _NOW)
    .where(or_(objects.c.not_before.is_(None), objects.c.not_before <= _NOW))
    .order_by(_IS_LIVE.desc(), objects.c.due_at)
    .limit(bindparam("limit", type_=Integer))
)
_NEXT_DUE = (
    select(objects.c.due_at, objects.c.not_before)
    .join(jobs, objects.c.job_id == jobs.c.id)
    .where(_IS_LEFT, _HAS_NO_RUNNER)
    .order_by(func.max(objects.c.due_at, func.coalesce(objects.c.not_before, 0)))
    .limit(1)
)


class SqlObjects:
    """Implements `ObjectLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, job: Job, key: str, due_at: datetime) -> StoredObject:
        """Store the intention to create `key`."""
        statement = (
            insert(objects)
            .values(
                job_id=job.id,
                key=key,
                state=ObjectState.PLANNED.value,
                due_at=due_at,
                sweeps=0,
            )
            .returning(objects)
        )
        return to_object((await self._database.change(statement)).mappings().one())

    async def initiated(self, object_id: int, upload_id: str, part_size: int) -> None:
        """Store the upload id and the part size."""
        await self._update(objects.c.id == object_id, upload_id=upload_id, part_size=part_size)

    async def planned_for(self, job_id: int) -> StoredObject | None:
        """Return the newest planned object of a job that has not been abandoned."""
        found = await self._select(
            objects.c.job_id == job_id,
            objects.c.state == ObjectState.PLANNED.value,
            objects.c.ending.is_(None),
        )
        return found[-1] if found else None

    async def of_jobs(self, job_ids: Sequence[int]) -> dict[int, StoredObject]:
        """Return the newest object of each of these jobs."""
        return {found.job_id: found for found in await self._select(objects.c.job_id.in_(job_ids))}

    async def _select(self, *conditions: ColumnElement[bool]) -> list[StoredObject]:
        statement = select(objects).where(*conditions).order_by(objects.c.id)
        rows = await self._database.fetch(statement)
        return [to_object(row) for row in rows.mappings()]

    async def _update(self, *conditions: ColumnElement[bool], **values: object) -> int:
        result = await self._database.change(update(objects).where(*conditions).values(values))
        return result.rowcount

    async def live_of(self, owner_id: int) -> list[tuple[Job, StoredObject]]:
        """Return the live objects of an owner with their jobs, the newest first."""
        return await self._live_where(jobs.c.owner_id == owner_id)

    async def live_in(self, chat_ids: Sequence[int]) -> list[tuple[Job, StoredObject]]:
        """Return the live objects that came from these chats with their jobs."""
        return await self._live_where(jobs.c.chat_id.in_(chat_ids))

    async def _live_where(self, whose: ColumnElement[bool]) -> list[tuple[Job, StoredObject]]:
        async with self._database.read() as connection:
            owned = (
                await connection.execute(
                    select(jobs)
                    .join(objects, objects.c.job_id == jobs.c.id)
                    .where(whose, _IS_LIVE, objects.c.ending.is_(None))
                    .order_by(jobs.c.finished_at.desc(), jobs.c.id.desc())
                )
            ).mappings()
            found = [to_job(row) for row in owned]
            stored = await connection.execute(
                select(objects).where(objects.c.job_id.in_([job.id for job in found]), _IS_LIVE)
            )
        by_job = {row["job_id"]: to_object(row) for row in stored.mappings()}
        return [(job, by_job[job.id]) for job in found]

    async def same_file(self, job: Job, live_until: datetime) -> tuple[Job, StoredObject] | None:
        """Return an earlier job with the same file and owner whose object lives long enough."""
        statement = (
            select(jobs)
            .join(objects, objects.c.job_id == jobs.c.id)
            .where(jobs.c.bot_id == job.origin.bot_id, jobs.c.owner_id == job.origin.owner_id)
            .where(jobs.c.file_unique_id == job.file.file_unique_id, jobs.c.id != job.id)
            .where(_IS_LIVE, objects.c.ending.is_(None), objects.c.due_at >= live_until)
            .order_by(jobs.c.id.desc())
            .limit(1)
        )
        row = (await self._database.fetch(statement)).mappings().one_or_none()
        if row is None:
            return None
        earlier = to_job(row)
        return earlier, (await self.of_jobs([earlier.id]))[earlier.id]

    async def revoke(self, job_id: int, now: datetime) -> bool:
        """Make the live object of a job due now, because its owner said so."""
        changed = await self._update(
            objects.c.job_id == job_id,
            _IS_LIVE,
            objects.c.ending.is_(None),
            due_at=now,
            ending=Ending.DELETED.value,
            not_before=None,
        )
        return changed == 1

    async def abandon(self, object_id: int, now: datetime) -> None:
        """Make a planned object due now."""
        await self._update(
            objects.c.id == object_id,
            objects.c.state == ObjectState.PLANNED.value,
            due_at=now,
            ending=Ending.UNDONE.value,
        )

    async def due(self, now: datetime, limit: int) -> list[StoredObject]:
        """Return objects that must go now: links before leftovers, the longest overdue first."""
        rows = await self._database.fetch(_DUE, {"now": now, "limit": limit})
        return [to_object(row) for row in rows.mappings()]

    async def live(self) -> list[StoredObject]:
        """Return all live objects."""
        return await self._select(_IS_LIVE)

    async def of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows, gone ones included."""
        return _by_key(await self._select(objects.c.key.in_(keys)))

    async def of_unfinished_jobs(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that a queued or running job goes on with."""
        unfinished = select(jobs.c.id).where(jobs.c.state.in_(_UNFINISHED))
        return _by_key(
            await self._select(
                objects.c.key.in_(keys),
                objects.c.state == ObjectState.PLANNED.value,
                objects.c.ending.is_(None),
                objects.c.job_id.in_(unfinished),
            )
        )

    async def overdue(self, now: datetime) -> list[StoredObject]:
        """Return live objects that should be gone, postponed ones included."""
        return await self._select(_IS_LIVE, objects.c.due_at <= now)

    async def next_due_at(self) -> datetime | None:
        """Return when the next object falls due."""
        row = (await self._database.fetch(_NEXT_DUE)).one_or_none()
        return max(filter(None, row)) if row else None

    async def gone(self, object_ids: Sequence[int], now: datetime) -> None:
        """Store that objects and uploads are gone; answers that showed them become stale."""
        shown = (
            select(jobs.c.answer_id)
            .join(objects, objects.c.job_id == jobs.c.id)
            .where(objects.c.id.in_(object_ids), _IS_LIVE)
        )
        async with self._database.write() as connection:
            await connection.execute(
                update(answers)
                .where(answers.c.id.in_(shown))
                .values(changes=answers.c.changes + 1)
            )
            await connection.execute(
                update(objects)
                .where(objects.c.id.in_(object_ids))
                .values(
                    state=ObjectState.GONE.value,
                    gone_at=now,
                    ending=func.coalesce(objects.c.ending, _NATURAL_ENDING),
                )
            )

    async def swept(self, object_ids: Sequence[int], again_at: datetime) -> None:
        """Store that these planned objects were removed once, and must be again."""
        await self._update(
            objects.c.id.in_(object_ids), sweeps=objects.c.sweeps + 1, not_before=again_at
        )

    async def postpone(self, object_ids: Sequence[int], until: datetime) -> None:
        """Do not return these from `due` before `until`."""
        await self._update(objects.c.id.in_(object_ids), not_before=until)

    async def owners_of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows and that are not gone."""
        return _by_key(await self._select(objects.c.key.in_(keys), _IS_LEFT))


def _by_key(found: Sequence[StoredObject]) -> dict[str, StoredObject]:
    return {stored.key: stored for stored in found}
