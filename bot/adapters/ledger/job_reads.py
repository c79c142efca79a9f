"""Looking at jobs in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, or_, select

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.rows import to_job
from bot.adapters.ledger.schema import jobs
from bot.core.files import IncomingFile
from bot.core.jobs import Job, JobState, Origin
from bot.core.shell import SHELL

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
