"""Jobs in SQL. Every change of state is one conditional update that names the state and the
attempt it expects.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, or_, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.adapters.ledger.database import Database, Transaction
from bot.adapters.ledger.process_locks import someone_sends
from bot.adapters.ledger.rows import from_new_job, to_job
from bot.adapters.ledger.schema import cards, jobs, objects
from bot.core.errors import Crashed
from bot.core.files import IncomingFile
from bot.core.jobs import SHELL, Ending, Job, JobState, ObjectState, Origin, StoredObject
from bot.core.ports.jobs import Finished

UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)
FROM_A_CHAT = jobs.c.chat_id != SHELL

_UNFINISHED_OF_CHATS = (
    select(jobs).where(FROM_A_CHAT, jobs.c.state.in_(UNFINISHED)).order_by(jobs.c.id)
)
_OF_IDS = select(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True))).order_by(jobs.c.id)
_OPEN_ALBUMS = (
    select(jobs.c.chat_id, jobs.c.album)
    .where(
        jobs.c.album.is_not(None),
        or_(jobs.c.state.in_(UNFINISHED), jobs.c.created_at > bindparam("quiet_since")),
    )
    .distinct()
)


class JobReads:
    """The half of `JobLedger` that changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def knows(self, origin: Origin, file: IncomingFile) -> bool:
        """Return whether this file of this message has been accepted."""
        return bool(
            await self._select(
                jobs.c.bot_id == origin.bot_id,
                jobs.c.chat_id == origin.chat_id,
                jobs.c.message_id == origin.message_id,
                jobs.c.file_unique_id == file.file_unique_id,
            )
        )

    async def get(self, job_id: int) -> Job | None:
        """Return a job, or `None`."""
        found = await self.get_many([job_id])
        return found[0] if found else None

    async def get_many(self, job_ids: Sequence[int]) -> list[Job]:
        """Return the jobs of these ids that exist, in the order of their ids."""
        return await self._read(_OF_IDS, {"ids": list(job_ids)})

    async def open_albums(self, quiet_since: datetime) -> set[tuple[int, str]]:
        """Return chat and album of those albums that may still grow or have unfinished jobs."""
        rows = await self._database.fetch(_OPEN_ALBUMS, {"quiet_since": quiet_since})
        return {(row.chat_id, row.album) for row in rows}

    async def unfinished(self) -> list[Job]:
        """Return all unfinished jobs of chats, oldest first."""
        return await self._read(_UNFINISHED_OF_CHATS)

    async def unfinished_of(self, owner_id: int) -> list[Job]:
        """Return the unfinished jobs of an owner, oldest first."""
        return await self._select(jobs.c.owner_id == owner_id, jobs.c.state.in_(UNFINISHED))

    async def unfinished_in(self, chat_ids: Sequence[int]) -> list[Job]:
        """Return the unfinished jobs that came from these chats, oldest first."""
        return await self._select(jobs.c.chat_id.in_(chat_ids), jobs.c.state.in_(UNFINISHED))

    async def _select(self, *conditions: ColumnElement[bool]) -> list[Job]:
        return await self._read(select(jobs).where(*conditions).order_by(jobs.c.id))

    async def _read(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> list[Job]:
        rows = await self._database.fetch(statement, parameters)
        return [to_job(row) for row in rows.mappings()]


LEFT_BY_SHELLS = (jobs.c.chat_id == SHELL) & jobs.c.state.in_(UNFINISHED)


MOST_CRASHES = 5
"""A job during which the process died so often is parked, or it would take the others down for
ever.
"""


class SqlJobs(JobReads):
    """Implements `JobLedger`. `boot_id` names this boot of the machine; every attempt
    stores it.
    """

    def __init__(self, database: Database, *, boot_id: str = "") -> None:
        super().__init__(database)
        self._boot_id = boot_id

    async def accept(self, origin: Origin, file: IncomingFile, now: datetime) -> Job | None:
        """Store a new job, or return `None` if this file of this message is known already."""
        values = from_new_job(origin, file, now)
        statement = sqlite_insert(jobs).values(values).on_conflict_do_nothing().returning(jobs)
        row = (await self._database.change(statement)).mappings().one_or_none()
        return to_job(row) if row else None

    async def speak(self, owner_id: int, language: str) -> None:
        """Let what has not been answered yet of an owner be answered in this language."""
        async with self._database.write() as connection:
            await connection.execute(
                update(jobs)
                .where(jobs.c.owner_id == owner_id, jobs.c.answer_id.is_(None))
                .values(language=language)
            )
            await connection.execute(
                update(cards)
                .where(cards.c.chat_id == owner_id, cards.c.open)
                .values(language=language)
            )

    async def request_cancel(self, job_id: int) -> None:
        """Store that the user wants the job to end, so that a restart does not forget it."""
        await self._database.change(
            update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True)
        )

    async def recover(self, now: datetime) -> list[Job]:
        """Put jobs that a dead process left running back, and count the crash; end those whose
        user asked for it, and those that crashed too often. Return all unfinished ones of chats.

        A job from a shell lives and ends with its command: it is left alone while one runs, and
        ended when none does.
        """
        unfinished = FROM_A_CHAT & jobs.c.state.in_(UNFINISHED)
        is_running = FROM_A_CHAT & (jobs.c.state == JobState.RUNNING.value)
        cancelled = {"state": JobState.CANCELLED.value}
        parked = {"state": JobState.FAILED.value, "error_code": Crashed.code}
        shells_run = await asyncio.to_thread(someone_sends, self._database.path)
        async with self._database.write() as connection:
            await connection.execute(
                update(jobs).where(is_running).values(crashes=jobs.c.crashes + 1)
            )
            if not shells_run:
                await _end(connection, LEFT_BY_SHELLS, cancelled, now)
            await _end(connection, unfinished & jobs.c.cancel_requested, cancelled, now)
            await _end(connection, is_running & (jobs.c.crashes >= MOST_CRASHES), parked, now)
            await connection.execute(
                update(jobs).where(unfinished).values(state=JobState.QUEUED.value)
            )
        return await self._select(FROM_A_CHAT, jobs.c.state == JobState.QUEUED.value)

    async def end_left_by_shells(self, now: datetime) -> None:
        """End jobs whose command is gone; only while no command runs."""
        cancelled = {"state": JobState.CANCELLED.value}
        async with self._database.write() as connection:
            await _end(connection, LEFT_BY_SHELLS, cancelled, now)

    async def acquire(self, job_id: int, now: datetime) -> Job | None:
        """Take a queued job that is due."""
        statement = (
            update(jobs)
            .where(
                jobs.c.id == job_id,
                jobs.c.state == JobState.QUEUED.value,
                jobs.c.run_at <= now,
            )
            .values(
                state=JobState.RUNNING.value,
                attempt=jobs.c.attempt + 1,
                boot_id=self._boot_id,
            )
            .returning(jobs)
        )
        row = (await self._database.change(statement)).mappings().one_or_none()
        return to_job(row) if row else None

    async def give_back(self, job: Job) -> bool:
        """Put a running job back as it was."""
        return await self._change(job, state=JobState.QUEUED.value)

    async def retry_later(self, job: Job, run_at: datetime, code: str) -> bool:
        """Put a running job back for another attempt."""
        return await self._change(
            job,
            state=JobState.QUEUED.value,
            run_at=run_at,
            failures=jobs.c.failures + 1,
            error_code=code,
        )

    async def finish(
        self, job: Job, stored: StoredObject, result: Finished, now: datetime
    ) -> bool:
        """Make a running job done and its object live, in one transaction."""
        async with self._database.write() as connection:
            changed = await _change(
                connection,
                job,
                state=JobState.DONE.value,
                finished_at=now,
                size=result.size,
                sha256=result.sha256,
                error_code=None,
            )
            if changed:
                await connection.execute(
                    update(objects)
                    .where(objects.c.id == stored.id)
                    .values(state=ObjectState.LIVE.value, due_at=result.expires_at)
                )
        return changed

    async def fail(self, job: Job, code: str, args: dict[str, int], now: datetime) -> bool:
        """Give a running job up."""
        return await self._change(
            job,
            state=JobState.FAILED.value,
            failures=jobs.c.failures + 1,
            error_code=code,
            error_args=args,
            finished_at=now,
        )

    async def cancel(self, job: Job, now: datetime) -> bool:
        """Make a job cancelled that is as it was when it was read."""
        return await self._change(job, state=JobState.CANCELLED.value, finished_at=now)

    async def _change(self, job: Job, **values: Any) -> bool:
        async with self._database.write() as connection:
            return await _change(connection, job, **values)


async def _change(connection: Transaction, job: Job, **values: Any) -> bool:
    # The fence: whoever holds an older attempt, or an older state, changes nothing.
    result = await connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job.id,
            jobs.c.state == job.state.value,
            jobs.c.attempt == job.attempt,
        )
        .values(values)
    )
    return result.rowcount == 1


async def _end(
    connection: Transaction,
    which: ColumnElement[bool],
    values: dict[str, str],
    now: datetime,
) -> None:
    """End jobs without a runner; what they had begun to upload is due at once."""
    ended = await connection.execute(
        update(jobs).where(which).values(values | {"finished_at": now}).returning(jobs.c.id)
    )
    await connection.execute(
        update(objects)
        .where(objects.c.job_id.in_(ended.scalars().all()))
        .where(objects.c.state == ObjectState.PLANNED.value)
        .values(due_at=now, ending=Ending.UNDONE.value)
    )
