"""Messages that must still be sent beside answers, in SQL."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select, update

from bot.adapters.ledger.rows import first_of_each_chat, insert_for
from bot.adapters.ledger.schema import outbox
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority

KEPT_FOR = timedelta(hours=48)
"""Sent rows are kept for this time, so that a redelivered update (Telegram: 24 h) sends nothing
twice.
"""
_PENDING = first_of_each_chat(
    select(outbox).where(outbox.c.said.is_(False)), outbox, (outbox.c.priority, outbox.c.id)
)


def post(connection: Connection, message: OutboxMessage, now: datetime) -> bool:
    """Store a message; return false if `dedupe` is stored already."""
    connection.execute(delete(outbox).where(outbox.c.said, outbox.c.created_at < now - KEPT_FOR))
    statement = insert_for(connection, outbox).values(_values(message, now))
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def pending(connection: Connection, limit: int) -> list[OutboxMessage]:
    """Return the messages to send, by priority, then age."""
    return [_message(row) for row in connection.execute(_PENDING, {"limit": limit}).mappings()]


def delivered(connection: Connection, row_id: int) -> None:
    """Record that the message was sent."""
    values = {"said": True, "error_code": None}
    connection.execute(update(outbox).where(outbox.c.id == row_id).values(values))


def begin_attempt(connection: Connection, row_id: int) -> int:
    """Record a call before it is made; return the number of calls so far."""
    statement = (
        update(outbox)
        .where(outbox.c.id == row_id)
        .values(tries=outbox.c.tries + 1, error_code=None)
        .returning(outbox.c.tries)
    )
    return int(connection.execute(statement).scalar_one())


def failed(connection: Connection, row_id: int, code: str) -> None:
    """Store why a call failed that may be repeated."""
    connection.execute(update(outbox).where(outbox.c.id == row_id).values(error_code=code))


def set_aside(connection: Connection, row_id: int, code: str) -> None:
    """Give a message up."""
    connection.execute(
        update(outbox).where(outbox.c.id == row_id).values(said=True, error_code=code)
    )


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


def _message(row: RowMapping) -> OutboxMessage:
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
        error_code=row["error_code"],
    )
