"""What must still be said beside answers, and updates that could not be handled, in SQL."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.rows import first_of_each_chat
from bot.adapters.ledger.schema import dead_updates, outbox
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority

KEPT_FOR = timedelta(hours=48)
"""Said rows stay this long, so that an update that is delivered again (Telegram: 24 h) says
nothing twice.
"""
_PENDING = first_of_each_chat(
    select(outbox).where(outbox.c.said.is_(False)), outbox, (outbox.c.priority, outbox.c.id)
)


class SqlOutbox:
    """Implements `Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def post(self, message: OutboxMessage, now: datetime) -> bool:
        """Store a saying; false if `dedupe` is known already."""
        statement = insert(outbox).values(_values(message, now)).on_conflict_do_nothing()
        async with self._database.write() as connection:
            await connection.execute(
                delete(outbox).where(outbox.c.said, outbox.c.created_at < now - KEPT_FOR)
            )
            return (await connection.execute(statement)).rowcount == 1

    async def pending(self, limit: int) -> list[OutboxMessage]:
        """Return what must still be said, by priority, then age."""
        rows = await self._database.fetch(_PENDING, {"limit": limit})
        return [_saying(row) for row in rows.mappings()]

    async def delivered(self, row_id: int) -> None:
        """Store that it has been said."""
        await self._database.change(update(outbox).where(outbox.c.id == row_id).values(said=True))

    async def begin_attempt(self, row_id: int) -> int:
        """Store the intention before a call; return how many calls there have been."""
        statement = (
            update(outbox)
            .where(outbox.c.id == row_id)
            .values(tries=outbox.c.tries + 1)
            .returning(outbox.c.tries)
        )
        return int((await self._database.change(statement)).scalar_one())


class SqlDeadUpdates:
    """Implements `DeadUpdates`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, update_id: int, body: str, error: str, now: datetime) -> None:
        """Store an update with the last error; a second burial changes nothing."""
        statement = (
            insert(dead_updates)
            .values(update_id=update_id, body=body, error=error, buried_at=now)
            .on_conflict_do_nothing()
        )
        await self._database.change(statement)


def _values(message: OutboxMessage, now: datetime) -> dict[str, Any]:
    return {
        "kind": message.kind.value,
        "priority": message.priority.value,
        "chat_id": message.chat_id,
        "thread_id": message.thread_id,
        "reply_to": message.reply_to,
        "owner_id": message.owner_id,
        "language": message.language,
        "payload": message.payload,
        "dedupe": message.dedupe,
        "tries": 0,
        "created_at": now,
        "said": False,
    }


def _saying(row: RowMapping) -> OutboxMessage:
    return OutboxMessage(
        id=row["id"],
        kind=OutboxKind(row["kind"]),
        priority=Priority(row["priority"]),
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        reply_to=row["reply_to"],
        owner_id=row["owner_id"],
        language=row["language"],
        payload=row["payload"],
        dedupe=row["dedupe"],
        tries=row["tries"],
        created_at=row["created_at"],
    )
