"""What commands of an operator need of the ledger beside the ports: jobs from a shell, and an
overview of everything.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.rows import from_new_job, to_job, to_object
from bot.adapters.ledger.schema import answers, jobs, objects, outbox
from bot.core.files import IncomingFile
from bot.core.jobs import Job, JobState, ObjectState, Origin, StoredObject
from bot.core.ports.answers import AnswerState

_UNSENT = (AnswerState.PENDING.value, AnswerState.SENDING.value)
_ENDED = (JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class LedgerOverview:
    """Everything that is under way or alive at one moment. `links` are live objects with their
    jobs, the first to end first; `unsaid` counts answers and replies that still wait.
    """

    running: list[Job]
    queued: list[Job]
    links: list[tuple[Job, StoredObject]]
    unsaid: int


class SqlCliJobs:
    """Jobs that no chat has asked for, and a look at all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, origin: Origin, file: IncomingFile, now: datetime) -> Job:
        """Store a new job together with its answer, which is nobody's to send."""
        shown = {
            "chat_id": origin.chat_id,
            "reply_to": origin.message_id,
            "language": origin.language,
            "state": AnswerState.SHOWN.value,
            "tries": 0,
            "changes": 0,
            "shown": 0,
        }
        new = from_new_job(origin, file, now)
        async with self._database.write() as connection:
            row = await connection.execute(insert(answers).values(shown).returning(answers.c.id))
            values = new | {"answer_id": row.scalar_one()}
            made = await connection.execute(insert(jobs).values(values).returning(jobs))
            return to_job(made.mappings().one())

    async def overview(self) -> LedgerOverview:
        """Return what is under way and alive, all from one moment."""
        unfinished = select(jobs).where(jobs.c.state.not_in(_ENDED)).order_by(jobs.c.id)
        live = (
            select(objects)
            .where(objects.c.state == ObjectState.LIVE.value)
            .order_by(objects.c.due_at)
        )
        async with self._database.read() as connection:
            under_way = [to_job(row) for row in (await connection.execute(unfinished)).mappings()]
            stored = [to_object(row) for row in (await connection.execute(live)).mappings()]
            owners = select(jobs).where(
                jobs.c.id.in_(
                    select(objects.c.job_id).where(objects.c.state == ObjectState.LIVE.value)
                )
            )
            rows = (await connection.execute(owners)).mappings()
            by_id = {job.id: job for job in map(to_job, rows)}
            unsaid = [
                (await connection.execute(statement)).scalar_one()
                for statement in (
                    select(func.count()).select_from(answers).where(answers.c.state.in_(_UNSENT)),
                    select(func.count())
                    .select_from(jobs)
                    .where(jobs.c.state.in_(_ENDED), jobs.c.answer_id.is_(None)),
                    select(func.count()).select_from(outbox).where(~outbox.c.said),
                )
            ]
        return LedgerOverview(
            running=[job for job in under_way if job.state is JobState.RUNNING],
            queued=[job for job in under_way if job.state is JobState.QUEUED],
            links=[(by_id[found.job_id], found) for found in stored],
            unsaid=sum(unsaid),
        )
