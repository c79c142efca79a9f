"""Totals, overviews and single values in SQL, how long the ledger keeps what has ended, and
whether it can be written.

What ended is removed in small steps, and its room is given back to the file system; totals by day
stay.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters.ledger import pages
from bot.adapters.ledger.answers import IS_RESUMABLE, IS_UNANSWERED
from bot.adapters.ledger.database import SqlPart
from bot.adapters.ledger.jobs import IS_UNFINISHED
from bot.adapters.ledger.objects import IS_LIVE
from bot.adapters.ledger.rows import is_not, is_one_of, read_rows, to_job, to_object, total
from bot.adapters.ledger.schema import (
    answers,
    cards,
    daily_totals,
    dead_updates,
    jobs,
    metadata,
    objects,
    outbox,
    state,
)
from bot.core.errors import LedgerLocked, LedgerUnusable
from bot.core.jobs import Job, JobState, ObjectState, StoredObject
from bot.core.ports.answers import AnswerState
from bot.core.ports.jobs import EverTotals, Failures, Totals

_OSS_OFFSET = "oss_offset"


def oss_offset(connection: Connection) -> timedelta:
    """Return the offset of OSS's clock as stored last; zero if never, or if it cannot be read."""
    found = connection.execute(select(state.c.value).where(state.c.name == _OSS_OFFSET))
    try:
        return timedelta(seconds=float(found.scalar_one_or_none() or 0.0))
    except (TypeError, ValueError, OverflowError):
        # Damaged: the first answer of OSS tells it again.
        return timedelta(0)


def set_oss_offset(connection: Connection, offset: timedelta) -> None:
    """Store the offset of OSS's clock."""
    connection.execute(delete(state).where(state.c.name == _OSS_OFFSET))
    row = {"name": _OSS_OFFSET, "value": repr(offset.total_seconds())}
    connection.execute(insert(state).values(row))


_IS_LEFT = is_not(objects.c.state, ObjectState.GONE.value)


def since(connection: Connection, moment: datetime) -> Totals:
    """Sum up the jobs that ended after `moment`."""
    statement = (
        select(
            jobs.c.state,
            jobs.c.error_code,
            func.count(),
            total(jobs.c.size),
            func.max(jobs.c.finished_at),
        )
        .where(jobs.c.finished_at > moment)
        .group_by(jobs.c.state, jobs.c.error_code)
    )
    rows = connection.execute(statement).all()
    counts = {state: (count, size) for state, _, count, size, _ in rows}
    failed = [
        Failures(code or "", count, last_at)
        for state, code, count, _, last_at in rows
        if state == JobState.FAILED.value
    ]
    done, size = counts.get(JobState.DONE.value, (0, 0))
    return Totals(
        done=done,
        bytes=size,
        cancelled=counts.get(JobState.CANCELLED.value, (0, 0))[0],
        failures=tuple(sorted(failed, key=lambda one: one.last_at, reverse=True)),
    )


@dataclass(frozen=True, slots=True)
class LedgerOverview:
    """Everything that is under way or alive at one moment. `links` are live objects with their
    jobs, the first to end first; `unsaid` counts answers and replies that still wait,
    `set_aside` what was given up, by kind of unit.
    """

    running: list[Job]
    queued: list[Job]
    links: list[tuple[Job, StoredObject]]
    unsaid: int
    set_aside: dict[str, int]


def overview(connection: Connection) -> LedgerOverview:
    """Return the unfinished jobs and live links."""
    is_linked = jobs.c.id.in_(select(objects.c.job_id).where(IS_LIVE))
    under_way = _jobs(connection, IS_UNFINISHED)
    by_id = {job.id: job for job in _jobs(connection, is_linked)}
    live = connection.execute(select(objects).where(IS_LIVE).order_by(objects.c.due_at))
    stored = read_rows(connection, objects, live.mappings(), to_object)
    return LedgerOverview(
        running=[job for job in under_way if job.state is JobState.RUNNING],
        queued=[job for job in under_way if job.state is JobState.QUEUED],
        links=[(by_id[found.job_id], found) for found in stored if found.job_id in by_id],
        unsaid=_count_unsaid(connection),
        set_aside=count_set_aside(connection),
    )


def _jobs(connection: Connection, which: ColumnElement[bool]) -> list[Job]:
    rows = connection.execute(select(jobs).where(which).order_by(jobs.c.id))
    return read_rows(connection, jobs, rows.mappings(), to_job)


def _count_unsaid(connection: Connection) -> int:
    waiting = (
        (answers, IS_RESUMABLE),
        (jobs, IS_UNANSWERED),
        (outbox, ~outbox.c.said),
    )
    return sum(
        connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
        for table, which in waiting
    )


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """The number of live links, and the number of overdue ones among them."""

    live: int
    overdue: int


def count_links(connection: Connection, now: datetime) -> LinkCounts:
    """Count the live objects, and those of them that are due."""
    counts = select(func.count(), func.count().filter(objects.c.due_at <= now)).where(IS_LIVE)
    return LinkCounts(*connection.execute(counts).one())


def touch_tables(connection: Connection) -> None:
    """Read from every table. A file may be damaged where its version does not show it."""
    for table in metadata.tables.values():
        connection.execute(select(table).limit(1)).all()


