"""Jobs in SQL. Every change of state is one conditional update that names the state and the
attempt it expects. A job that ends without a link gives up its planned object in the same
transaction.

Statements that every file needs are built once, with parameters: building one and finding its
compiled form takes three times as long as SQLite takes to execute it. What is given to `execute`
beside the parameters of an update are the columns that it sets.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    type_coerce,
    union,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert, Update

from bot.adapters.ledger.rows import (
    NO_TIME,
    Instant,
    beside,
    from_new_job,
    insert_for,
    is_one_of,
    once_per_dialect,
    read_rows,
    to_job,
)
from bot.adapters.ledger.schema import answers, cards, daily_totals, jobs, objects, pages
from bot.core.files import IncomingFile
from bot.core.jobs import (
    NO_WISHES,
    SHELL,
    UNEXPECTED_ERRORS,
    Ending,
    Job,
    JobState,
    ObjectState,
    Origin,
    StoredObject,
    Wishes,
)
from bot.core.limits import WINDOW
from bot.core.ports.answers import AnswerState
from bot.core.ports.jobs import Finished
from bot.core.ports.ledger import Accepted

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert

UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)

IS_UNFINISHED = is_one_of(jobs.c.state, *UNFINISHED)
IS_FROM_A_CHAT = jobs.c.chat_id != SHELL

_OF_IDS = (
    select(jobs)
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)))
    # As they were sent: files of one album are accepted at the same time.
    .order_by(jobs.c.message_id, jobs.c.id)
)
# Two questions, each with an index of its own; together they would read all jobs.
_OPEN_ALBUMS = union(
    select(jobs.c.chat_id, jobs.c.album).where(jobs.c.album.is_not(None), IS_UNFINISHED),
    select(jobs.c.chat_id, jobs.c.album).where(
        jobs.c.album.is_not(None), jobs.c.created_at > bindparam("quiet_since", type_=Instant)
    ),
)

_IS_IT = jobs.c.id == bindparam("job")
_ACQUIRE = (
    update(jobs)
    .where(
        _IS_IT,
        jobs.c.state == JobState.QUEUED.value,
        jobs.c.run_at <= bindparam("now", type_=Instant),
    )
    .values(state=JobState.RUNNING.value, attempt=jobs.c.attempt + 1)
    .returning(jobs)
)
# The fence: a caller with an older attempt, or an older state, changes nothing.
_CHANGE = update(jobs).where(
    _IS_IT, jobs.c.state == bindparam("was"), jobs.c.attempt == bindparam("fence")
)
_FAIL = _CHANGE.values(failures=jobs.c.failures + 1)
_MAKE_LIVE = (
    update(objects).where(objects.c.id == bindparam("object")).values(state=ObjectState.LIVE.value)
)
_ACCEPTED = (
    select(jobs.c.created_at, func.coalesce(jobs.c.size, jobs.c.announced_size, 0))
    .where(
        jobs.c.created_at > bindparam("since", type_=Instant),
        jobs.c.created_at < literal_column(f"{NO_TIME}"),
        jobs.c.state != JobState.FAILED.value,
    )
    .order_by(jobs.c.created_at, jobs.c.id)
)
_ACCEPTED_BY = _ACCEPTED.where(jobs.c.owner_id == bindparam("owner"))
_ACCEPTED_IN = _ACCEPTED.where(jobs.c.chat_id.in_(bindparam("chats", expanding=True)))


@once_per_dialect
def _accept(connection: Connection) -> ReturningInsert[Any]:
    return insert_for(connection, jobs).on_conflict_do_nothing().returning(jobs)


@once_per_dialect
def _count(connection: Connection) -> "Insert":
    insert = insert_for(connection, daily_totals)
    return insert.on_conflict_do_update(
        index_elements=["day", "state", "code"],
        set_={
            "jobs": daily_totals.c.jobs + insert.excluded.jobs,
            "bytes": daily_totals.c.bytes + insert.excluded.bytes,
        },
    )


def accept(
    connection: Connection,
    origin: Origin,
    file: IncomingFile,
    now: datetime,
    wishes: Wishes = NO_WISHES,
) -> Job | None:
    """Store a new job, or return `None` if this file of this message was accepted before. What was
    asked for with one file of an album holds for all of them.
    """
    strictest, of_album = wishes, None
    if origin.album is not None:
        of_album = _of_album(origin.chat_id, origin.album, now - WINDOW)
        strictest = _strictest(connection, of_album, wishes)
    made = connection.execute(_accept(connection), from_new_job(origin, file, now, strictest))
    row = made.mappings().one_or_none()
    if row and of_album is not None and wishes != NO_WISHES:
        _limit_album(connection, of_album, strictest)
    return to_job(row) if row else None


def _of_album(chat_id: int, album: str, since: datetime) -> ColumnElement[bool]:
    # The moment bounds the cost: there is an index of chat and time.
    is_of_chat = (jobs.c.chat_id == chat_id) & (jobs.c.created_at > since)
    return is_of_chat & (jobs.c.album == album)


def _strictest(connection: Connection, which: ColumnElement[bool], wishes: Wishes) -> Wishes:
    """Return the strictest of `wishes` and of those of other jobs."""
    lowest = select(func.min(jobs.c.lifetime), func.min(jobs.c.most_downloads)).where(which)
    seconds, most = connection.execute(lowest).one()
    lifetimes = [wishes.lifetime] if wishes.lifetime is not None else []
    if seconds is not None:
        lifetimes.append(timedelta(seconds=seconds))
    downloads = [count for count in (most, wishes.most_downloads) if count is not None]
    return Wishes(min(lifetimes, default=None), min(downloads, default=None))


def _limit_album(connection: Connection, which: ColumnElement[bool], wishes: Wishes) -> None:
    """Hold the files of an album that came earlier to the same wishes, with or without a link."""
    its_answers = select(jobs.c.answer_id).where(which, jobs.c.answer_id.is_not(None))
    if wishes.lifetime is not None:
        seconds = int(wishes.lifetime.total_seconds())
        connection.execute(update(jobs).where(which).values(lifetime=seconds))
        end = type_coerce(objects.c.completed_at, BigInteger) + seconds * 1_000_000
        is_live = (objects.c.state == ObjectState.LIVE.value) & objects.c.ending.is_(None)
        is_longer = type_coerce(objects.c.due_at, BigInteger) > end
        its_jobs = select(jobs.c.id).where(which)
        connection.execute(
            update(objects)
            .where(objects.c.job_id.in_(its_jobs), is_live, is_longer)
            .values(due_at=type_coerce(end, Instant))
        )
    if (most := wishes.most_downloads) is not None:
        connection.execute(update(jobs).where(which).values(most_downloads=most))
        is_looser = pages.c.most_downloads.is_(None) | (pages.c.most_downloads > most)
        is_its = pages.c.answer_id.in_(its_answers)
        connection.execute(update(pages).where(is_its, is_looser).values(most_downloads=most))
    changes = answers.c.changes + 1
    connection.execute(
        update(answers).where(answers.c.id.in_(its_answers)).values(changes=changes)
    )


def accept_from_shell(
    connection: Connection, origin: Origin, file: IncomingFile, now: datetime
) -> Job:
    """Store a new job of a command together with its answer, which sends no message."""
    shown = {
        "chat_id": origin.chat_id,
        "reply_to": origin.message_id,
        "language": origin.language,
        "state": AnswerState.SHOWN.value,
        "tries": 0,
        "changes": 0,
        "shown": 0,
    }
    answer = connection.execute(insert(answers).values(shown).returning(answers.c.id))
    values = from_new_job(origin, file, now) | {"answer_id": answer.scalar_one()}
    made = connection.execute(insert(jobs).values(values).returning(jobs))
    return to_job(made.mappings().one())


def knows(connection: Connection, origin: Origin, file: IncomingFile) -> bool:
    """Return whether this file of this message has been accepted."""
    statement = select(jobs.c.id).where(
        jobs.c.bot_id == origin.bot_id,
        jobs.c.chat_id == origin.chat_id,
        jobs.c.message_id == origin.message_id,
        jobs.c.file_unique_id == file.file_unique_id,
    )
    return connection.execute(statement).one_or_none() is not None


def speak(connection: Connection, owner_id: int, language: str) -> None:
    """Set the language of an owner's unanswered jobs."""
    connection.execute(
        update(jobs)
        .where(beside(jobs.c.owner_id) == owner_id, jobs.c.answer_id.is_(None))
        .values(language=language)
    )
    connection.execute(
        update(cards).where(cards.c.chat_id == owner_id, cards.c.open).values(language=language)
    )


