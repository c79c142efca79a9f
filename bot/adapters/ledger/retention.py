"""How long the ledger keeps what has ended: rows are removed in small steps, and their room is
given back to the file system; totals by day stay.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, exists, func, select

from bot.adapters.ledger import pages
from bot.adapters.ledger.schema import (
    answers,
    cards,
    daily_totals,
    is_not,
    is_one_of,
    jobs,
    objects,
    outbox,
    total,
)
from bot.core.jobs import JobState, ObjectState
from bot.core.ports.answers import AnswerState
from bot.core.ports.jobs import EverTotals

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
