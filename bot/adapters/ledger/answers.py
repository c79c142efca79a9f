"""Answers and status messages in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    RowMapping,
    bindparam,
    case,
    delete,
    exists,
    insert,
    select,
    update,
)

from bot.adapters.ledger import pages
from bot.adapters.ledger.jobs import get_many
from bot.adapters.ledger.objects import of_jobs
from bot.adapters.ledger.rows import first_of_each_chat, is_one_of, read_rows, to_job
from bot.adapters.ledger.schema import answers, cards, jobs
from bot.core.files import LinkMode
from bot.core.jobs import Job, JobState, StoredObject
from bot.core.ports.answers import (
    AnswerContent,
    AnswerForm,
    AnswerState,
    StoredAnswer,
    StoredStatusMessage,
)

_ENDED = (JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value)
NOTHING = 0
"""Message id of a reply to no message: the column accepts no NULL, and no message has this id."""

IS_UNANSWERED = jobs.c.answer_id.is_(None) & jobs.c.state.in_(_ENDED)
_UNANSWERED = first_of_each_chat(
    select(jobs).where(IS_UNANSWERED),
    jobs,
    (jobs.c.finished_at, jobs.c.id),
)
IS_RESUMABLE = is_one_of(answers.c.state, AnswerState.PENDING.value, AnswerState.SENDING.value)
_RESUMABLE = select(answers).where(IS_RESUMABLE).order_by(answers.c.id)
# Only while it is being sent: what has been placed is never sent again.
_IS_SENDING = answers.c.state == AnswerState.SENDING.value
# An edit may be repeated at will; a message may have been placed.
_UNCERTAIN = answers.c.tries + case((answers.c.message_id.is_(None), 1), else_=0)
IS_STALE = (answers.c.state == AnswerState.SENT.value) & (answers.c.changes > answers.c.shown)
_STALE = first_of_each_chat(select(answers).where(IS_STALE), answers, (answers.c.id,))
_MEMBERS = (
    select(jobs.c.answer_id, jobs.c.id)
    .where(jobs.c.answer_id.in_(bindparam("answers", expanding=True)))
    # As they were sent: files of one album are accepted at the same time.
    .order_by(jobs.c.message_id, jobs.c.id)
)

_IS_IT = answers.c.id == bindparam("answer")
_SET = update(answers).where(_IS_IT)
_BEGIN = insert(answers).returning(answers)
_ASSIGN = (
    update(jobs)
    .where(jobs.c.id.in_(bindparam("jobs", expanding=True)), jobs.c.answer_id.is_(None))
    .returning(jobs)
)
_BECOME = (
    update(cards)
    .where(cards.c.chat_id == bindparam("chat"), cards.c.message_id == bindparam("message"))
    .values(open=False)
)


def unanswered(connection: Connection, limit: int) -> list[Job]:
    """Return ended jobs that belong to no answer yet."""
    rows = connection.execute(_UNANSWERED, {"limit": limit}).mappings()
    return read_rows(connection, jobs, rows, to_job)


def begin(
    connection: Connection,
    jobs_: Sequence[Job],
    placed_message_id: int | None,
    *,
    chat_id: int | None = None,
) -> StoredAnswer:
    """Create the answer for jobs of one chat and topic, in state SENDING; close the status message
    that becomes it.
    """
    # They may have ended in another order; the answer is a reply to what was sent first.
    first = min(jobs_, key=lambda job: job.id).origin
    is_here = chat_id in {None, first.chat_id}
    values = {
        "chat_id": first.chat_id if is_here else chat_id,
        "thread_id": first.thread_id if is_here else None,
        "reply_to": first.message_id if is_here else NOTHING,
        "language": first.language,
        "state": AnswerState.SENDING.value,
        "tries": 0,
        "message_id": placed_message_id,
        "changes": 0,
        "shown": 0,
        "attempts": 1,
        "form": AnswerForm.FULL.value,
    }
    row = connection.execute(_BEGIN, values).mappings().one()
    given = {"jobs": [job.id for job in jobs_], "answer_id": row["id"]}
    assigned = map(to_job, connection.execute(_ASSIGN, given).mappings())
    members = sorted(assigned, key=lambda job: (job.origin.message_id, job.id))
    if placed_message_id is not None:
        # In the same transaction, or after a crash the message would be both a status message and
        # an answer, and be deleted as the former after it was sent as the latter.
        place = {"chat": first.chat_id, "message": placed_message_id}
        connection.execute(_BECOME, place)
    job_ids = [job.id for job in members]
    content = AnswerContent(members, of_jobs(connection, job_ids))
    _add_page(connection, row["id"], content.objects)
    return replace(_to_answer(row, job_ids), content=content)


def resumable(connection: Connection) -> list[StoredAnswer]:
    """Return answers that are PENDING or SENDING, oldest first."""
    return _read(connection, _RESUMABLE)


def stale(connection: Connection, limit: int) -> list[StoredAnswer]:
    """Return sent answers with items that changed after the last edit."""
    return _read(connection, _STALE, {"limit": limit})


def sending(connection: Connection, answer_id: int) -> AnswerContent:
    """Store the intention before another call, and count it."""
    attempts = answers.c.attempts + 1
    _set(connection, answer_id, state=AnswerState.SENDING.value, attempts=attempts)
    members = connection.execute(_MEMBERS, {"answers": [answer_id]})
    return _content(connection, [job_id for _, job_id in members])


def _content(connection: Connection, job_ids: Sequence[int]) -> AnswerContent:
    return AnswerContent(get_many(connection, job_ids), of_jobs(connection, job_ids))


def sent(
    connection: Connection, answer_id: int, message_id: int, chat_id: int | None = None
) -> None:
    """Record that the answer was sent, to another chat than planned if that is given."""
    values = {"state": AnswerState.SENT.value, "message_id": message_id, "attempts": 0}
    if chat_id is not None:
        values["chat_id"] = chat_id
    _set(connection, answer_id, **values)


def lost(connection: Connection, answer_id: int, code: str) -> None:
    """Store that the answer cannot be placed, and why."""
    _set(connection, answer_id, state=AnswerState.LOST.value, error_code=code)


def reword(connection: Connection, answer_id: int, form: AnswerForm) -> None:
    """Change the form; one that is SENDING is PENDING again."""
    _set(connection, answer_id, form=form.value)
    _set(connection, answer_id, _IS_SENDING, state=AnswerState.PENDING.value, attempts=0)


def anew(connection: Connection, answer_id: int) -> None:
    """Forget the message that was to become the answer."""
    _set(connection, answer_id, message_id=None)


def release(connection: Connection, answer_id: int, job_ids: Sequence[int]) -> None:
    """Take jobs out of an answer; they are unanswered again."""
    is_in = jobs.c.answer_id == answer_id
    statement = update(jobs).where(is_in, jobs.c.id.in_(job_ids)).values(answer_id=None)
    connection.execute(statement)


def redirect(connection: Connection, answer_id: int, code: str) -> None:
    """Turn an answer into private ones, one for each owner; what belongs to no person is LOST."""
    found = connection.execute(select(answers).where(answers.c.id == answer_id)).mappings().one()
    members = connection.execute(
        select(jobs.c.id, jobs.c.owner_id, jobs.c.language)
        .where(jobs.c.answer_id == answer_id, jobs.c.owner_id > 0)
        .order_by(jobs.c.id)
    )
    by_owner: dict[int, list[RowMapping]] = {}
    for job in members.mappings():
        by_owner.setdefault(job["owner_id"], []).append(job)
    for owner_id, owned in by_owner.items():
        private = {
            "language": owned[0]["language"],
            "chat_id": owner_id,
            "thread_id": None,
            "reply_to": NOTHING,
            "state": AnswerState.PENDING.value,
            "tries": 0,
            "attempts": 0,
            "form": AnswerForm.PRIVATE.value,
        }
        _move(connection, found, [job["id"] for job in owned], private)
    if connection.execute(select(jobs.c.id).where(jobs.c.answer_id == answer_id)).first():
        lost(connection, answer_id, code)
    else:
        pages.remove(connection, answers.c.id == answer_id)
        connection.execute(delete(answers).where(answers.c.id == answer_id))


def apart(connection: Connection, answer_id: int) -> None:
    """Give each job of an answer a copy of its own; the answer keeps the first."""
    found = connection.execute(select(answers).where(answers.c.id == answer_id)).mappings().one()
    members = connection.execute(
        select(jobs.c.id, jobs.c.message_id)
        .where(jobs.c.answer_id == answer_id)
        .order_by(jobs.c.id)
        .offset(1)
    )
    for job_id, message_id in members.all():
        reply_to = message_id if found["reply_to"] != NOTHING else NOTHING
        _move(connection, found, [job_id], {"reply_to": reply_to})


def _move(
    connection: Connection,
    found: RowMapping,
    job_ids: Sequence[int],
    changes: Mapping[str, Any],
) -> None:
    """Give jobs another answer, which is like `found` but for `changes`."""
    values = {**found, "message_id": None, **changes}
    del values["id"]
    made = connection.execute(insert(answers).values(values).returning(answers.c.id))
    answer_id = made.scalar_one()
    connection.execute(update(jobs).where(jobs.c.id.in_(job_ids)).values(answer_id=answer_id))
    _add_page(connection, answer_id, of_jobs(connection, job_ids))


def _add_page(connection: Connection, answer_id: int, stored: Mapping[int, StoredObject]) -> None:
    """Create the page of a new answer, if one of its objects was stored for a page."""
    for_page = [job for job, one in stored.items() if one.placement.mode is LinkMode.PAGE]
    if for_page:
        pages.add(connection, answer_id, for_page)


def correcting(connection: Connection, answer_id: int) -> None:
    """Count a correction before the call."""
    _set(connection, answer_id, attempts=answers.c.attempts + 1)


def settle(connection: Connection, answer_id: int) -> None:
    """Forget the calls that were counted."""
    _set(connection, answer_id, attempts=0)


def refreshed(
    connection: Connection, answer_id: int, changes: int, *, code: str | None = None
) -> None:
    """Record that the answer shows the first `changes` changes, or was given up with `code`."""
    _set(connection, answer_id, shown=changes, attempts=0, error_code=code)


def unsent(connection: Connection, answer_id: int, *, uncertain: bool) -> None:
    """Record that a call failed."""
    tries = _UNCERTAIN if uncertain else answers.c.tries
    _set(
        connection,
        answer_id,
        _IS_SENDING,
        state=AnswerState.PENDING.value,
        tries=tries,
        attempts=0,
    )


def cut_off(connection: Connection, answer_id: int, *, called: bool = True) -> None:
    """Store that an attempt was cut off; it stays counted."""
    tries = _UNCERTAIN if called else answers.c.tries
    _set(connection, answer_id, _IS_SENDING, state=AnswerState.PENDING.value, tries=tries)


def _set(
    connection: Connection, answer_id: int, *conditions: ColumnElement[bool], **values: Any
) -> None:
    if conditions or any(isinstance(value, ColumnElement) for value in values.values()):
        statement = update(answers).where(answers.c.id == answer_id, *conditions)
        connection.execute(statement.values(values))
    else:
        connection.execute(_SET, {"answer": answer_id, **values})


def _read(
    connection: Connection, found: Executable, parameters: Mapping[str, int] | None = None
) -> list[StoredAnswer]:
    rows = connection.execute(found, parameters).mappings().all()
    if not rows:
        return []
    members = connection.execute(_MEMBERS, {"answers": [row["id"] for row in rows]})
    included: dict[int, list[int]] = {}
    for answer_id, job_id in members:
        included.setdefault(answer_id, []).append(job_id)
    return read_rows(
        connection, answers, rows, lambda row: _to_answer(row, included.get(row["id"], ()))
    )


def _to_answer(row: RowMapping, job_ids: Sequence[int]) -> StoredAnswer:
    return StoredAnswer(
        id=row["id"],
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        reply_to=row["reply_to"] or None,
        language=row["language"],
        state=AnswerState(row["state"]),
        tries=row["tries"],
        message_id=row["message_id"],
        job_ids=tuple(job_ids),
        changes=row["changes"],
        attempts=row["attempts"],
        form=AnswerForm(row["form"]),
    )


# Correlated, so that the cost grows with the open status messages and not with all answers ever
# sent.
_IS_UNANSWERED = ~exists().where(
    answers.c.id == jobs.c.answer_id,
    answers.c.state.in_([AnswerState.SENT.value, AnswerState.LOST.value]),
)
_OPEN = (
    select(cards, jobs.c.id.label("job_id"))
    .select_from(cards)
    .outerjoin(jobs, (jobs.c.card_id == cards.c.id) & _IS_UNANSWERED)
    .where(cards.c.open.is_(True))
    .order_by(cards.c.id, jobs.c.id)
)

_OPEN_CARD = insert(cards).returning(cards)
_SET_CARD = update(cards).where(cards.c.id == bindparam("card"))
_BEGIN_CARD = _SET_CARD.values(attempts=cards.c.attempts + 1)
_JOIN_CARD = update(jobs).where(jobs.c.id.in_(bindparam("jobs", expanding=True)))


def open_status_message(
    connection: Connection, jobs_: Sequence[Job], *, shared: bool, album: str | None = None
) -> StoredStatusMessage:
    """Create a status message for jobs of one chat and topic, or for those of an album."""
    first = jobs_[0].origin
    values = {
        "chat_id": first.chat_id,
        "thread_id": first.thread_id,
        "reply_to": first.message_id,
        "language": first.language,
        "shared": shared,
        "album": album,
        "open": True,
    }
    row = connection.execute(_OPEN_CARD, values).mappings().one()
    job_ids = [job.id for job in jobs_]
    join_status_message(connection, row["id"], job_ids)
    return _to_status_message(row, job_ids)


def join_status_message(
    connection: Connection, status_message_id: int, job_ids: Sequence[int]
) -> None:
    """Add further jobs to an open status message."""
    connection.execute(_JOIN_CARD, {"jobs": list(job_ids), "card_id": status_message_id})


def place_status_message(
    connection: Connection, status_message_id: int, message_id: int, chat_id: int | None = None
) -> None:
    """Record the message id of the status message, and its chat if that is another one."""
    there = {} if chat_id is None else {"chat_id": chat_id}
    _set_card(connection, status_message_id, message_id=message_id, **there)


def close_status_message(connection: Connection, status_message_id: int) -> None:
    """Delete the row of the status message."""
    _set_card(connection, status_message_id, open=False)


def begin_status_message(connection: Connection, status_message_id: int) -> None:
    """Count a call before it is made."""
    connection.execute(_BEGIN_CARD, {"card": status_message_id})


def settle_status_message(connection: Connection, status_message_id: int) -> None:
    """Forget the calls that were counted."""
    _set_card(connection, status_message_id, attempts=0)


def set_status_message_aside(connection: Connection, status_message_id: int, code: str) -> None:
    """Give it up."""
    _set_card(connection, status_message_id, open=False, error_code=code)


def _set_card(connection: Connection, status_message_id: int, **values: Any) -> None:
    connection.execute(_SET_CARD, {"card": status_message_id, **values})


def knows_status_message(connection: Connection, chat_id: int, message_id: int) -> bool:
    """Return whether a message is, or was, the place of a status message."""
    is_it = (cards.c.chat_id == chat_id) & (cards.c.message_id == message_id)
    return connection.execute(select(cards.c.id).where(is_it).limit(1)).first() is not None


def open_status_messages(connection: Connection) -> list[StoredStatusMessage]:
    """Return all status messages that have not been closed, oldest first."""
    members: dict[int, list[int]] = {}
    found = {}
    for row in connection.execute(_OPEN).mappings():
        found[row["id"]] = row
        ids = members.setdefault(row["id"], [])
        ids.extend([row["job_id"]] if row["job_id"] is not None else [])
    return read_rows(
        connection, cards, found.values(), lambda row: _to_status_message(row, members[row["id"]])
    )


def _to_status_message(row: RowMapping, job_ids: Sequence[int]) -> StoredStatusMessage:
    return StoredStatusMessage(
        id=row["id"],
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        reply_to=row["reply_to"],
        language=row["language"],
        shared=row["shared"],
        message_id=row["message_id"],
        job_ids=tuple(job_ids),
        album=row["album"],
        attempts=row["attempts"],
    )
