"""Answers and status messages in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, case, exists, insert, select, update

from bot.adapters.ledger.database import Database, Transaction
from bot.adapters.ledger.rows import first_of_each_chat, to_job
from bot.adapters.ledger.schema import answers, cards, jobs
from bot.core.jobs import Job, JobState
from bot.core.ports.answers import AnswerState, StoredAnswer, StoredStatusMessage

_ENDED = (JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value)
MOST_UNCERTAIN_TRIES = 2
"""A lost answer to a call may hide a message that was placed; once more is a promise, twice more
is spam.
"""
NOTHING = 0
"""Stands for a reply to no message: the column takes no NULL, and no message has this id."""

_UNANSWERED = first_of_each_chat(
    select(jobs).where(jobs.c.answer_id.is_(None), jobs.c.state.in_(_ENDED)),
    jobs,
    (jobs.c.finished_at, jobs.c.id),
)
_RESUMABLE = (
    select(answers)
    .where(answers.c.state.in_([AnswerState.PENDING.value, AnswerState.SENDING.value]))
    .order_by(answers.c.id)
)
_STALE = first_of_each_chat(
    select(answers).where(
        answers.c.state == AnswerState.SENT.value, answers.c.changes > answers.c.shown
    ),
    answers,
    (answers.c.id,),
)
_MEMBERS = (
    select(jobs.c.answer_id, jobs.c.id)
    .where(jobs.c.answer_id.in_(bindparam("answers", expanding=True)))
    .order_by(jobs.c.id)
)


class SqlAnswers:
    """Implements `AnswerLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unanswered(self, limit: int) -> list[Job]:
        """Return ended jobs that no answer includes yet."""
        rows = await self._database.fetch(_UNANSWERED, {"limit": limit})
        return [to_job(row) for row in rows.mappings()]

    async def begin(
        self, jobs_: Sequence[Job], card_message_id: int | None, *, chat_id: int | None = None
    ) -> StoredAnswer:
        """Create the answer for jobs of one chat and topic, state SENDING; close the card that
        becomes it.
        """
        first = jobs_[0].origin
        is_here = chat_id in {None, first.chat_id}
        values = {
            "chat_id": first.chat_id if is_here else chat_id,
            "thread_id": first.thread_id if is_here else None,
            "reply_to": first.message_id if is_here else NOTHING,
            "language": first.language,
            "state": AnswerState.SENDING.value,
            "tries": 0,
            "message_id": card_message_id,
            "changes": 0,
            "shown": 0,
        }
        async with self._database.write() as connection:
            row = await connection.execute(insert(answers).values(values).returning(answers.c.id))
            answer_id = row.scalar_one()
            await connection.execute(
                update(jobs)
                .where(jobs.c.id.in_([job.id for job in jobs_]), jobs.c.answer_id.is_(None))
                .values(answer_id=answer_id)
            )
            if card_message_id is not None:
                # In the same transaction, or after a crash the message would be a card and an
                # answer, and be removed as a card once it has been sent as an answer.
                await connection.execute(
                    update(cards)
                    .where(cards.c.chat_id == first.chat_id, cards.c.message_id == card_message_id)
                    .values(open=False)
                )
            return (await _read(connection, select(answers).where(answers.c.id == answer_id)))[0]

    async def resumable(self) -> list[StoredAnswer]:
        """Return answers that are PENDING or SENDING, oldest first."""
        async with self._database.read() as connection:
            return await _read(connection, _RESUMABLE)

    async def stale(self, limit: int) -> list[StoredAnswer]:
        """Return sent answers whose items have changed since they were shown."""
        async with self._database.read() as connection:
            return await _read(connection, _STALE, {"limit": limit})

    async def sending(self, answer_id: int) -> None:
        """Store the intention before another call."""
        await self._set(answer_id, state=AnswerState.SENDING.value)

    async def sent(self, answer_id: int, message_id: int) -> None:
        """Store that the answer is placed."""
        await self._set(answer_id, state=AnswerState.SENT.value, message_id=message_id)

    async def lost(self, answer_id: int) -> None:
        """Store that the answer cannot be placed."""
        await self._set(answer_id, state=AnswerState.LOST.value)

    async def refreshed(self, answer_id: int, changes: int) -> None:
        """Store that the answer shows the first `changes` changes."""
        await self._set(answer_id, shown=changes)

    async def unsent(self, answer_id: int, *, uncertain: bool) -> None:
        """Store that a call failed."""
        tries = answers.c.tries + (1 if uncertain else 0)
        state = case(
            (tries >= MOST_UNCERTAIN_TRIES, AnswerState.LOST.value),
            else_=AnswerState.PENDING.value,
        )
        # Only while it is being sent: what has been placed is never sent again.
        await self._set(
            answer_id, answers.c.state == AnswerState.SENDING.value, state=state, tries=tries
        )

    async def _set(self, answer_id: int, *conditions: ColumnElement[bool], **values: Any) -> None:
        statement = update(answers).where(answers.c.id == answer_id, *conditions).values(values)
        await self._database.change(statement)


async def _read(
    connection: Transaction, found: Executable, parameters: Mapping[str, int] | None = None
) -> list[StoredAnswer]:
    rows = list((await connection.execute(found, parameters)).mappings())
    if not rows:
        return []
    members = await connection.execute(_MEMBERS, {"answers": [row["id"] for row in rows]})
    included: dict[int, list[int]] = {}
    for answer_id, job_id in members:
        included.setdefault(answer_id, []).append(job_id)
    return [
        StoredAnswer(
            id=row["id"],
            chat_id=row["chat_id"],
            thread_id=row["thread_id"],
            reply_to=row["reply_to"] or None,
            language=row["language"],
            state=AnswerState(row["state"]),
            tries=row["tries"],
            message_id=row["message_id"],
            job_ids=tuple(included.get(row["id"], ())),
            changes=row["changes"],
        )
        for row in rows
    ]


# Correlated, so that a look costs as much as there are open cards and not as there ever were
# answers.
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


class SqlStatusMessages:
    """Implements `StatusMessageLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, jobs_: Sequence[Job], *, shared: bool, album: str | None = None
    ) -> StoredStatusMessage:
        """Create a card for jobs of one chat and topic, or for those of an album."""
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
        result = await self._database.change(insert(cards).values(values).returning(cards.c.id))
        card_id = result.scalar_one()
        job_ids = tuple(job.id for job in jobs_)
        await self.join(card_id, job_ids)
        return StoredStatusMessage(
            id=card_id,
            chat_id=first.chat_id,
            thread_id=first.thread_id,
            reply_to=first.message_id,
            language=first.language,
            shared=shared,
            message_id=None,
            job_ids=job_ids,
            album=album,
        )

    async def join(self, card_id: int, job_ids: Sequence[int]) -> None:
        """Let an open card show further jobs."""
        await self._database.change(
            update(jobs).where(jobs.c.id.in_(job_ids)).values(card_id=card_id)
        )

    async def placed(self, card_id: int, message_id: int) -> None:
        """Store where the card is."""
        await self._set(card_id, message_id=message_id)

    async def close(self, card_id: int) -> None:
        """Forget the card."""
        await self._set(card_id, open=False)

    async def _set(self, card_id: int, **values: object) -> None:
        await self._database.change(update(cards).where(cards.c.id == card_id).values(values))

    async def open_status_messages(self) -> list[StoredStatusMessage]:
        """Return all cards that have not been closed, oldest first."""
        rows = await self._database.fetch(_OPEN)
        members: dict[int, list[int]] = {}
        found = {}
        for row in rows.mappings():
            found[row["id"]] = row
            ids = members.setdefault(row["id"], [])
            ids.extend([row["job_id"]] if row["job_id"] is not None else [])
        return [
            StoredStatusMessage(
                id=card_id,
                chat_id=row["chat_id"],
                thread_id=row["thread_id"],
                reply_to=row["reply_to"],
                language=row["language"],
                shared=row["shared"],
                message_id=row["message_id"],
                job_ids=tuple(members[card_id]),
                album=row["album"],
            )
            for card_id, row in found.items()
        ]
