"""Recovery: what a process that died has left behind."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from bot.adapters.ledger.jobs import IS_FROM_A_CHAT, IS_UNFINISHED, end_jobs, unfinished
from bot.adapters.ledger.schema import beside, jobs, objects
from bot.core.errors import Crashed
from bot.core.jobs import SHELL, Job, JobState
from bot.core.ports.jobs import Recovered

MOST_CRASHES_ALONE = 3


MOST_CRASHES = 20
"""A job during which the process died so often without any progress is parked, or it would take
the others down for ever: while nothing else ran, or in all.
"""


_IS_LEFT_BY_A_SHELL = (beside(jobs.c.chat_id) == SHELL) & IS_UNFINISHED


def end_left_by_shells(connection: Connection, now: datetime) -> list[Job]:
    """Cancel jobs of commands that have exited, and return them; only while no command runs."""
    return end_jobs(connection, _IS_LEFT_BY_A_SHELL, {"state": JobState.CANCELLED.value}, now)


def recover(
    connection: Connection, now: datetime, progress: Mapping[int, int], *, shells_run: bool
) -> Recovered:
    """Put jobs that a dead process left running back, and count the crash for those that made no
    progress (`progress` has the bytes on the disk by job); end those whose user asked for it, and
    those that crashed too often.

    A job from a shell lives and ends with its command: it is left alone while one runs, and ended
    when none does.
    """
    is_unfinished = IS_FROM_A_CHAT & IS_UNFINISHED
    is_running = is_unfinished & (jobs.c.state == JobState.RUNNING.value)
    cancelled = {"state": JobState.CANCELLED.value}
    parked = {"state": JobState.FAILED.value, "error_code": Crashed.code}
    too_often = (jobs.c.crashes >= MOST_CRASHES) | (jobs.c.crashes_alone >= MOST_CRASHES_ALONE)
    _count_crash(connection, is_running, progress)
    ended = [] if shells_run else end_left_by_shells(connection, now)
    ended += end_jobs(connection, is_unfinished & jobs.c.cancel_requested, cancelled, now)
    ended += end_jobs(connection, is_running & too_often, parked, now)
    connection.execute(update(jobs).where(is_unfinished).values(state=JobState.QUEUED.value))
    return Recovered(unfinished=unfinished(connection), ended=ended)


def _count_crash(
    connection: Connection, is_running: ColumnElement[bool], progress: Mapping[int, int]
) -> None:
    """Count the crash for the jobs that ran and have no more than at their last crash."""
    rows = connection.execute(select(jobs.c.id, jobs.c.crash_progress).where(is_running)).all()
    begun = set(
        connection.execute(
            select(objects.c.job_id).where(
                objects.c.job_id.in_([row.id for row in rows]), objects.c.upload_id.is_not(None)
            )
        ).scalars()
    )
    for job_id, before in rows:
        # In local mode nothing comes to the disk: an upload that was begun is progress, and so is
        # each part, by `PROGRESSED`.
        now = progress.get(job_id, 0) + (job_id in begun)
        values: dict[str, Any] = {"crash_progress": now}
        if now <= (before or 0):
            values["crashes"] = jobs.c.crashes + 1
            values["crashes_alone"] = jobs.c.crashes_alone + (len(rows) == 1)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
