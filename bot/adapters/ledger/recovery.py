"""Recovery: what a process that died has left behind, and rows that cannot be read."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters.ledger.jobs import IS_FROM_A_CHAT, IS_UNFINISHED, end_jobs, unfinished
from bot.adapters.ledger.objects import NATURAL_ENDING
from bot.adapters.ledger.rows import NO_TIME, NOTES, VALUES, beside, is_not
from bot.adapters.ledger.schema import (
    answers,
    cards,
    chats,
    dead_updates,
    jobs,
    metadata,
    objects,
    outbox,
    owners,
    pages,
)
from bot.core.errors import Crashed, Unexpected
from bot.core.files import FileKind
from bot.core.jobs import SHELL, Ending, Job, JobState, ObjectState
from bot.core.ports.answers import AnswerForm, AnswerState
from bot.core.ports.jobs import Recovered
from bot.supervision import Unit

log = structlog.stdlib.get_logger(__name__)

MOST_CRASHES_ALONE = 3


MOST_CRASHES = 20
"""A job during which the process died so often without any progress is parked, or it would take
the others down for ever: while nothing else ran, or in all.
"""


WAIT_FOR_EACH_CRASH: Final = timedelta(seconds=5)
"""Before a job runs again that has crashed workers: for each crash but the first."""
_CANCELLED: Final = {"state": JobState.CANCELLED.value}
_PARKED: Final = {"state": JobState.FAILED.value, "error_code": Crashed.code}
_CRASHED_TOO_OFTEN: Final = (jobs.c.crashes >= MOST_CRASHES) | (
    jobs.c.crashes_alone >= MOST_CRASHES_ALONE
)
_IS_LEFT_BY_A_SHELL = (beside(jobs.c.chat_id) == SHELL) & IS_UNFINISHED


def end_left_by_shells(connection: Connection, now: datetime) -> list[Job]:
    """Cancel jobs of commands that have exited, and return them; only while no command runs."""
    return end_jobs(connection, _IS_LEFT_BY_A_SHELL, _CANCELLED, now)


def recover(
    connection: Connection,
    now: datetime,
    progress: Mapping[int, int],
    *,
    shells_run: bool,
    which: ColumnElement[bool] | None = None,
) -> Recovered:
    """Put jobs that a dead process left running back, and count the crash for those that made no
    progress (`progress` has the bytes on the disk by job); end those whose user asked for it, and
    those that crashed too often.

    A job from a shell lives and ends with its command: it is left alone while one runs, and ended
    when none does. With `which`, only these jobs are recovered.
    """
    is_unfinished = IS_FROM_A_CHAT & IS_UNFINISHED
    if which is not None:
        is_unfinished &= which
    is_running = is_unfinished & (jobs.c.state == JobState.RUNNING.value)
    _count_crash(connection, is_running, progress)
    ended = [] if shells_run else end_left_by_shells(connection, now)
    ended += end_jobs(connection, is_unfinished & jobs.c.cancel_requested, _CANCELLED, now)
    ended += end_jobs(connection, is_running & _CRASHED_TOO_OFTEN, _PARKED, now)
    connection.execute(update(jobs).where(is_unfinished).values(state=JobState.QUEUED.value))
    return Recovered(unfinished=unfinished(connection), ended=ended)


def put_back(connection: Connection, now: datetime, attempts: Mapping[int, int]) -> list[Job]:
    """Put the jobs back that another process ran when it died, each in this attempt: at once after
    its first crash without progress, later after each further one. End those whose user asked for
    it, and those that crashed too often; return these.
    """
    is_attempt = tuple_(jobs.c.id, jobs.c.attempt).in_(list(attempts.items()))
    is_running = is_attempt & (jobs.c.state == JobState.RUNNING.value)
    _count_crash(connection, is_running, {})
    ended = end_jobs(connection, is_running & jobs.c.cancel_requested, _CANCELLED, now)
    ended += end_jobs(connection, is_running & _CRASHED_TOO_OFTEN, _PARKED, now)
    again = connection.execute(select(jobs.c.id, jobs.c.crashes).where(is_running)).all()
    for job_id, crashes in again:
        run_at = now + max(0, crashes - 1) * WAIT_FOR_EACH_CRASH
        values = {"state": JobState.QUEUED.value, "run_at": run_at}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
    return ended


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
        if now <= (before if isinstance(before, int) else 0):
            values["crashes"] = jobs.c.crashes + 1
            values["crashes_alone"] = jobs.c.crashes_alone + int(len(rows) == 1)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))


RECENT: Final = 1000
"""Answers in which a start looks for a state that it does not know."""


def note_unknown(connection: Connection) -> None:
    """Note the rows that no other statement finds, because a column by which these select has a
    value of no kind. By indexes, or by the newest rows: not by all that was ever stored.
    """
    newest = select(func.max(answers.c.id)).scalar_subquery()
    conditions: Mapping[Table, ColumnElement[bool]] = {
        jobs: jobs.c.finished_at.is_(None)
        & (_is_unknown(jobs.c.state) | (jobs.c.run_at >= literal_column(f"{NO_TIME}"))),
        objects: is_not(objects.c.state, ObjectState.GONE.value) & _is_unknown(objects.c.state),
        answers: (answers.c.id > newest - RECENT) & _is_unknown(answers.c.state),
    }
    for table, condition in conditions.items():
        for row in connection.execute(select(table).where(condition)).mappings():
            connection.info[NOTES].note(table, row)


def _is_unknown(column: Column[str]) -> ColumnElement[bool]:
    return column.not_in([value.value for value in column.info[VALUES]])


NOW: Final = object()
"""Stands for the time of a repair."""
# What a row can do without. A row with damage in any other column is given up.
_SUBSTITUTES: Final[Mapping[str, Mapping[str, Any]]] = {
    jobs.name: {
        "state": JobState.FAILED.value,
        "message_id": 0,
        "file_id": "",
        "file_unique_id": "",
        "thread_id": None,
        "language": "en",
        "kind": FileKind.DOCUMENT.value,
        "name": "file",
        "mime_type": None,
        "announced_size": None,
        "attempt": 0,
        "failures": 0,
        "created_at": NOW,
        "run_at": NOW,
        "finished_at": NOW,
        "crashes": 0,
        "crashes_alone": 0,
        "crash_progress": None,
        "boot_id": "",
        "error_code": None,
        "error_args": {},
        "size": None,
        "sha256": None,
        "album": None,
        "lifetime": None,
        "most_downloads": None,
        "card_id": None,
        "answer_id": None,
    },
    answers.name: {
        "thread_id": None,
        "reply_to": 0,
        "language": "en",
        "tries": 0,
        "changes": 0,
        "shown": 0,
        "attempts": 0,
        "error_code": None,
        "form": AnswerForm.FULL.value,
    },
    cards.name: {"language": "en", "attempts": 0, "error_code": None},
    objects.name: {
        "state": ObjectState.PLANNED.value,
        "due_at": NOW,
        "not_before": None,
        "upload_id": None,
        "part_size": None,
        "ending": Ending.UNDONE.value,
        "sweeps": 0,
        "gone_at": None,
        "mode": "",
        "completed_at": None,
        "attempts": 0,
        "error_code": None,
    },
    outbox.name: {
        "thread_id": None,
        "reply_to": None,
        "owner_id": None,
        "language": "en",
        "tries": 0,
        "created_at": NOW,
        "error_code": None,
    },
    pages.name: {
        "most_downloads": None,
        "is_paused": True,
        "sender": None,
        "tell": "off",
        "downloads": 0,
        "last_download_at": None,
        "shown_downloads": 0,
        "shown_at": None,
        "told_downloads": 0,
    },
    owners.name: {"language": ""},
    chats.name: {"moved_to": None, "zone": ""},
    dead_updates.name: {"error": "", "buried_at": NOW, "chat_id": None, "attempts": 0},
}
# How a row is given up. An object stays, because its link must end.
_GIVEN_UP: Final[Mapping[str, Mapping[str, Any]]] = {
    jobs.name: {"state": JobState.FAILED.value, "finished_at": NOW},
    answers.name: {"state": AnswerState.LOST.value},
    cards.name: {"open": False},
    objects.name: {},
    outbox.name: {"said": True},
    dead_updates.name: {"state": "dead"},
}
UNITS: Final[Mapping[str, Unit]] = {
    jobs.name: Unit.ATTEMPT,
    answers.name: Unit.ANSWER,
    cards.name: Unit.STATUS_MESSAGE,
    objects.name: Unit.DELETION,
    outbox.name: Unit.OUTBOX,
    dead_updates.name: Unit.UPDATE,
}


MOST_LINES: Final = 20
"""Rows of one repair that the log names: a damaged disk can leave thousands."""


def repair(
    connection: Connection, found: Mapping[tuple[str, Any], Sequence[str]], now: datetime
) -> None:
    """Replace the damaged columns of rows by what they can do without, and give up those that
    cannot. A job that had not ended fails, so that its sender is told.
    """
    for number, ((name, key), damaged) in enumerate(found.items()):
        table, usable = metadata.tables[name], _SUBSTITUTES.get(name, {})
        is_given_up = not damaged or not usable.keys() >= set(damaged)
        if number < MOST_LINES:
            log.error(
                "set aside" if is_given_up else "row repaired",
                unit=UNITS.get(name, name), id=key, code="unreadable", columns=list(damaged),
            )  # fmt: skip
        values = {column: usable[column] for column in damaged if column in usable}
        if is_given_up:
            values |= _GIVEN_UP.get(name, {})
            values |= {"error_code": Unexpected.code} if "error_code" in table.columns else {}
        try:
            with connection.begin_nested():
                _replace(connection, table, key, values, now)
        except SQLAlchemyError as error:
            # Another row in its place, for example: it stays as it is, and costs no other.
            log.error("row not repaired", table=name, id=key, why=type(error).__name__)  # noqa: TRY400 -- a traceback would have the statement.
    if len(found) > MOST_LINES:
        log.error("more rows that cannot be read", count=len(found) - MOST_LINES)


def _replace(
    connection: Connection, table: Table, key: object, values: Mapping[str, Any], now: datetime
) -> None:
    values = {column: now if value is NOW else value for column, value in values.items()}
    if "due_at" in values:
        # At once, by whichever clock.
        values["ending"] = func.coalesce(objects.c.ending, NATURAL_ENDING)
    is_it = next(iter(table.primary_key.columns)) == key
    if values:
        connection.execute(update(table).where(is_it).values(values))
    if table is jobs:
        failed = {"state": JobState.FAILED.value, "error_code": Unexpected.code}
        end_jobs(connection, is_it & IS_UNFINISHED, failed, now)