def get(connection: Connection, job_id: int) -> Job | None:
    """Return a job, or `None`."""
    found = get_many(connection, [job_id])
    return found[0] if found else None


def get_many(connection: Connection, job_ids: Sequence[int]) -> list[Job]:
    """Return the existing jobs of these ids, in the order of their messages."""
    rows = connection.execute(_OF_IDS, {"ids": list(job_ids)})
    return read_rows(connection, jobs, rows.mappings(), to_job)


def open_albums(connection: Connection, quiet_since: datetime) -> set[tuple[int, str]]:
    """Return chat and album of those albums that may still grow or have unfinished jobs."""
    rows = connection.execute(_OPEN_ALBUMS, {"quiet_since": quiet_since})
    return {(row.chat_id, row.album) for row in rows}


def count_album(connection: Connection, chat_id: int, album: str, since: datetime) -> int:
    """Return how many files of an album have been accepted since that moment."""
    of_album = _of_album(chat_id, album, since)
    return connection.execute(select(func.count()).select_from(jobs).where(of_album)).scalar_one()


def unfinished(connection: Connection) -> list[Job]:
    """Return all unfinished jobs of chats, oldest first."""
    return _read(connection, _unfinished_where(IS_FROM_A_CHAT))


def unfinished_of(connection: Connection, owner_id: int) -> list[Job]:
    """Return the unfinished jobs of an owner, oldest first."""
    return _read(connection, _unfinished_where(beside(jobs.c.owner_id) == owner_id))


