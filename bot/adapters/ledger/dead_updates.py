"""Updates that could not be handled, in SQL: failing ones are tried again, dead ones are set
aside. A dead one keeps no text of a message.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from bot.adapters.ledger.rows import insert_for
from bot.adapters.ledger.schema import dead_updates
from bot.core.ports.outbox import FailingUpdate

DEAD, FAILING = "dead", "failing"
_IS_FAILING = dead_updates.c.state == FAILING


def add(
    connection: Connection,
    update_id: int,
    body: str,
    error: str,
    now: datetime,
    chat_id: int | None = None,
) -> None:
    """Set an update aside; one that has been already is left as it is."""
    values = {
        "body": body,
        "error": error,
        "buried_at": now,
        "chat_id": chat_id,
        "state": DEAD,
        "not_before": None,
    }
    statement = insert_for(connection, dead_updates).values(values | {"update_id": update_id})
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[dead_updates.c.update_id], set_=values, where=_IS_FAILING
        )
    )


def failing(
    connection: Connection,
    update_id: int,
    body: str,
    error: str,
    now: datetime,
    again_at: datetime,
) -> None:
    """Store that handling has failed once; an update that is stored already is left as it is."""
    values = {
        "update_id": update_id,
        "body": body,
        "error": error,
        "buried_at": now,
        "state": FAILING,
        "attempts": 1,
        "not_before": again_at,
    }
    statement = insert_for(connection, dead_updates).values(values)
    connection.execute(statement.on_conflict_do_nothing())


def due(connection: Connection, now: datetime, limit: int) -> list[FailingUpdate]:
    """Return failing updates that are due, the longest due first."""
    statement = (
        select(dead_updates)
        .where(_IS_FAILING, dead_updates.c.not_before <= now)
        .order_by(dead_updates.c.not_before, dead_updates.c.update_id)
        .limit(limit)
    )
    rows = connection.execute(statement).mappings()
    return [FailingUpdate(row["update_id"], row["body"], row["attempts"]) for row in rows]


def next_due_at(connection: Connection) -> datetime | None:
    """Return when the next failing update is due."""
    statement = select(func.min(dead_updates.c.not_before)).where(_IS_FAILING)
    found: datetime | None = connection.execute(statement).scalar_one()
    return found


def begin_attempt(connection: Connection, update_id: int, again_at: datetime) -> None:
    """Count a try before it is made."""
    connection.execute(
        update(dead_updates)
        .where(dead_updates.c.update_id == update_id, _IS_FAILING)
        .values(attempts=dead_updates.c.attempts + 1, not_before=again_at)
    )


def handled(connection: Connection, update_id: int) -> None:
    """Remove a failing update."""
    connection.execute(
        delete(dead_updates).where(dead_updates.c.update_id == update_id, _IS_FAILING)
    )


def prune(connection: Connection, before: datetime) -> None:
    """Remove what was set aside before that moment, and texts that earlier versions kept."""
    is_dead = dead_updates.c.state == DEAD
    connection.execute(delete(dead_updates).where(is_dead, dead_updates.c.buried_at < before))
    has_text = dead_updates.c.body.like('%"update_id"%')
    connection.execute(update(dead_updates).where(is_dead, has_text).values(body=""))
