"""Status messages in SQL, so that a restart goes on in the same ones."""

from collections.abc import Sequence

from sqlalchemy import exists, insert, select, update

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import answers, cards, jobs
from bot.core.jobs import Job
from bot.core.ports.ledger import AnswerState, StoredStatusMessage

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

    async def open_cards(self) -> list[StoredStatusMessage]:
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