def count_set_aside(connection: Connection) -> dict[str, int]:
    """Count the rows that were given up after unexpected errors, by kind of unit, and the updates
    that still fail; without those of which there are none.
    """
    kinds = {
        "update": (dead_updates, dead_updates.c.state == "dead"),
        "update_failing": (dead_updates, dead_updates.c.state == "failing"),
        "outbox": (outbox, outbox.c.said & outbox.c.error_code.is_not(None)),
        "answer": (answers, answers.c.error_code.is_not(None)),
        "status_message": (cards, ~cards.c.open & cards.c.error_code.is_not(None)),
        "deletion": (objects, _IS_LEFT & objects.c.error_code.is_not(None)),
    }
    counts = {
        kind: connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
        for kind, (table, which) in kinds.items()
    }
    return {kind: count for kind, count in counts.items() if count}


class LedgerHealth(SqlPart):
    """Checks of the ledger as a whole; a failure is a result and no error."""

    @property
    def known_trouble(self) -> str:
        """What was wrong with the ledger at its latest use; empty if nothing."""
        return self._database.state.trouble

    async def trouble(self) -> str:
        """Write something down to the disk; return what is wrong, or nothing.

        Costs one synchronized write, unless it is known that the ledger does not work.
        """
        known = self._database.state.trouble if self._database.is_waited_for else ""
        if why := self._database.waits_for or known:
            return f"cannot be used: {why}"
        try:
            await self._database.probe()
        except LedgerUnusable as error:
            return f"cannot be written: {error.reason}"
        except LedgerLocked as error:
            return f"cannot be written: {error}"
        except SQLAlchemyError as error:
            return f"cannot be written: {type(error).__name__}"
        return ""

    async def links(self, now: datetime) -> LinkCounts | None:
        """Count the links; `None` if the ledger cannot be read."""
        try:
            return await self._database.try_read(count_links, now)
        except (LedgerUnusable, SQLAlchemyError):
            return None

    async def set_aside(self) -> dict[str, int]:
        """Count what was given up, by kind of unit; empty where the ledger cannot be read."""
        try:
            return await self._database.try_read(count_set_aside)
        except (LedgerUnusable, SQLAlchemyError):
            return {}


SAID_IS_KEPT_FOR: Final = timedelta(hours=48)
"""Sent rows of the outbox are kept for this time, so that a redelivered update (Telegram: 24 h)
sends nothing twice.
"""
PAGES_PER_STEP: Final = 256
"""Pages that one step gives back to the file system; 4 KiB each."""

_IS_ANSWERED = exists().where(
    answers.c.id == jobs.c.answer_id,
    ~is_one_of(answers.c.state, AnswerState.PENDING.value, AnswerState.SENDING.value),
)
_HAS_OBJECT = exists().where(
    objects.c.job_id == jobs.c.id, is_not(objects.c.state, ObjectState.GONE.value)
)
# The newest row of a table always stays: otherwise its number would be given to another one, and
# old buttons name numbers of jobs.
_NEWEST_JOB = select(func.max(jobs.c.id)).scalar_subquery()


def ever(connection: Connection) -> EverTotals:
    """Sum up all jobs that ever were done."""
    is_done = daily_totals.c.state == JobState.DONE.value
    found = connection.execute(
        select(
            total(daily_totals.c.jobs),
            total(daily_totals.c.bytes),
        ).where(is_done)
    )
    return EverTotals(*found.one())


def remove_ended(connection: Connection, before: datetime, now: datetime, limit: int) -> bool:
    """Remove at most `limit` jobs that ended before `before`, with what belongs to them alone, and
    at most as many messages that were sent long ago; return whether there may be more.

    A job stays while it has no final answer, or anything of it may be in the bucket.
    """
    removed = _remove_jobs(connection, before, limit)
    said = _remove_said(connection, now - SAID_IS_KEPT_FOR, limit)
    _give_pages_back(connection)
    return limit in {removed, said}


def _give_pages_back(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        # A server does so by itself.
        return
    free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    for _ in range(min(int(free), PAGES_PER_STEP)):
        # One by one: the driver of Python stops after the first.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")


def _remove_jobs(connection: Connection, before: datetime, limit: int) -> int:
    rows = connection.execute(
        select(jobs.c.id, jobs.c.answer_id, jobs.c.card_id)
        .where(jobs.c.finished_at < before, _IS_ANSWERED, ~_HAS_OBJECT, jobs.c.id < _NEWEST_JOB)
        .order_by(jobs.c.finished_at)
        .limit(limit)
    ).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    connection.execute(delete(objects).where(objects.c.job_id.in_(ids)))
    pages.remove_files(connection, ids)
    connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    for table, column in ((answers, jobs.c.answer_id), (cards, jobs.c.card_id)):
        theirs = {getattr(row, column.name) for row in rows} - {None}
        is_used = exists().where(column == table.c.id)
        newest = select(func.max(table.c.id)).scalar_subquery()
        is_unused = table.c.id.in_(theirs) & ~is_used & (table.c.id < newest)
        if table is answers:
            pages.remove(connection, is_unused)
        connection.execute(delete(table).where(is_unused))
    return len(rows)


def _remove_said(connection: Connection, before: datetime, limit: int) -> int:
    newest = select(func.max(outbox.c.id)).scalar_subquery()
    found = (
        select(outbox.c.id)
        .where(outbox.c.said, outbox.c.created_at < before, outbox.c.id < newest)
        .order_by(outbox.c.created_at)
        .limit(limit)
    )
    return connection.execute(delete(outbox).where(outbox.c.id.in_(found))).rowcount