def unfinished_in(connection: Connection, chat_ids: Sequence[int]) -> list[Job]:
    """Return the unfinished jobs that came from these chats, oldest first."""
    return _read(connection, _unfinished_where(beside(jobs.c.chat_id).in_(chat_ids)))


def request_cancel(connection: Connection, job_id: int) -> None:
    """Record that the user cancelled the job, so that a restart does not lose it."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))


def acquire(connection: Connection, job_id: int, now: datetime, boot_id: str = "") -> Job | None:
    """Atomically claim a queued job that is due, and record the boot in which it runs."""
    made = connection.execute(_ACQUIRE, {"job": job_id, "now": now, "boot_id": boot_id})
    claimed = read_rows(connection, jobs, made.mappings(), to_job)
    return claimed[0] if claimed else None


def give_back(connection: Connection, job: Job) -> bool:
    """Put a running job back as it was; count no failure."""
    return _change(connection, job, state=JobState.QUEUED.value)


def retry_later(
    connection: Connection,
    job: Job,
    run_at: datetime,
    code: str,
    *,
    abandon_at: datetime | None = None,
    unexpected: int = 0,
) -> bool:
    """Put a running job back for another attempt; with `abandon_at` give up its object, which is
    due then.
    """
    changed = _change(
        connection,
        job,
        _FAIL,
        state=JobState.QUEUED.value,
        run_at=run_at,
        error_code=code,
        error_args={UNEXPECTED_ERRORS: unexpected} if unexpected else {},
    )
    if changed and abandon_at is not None:
        _abandon(connection, objects.c.job_id == job.id, abandon_at)
    return changed


def finish(
    connection: Connection, job: Job, stored: StoredObject, result: Finished, now: datetime
) -> bool:
    """Mark a running job DONE and its object live; give up the object if the job is not running
    any more.
    """
    changed = _change(
        connection,
        job,
        state=JobState.DONE.value,
        finished_at=now,
        size=result.size,
        sha256=result.sha256,
        error_code=None,
        error_args={},
    )
    if changed:
        count_ended(connection, JobState.DONE, now, size=result.size)
        due_at = result.expires_at
        if job.origin.album is not None and result.completed_at is not None:
            # It may have been asked for with another file while this one was relayed.
            is_it = jobs.c.id == job.id
            lifetime = _strictest(connection, is_it, job.wishes).lifetime
            due_at = min(due_at, result.completed_at + (lifetime or WINDOW))
        life = {"due_at": due_at, "completed_at": result.completed_at}
        connection.execute(_MAKE_LIVE, {"object": stored.id, **life})
    else:
        _abandon(connection, objects.c.id == stored.id, now)
    return changed


def fail(connection: Connection, job: Job, code: str, args: dict[str, int], now: datetime) -> bool:
    """Mark a running job FAILED, and give up its object."""
    changed = _change(
        connection,
        job,
        _FAIL,
        state=JobState.FAILED.value,
        error_code=code,
        error_args=args,
        finished_at=now,
    )
    if changed:
        count_ended(connection, JobState.FAILED, now, code=code)
        _abandon(connection, objects.c.job_id == job.id, now)
    return changed


def cancel(connection: Connection, job: Job, now: datetime) -> bool:
    """Mark a job CANCELLED if it is as it was read, and give up its object."""
    changed = _change(connection, job, state=JobState.CANCELLED.value, finished_at=now)
    if changed:
        count_ended(connection, JobState.CANCELLED, now)
        _abandon(connection, objects.c.job_id == job.id, now)
    return changed


def cancel_waiting(connection: Connection, job_id: int, now: datetime) -> Job | None:
    """Mark a queued job CANCELLED, in any attempt, and give up its object; return the job."""
    is_waiting = (jobs.c.id == job_id) & (jobs.c.state == JobState.QUEUED.value)
    ended = end_jobs(connection, is_waiting, {"state": JobState.CANCELLED.value}, now)
    return ended[0] if ended else None


def _unfinished_where(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(jobs).where(condition, IS_UNFINISHED).order_by(jobs.c.id)


def _read(connection: Connection, statement: Select[*tuple[Any, ...]]) -> list[Job]:
    return read_rows(connection, jobs, connection.execute(statement).mappings(), to_job)


def _change(connection: Connection, job: Job, statement: Update = _CHANGE, **values: Any) -> bool:
    fence = {"job": job.id, "was": job.state.value, "fence": job.attempt}
    return connection.execute(statement, fence | values).rowcount == 1


def end_jobs(
    connection: Connection, which: ColumnElement[bool], values: dict[str, str], now: datetime
) -> list[Job]:
    """End jobs that have no runner, and give up their objects; return the jobs as stored then."""
    ended = connection.execute(
        update(jobs).where(which).values(values | {"finished_at": now}).returning(jobs)
    )
    found = read_rows(connection, jobs, ended.mappings(), to_job)
    found.sort(key=lambda job: job.id)
    for job in found:
        code = job.error_code or "" if job.state is JobState.FAILED else ""
        count_ended(connection, job.state, now, code=code)
    _abandon(connection, objects.c.job_id.in_([job.id for job in found]), now)
    return found


def _abandon(connection: Connection, whose: ColumnElement[bool], due_at: datetime) -> None:
    """Make the object of an unfinished upload due; the reaper aborts and deletes it."""
    is_planned = objects.c.state == ObjectState.PLANNED.value
    connection.execute(
        update(objects)
        .where(whose, is_planned, objects.c.ending.is_(None))
        .values(due_at=due_at, ending=Ending.UNDONE.value)
    )


def accepted_by(connection: Connection, owner_id: int, since: datetime) -> list[Accepted]:
    """Return the files of an owner accepted after `since`, the oldest first."""
    return _accepted(connection, _ACCEPTED_BY, {"owner": owner_id, "since": since})


def accepted_in(
    connection: Connection, chat_ids: Sequence[int], since: datetime
) -> list[Accepted]:
    """Return the files from these chats accepted after `since`."""
    return _accepted(connection, _ACCEPTED_IN, {"chats": list(chat_ids), "since": since})


def _accepted(
    connection: Connection, statement: Select[*tuple[Any, ...]], given: dict[str, Any]
) -> list[Accepted]:
    return [Accepted(at, bytes_) for at, bytes_ in connection.execute(statement, given)]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def count_ended(
    connection: Connection, state: JobState, now: datetime, *, code: str = "", size: int = 0
) -> None:
    """Add a job that has ended to the totals of its day."""
    day = (now - _EPOCH).days
    row = {"day": day, "state": state.value, "code": code, "jobs": 1, "bytes": size}
    connection.execute(_count(connection), row)
