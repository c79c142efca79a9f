"""Chats in SQL: their rules and those of owners, the messages that are to be sent to them beside
answers (the outbox), and updates from them that failed.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, delete, exists, func, or_, select, update

from bot.adapters.ledger.answers import IS_RESUMABLE, IS_STALE, IS_UNANSWERED
from bot.adapters.ledger.jobs import IS_FROM_A_CHAT, IS_UNFINISHED
from bot.adapters.ledger.rows import first_of_each_chat, insert_for, read_rows
from bot.adapters.ledger.schema import cards, chats, dead_updates, outbox, owners
from bot.core.ports.ledger import (
    ChatRules,
    FailingUpdate,
    OutboxKind,
    OutboxMessage,
    OwnerRules,
    PendingWork,
    Priority,
)


def rules_of_chats(connection: Connection, chat_ids: Collection[int]) -> dict[int, ChatRules]:
    """Return the rules of chats, by id."""
    found = connection.execute(select(chats).where(chats.c.chat_id.in_(chat_ids)))
    rules = read_rows(connection, chats, found.mappings(), lambda row: ChatRules(**row))
    known = {rule.chat_id: rule for rule in rules}
    return {chat_id: known.get(chat_id, ChatRules(chat_id)) for chat_id in chat_ids}


def set_chat(
    connection: Connection,
    chat_id: int,
    *,
    auto: bool | None = None,
    privately: bool | None = None,
    allowed: bool | None = None,
    zone: str | None = None,
) -> None:
    """Change the given rules and keep the others."""
    given = {"auto": auto, "privately": privately, "allowed": allowed, "zone": zone}
    _upsert(connection, chats, {"chat_id": chat_id}, given)


def migrate(connection: Connection, chat_id: int, moved_to: int) -> None:
    """Record that a group became a supergroup, and copy its rules.

    Rules are copied once: Telegram reports a migration in both chats and in answers to later
    calls, and rules that were set in the supergroup meanwhile must stay.
    """
    rules = rules_of_chats(connection, [chat_id])[chat_id]
    if rules.moved_to == moved_to:
        return
    _upsert(connection, chats, {"chat_id": chat_id}, {"moved_to": moved_to})
    set_chat(
        connection,
        moved_to,
        auto=rules.auto,
        privately=rules.privately,
        allowed=rules.allowed,
        zone=rules.zone,
    )


def migrations(connection: Connection) -> dict[int, int]:
    """Return every group that became a supergroup, with the new id."""
    statement = select(chats.c.chat_id, chats.c.moved_to).where(chats.c.moved_to.is_not(None))
    return {row.chat_id: row.moved_to for row in connection.execute(statement)}


def previous_ids(connection: Connection, chat_id: int) -> list[int]:
    """Return all ids that a chat has had, the present one first."""
    moves = migrations(connection)
    known = [chat_id]
    for current in known:
        # Known ids are left out: a cycle would be a mistake, and must end.
        known += [old for old, new in moves.items() if new == current and old not in known]
    return known


def rules_of_owners(connection: Connection, owner_ids: Collection[int]) -> dict[int, OwnerRules]:
    """Return the rules of owners, by id."""
    found = connection.execute(select(owners).where(owners.c.owner_id.in_(owner_ids)))
    rules = read_rows(connection, owners, found.mappings(), lambda row: OwnerRules(**row))
    known = {rule.owner_id: rule for rule in rules}
    return {owner_id: known.get(owner_id, OwnerRules(owner_id)) for owner_id in owner_ids}


def set_owner(
    connection: Connection,
    owner_id: int,
    *,
    language: str | None = None,
    banned: bool | None = None,
    allowed: bool | None = None,
) -> None:
    """Change the given rules and keep the others."""
    given = {"language": language, "banned": banned, "allowed": allowed}
    _upsert(connection, owners, {"owner_id": owner_id}, given)


def _upsert(
    connection: Connection, table: Table, key: dict[str, int], given: Mapping[str, object]
) -> None:
    values = {name: value for name, value in given.items() if value is not None}
    statement = insert_for(connection, table).values(key | values)
    if values:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)


_PENDING = first_of_each_chat(
    select(outbox).where(outbox.c.said.is_(False)), outbox, (outbox.c.priority, outbox.c.id)
)

_WORK = select(
    or_(exists().where(IS_UNANSWERED), exists().where(IS_RESUMABLE), exists().where(IS_STALE)),
    or_(exists().where(cards.c.open), exists().where(IS_UNFINISHED, IS_FROM_A_CHAT)),
)


def post(connection: Connection, message: OutboxMessage, now: datetime) -> bool:
    """Store a message; return false if `dedupe` is stored already."""
    statement = insert_for(connection, outbox).values(_values(message, now))
    # The driver of a server has closed its cursor by then.
    counted = statement.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(counted).rowcount == 1


def pending_messages(connection: Connection, limit: int) -> list[OutboxMessage]:
    """Return the messages to send, by priority, then age."""
    rows = connection.execute(_PENDING, {"limit": limit}).mappings()
    return read_rows(connection, outbox, rows, _message)


def pending_work(connection: Connection, limit: int) -> PendingWork:
    """Return what there is to do for the senders."""
    has_answers, has_status_messages = connection.execute(_WORK).one()
    return PendingWork(pending_messages(connection, limit), has_answers, has_status_messages)


def message_delivered(connection: Connection, row_id: int) -> None:
    """Record that the message was sent."""
    values = {"said": True, "error_code": None}
    connection.execute(update(outbox).where(outbox.c.id == row_id).values(values))


def begin_message(connection: Connection, row_id: int) -> int:
    """Record a call before it is made; return the number of calls so far."""
    statement = (
        update(outbox)
        .where(outbox.c.id == row_id)
        .values(tries=outbox.c.tries + 1, error_code=None)
        .returning(outbox.c.tries)
    )
    return int(connection.execute(statement).scalar_one())


def message_failed(connection: Connection, row_id: int, code: str) -> None:
    """Store why a call failed that may be repeated."""
    connection.execute(update(outbox).where(outbox.c.id == row_id).values(error_code=code))


def set_message_aside(connection: Connection, row_id: int, code: str) -> None:
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


DEAD, FAILING = "dead", "failing"
_IS_FAILING = dead_updates.c.state == FAILING


def set_update_aside(
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


def begin_update(
    connection: Connection, update_id: int, body: str, now: datetime, again_at: datetime
) -> bool:
    """Count the first try of an update; return false if it is one that is tried again."""
    values = _first_try(update_id, body, "", now, again_at)
    statement = insert_for(connection, dead_updates).values(values).on_conflict_do_nothing()
    # Not by the count of rows, which drivers do not tell alike.
    if connection.execute(statement.returning(dead_updates.c.update_id)).first() is not None:
        return True
    is_it = dead_updates.c.update_id == update_id
    state = connection.execute(select(dead_updates.c.state).where(is_it)).scalar_one()
    return bool(state != FAILING)


def update_failing(
    connection: Connection,
    update_id: int,
    body: str,
    error: str,
    now: datetime,
    again_at: datetime,
) -> None:
    """Store that handling has failed once; an update is left as it is if that is stored."""
    values = _first_try(update_id, body, error, now, again_at)
    statement = insert_for(connection, dead_updates).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[dead_updates.c.update_id],
            set_={"error": error, "not_before": again_at},
            where=_IS_FAILING & (dead_updates.c.error == ""),
        )
    )


def _first_try(
    update_id: int, body: str, error: str, now: datetime, again_at: datetime
) -> dict[str, Any]:
    return {
        "update_id": update_id,
        "body": body,
        "error": error,
        "buried_at": now,
        "state": FAILING,
        "attempts": 1,
        "not_before": again_at,
    }


def updates_due(connection: Connection, now: datetime, limit: int) -> list[FailingUpdate]:
    """Return failing updates that are due, the longest due first."""
    statement = (
        select(dead_updates)
        .where(_IS_FAILING, dead_updates.c.not_before <= now)
        .order_by(dead_updates.c.not_before, dead_updates.c.update_id)
        .limit(limit)
    )
    rows = connection.execute(statement).mappings()
    return read_rows(connection, dead_updates, rows, _failing_update)


def _failing_update(row: RowMapping) -> FailingUpdate:
    return FailingUpdate(row["update_id"], row["body"], row["attempts"])


def next_update_due_at(connection: Connection) -> datetime | None:
    """Return when the next failing update is due."""
    statement = select(func.min(dead_updates.c.not_before)).where(_IS_FAILING)
    found = connection.execute(statement).scalar_one()
    return found if isinstance(found, datetime) else None


def retry_update(connection: Connection, update_id: int, again_at: datetime) -> None:
    """Count a try before it is made."""
    connection.execute(
        update(dead_updates)
        .where(dead_updates.c.update_id == update_id, _IS_FAILING)
        .values(attempts=dead_updates.c.attempts + 1, not_before=again_at)
    )


def update_handled(connection: Connection, update_id: int) -> None:
    """Remove a failing update."""
    connection.execute(
        delete(dead_updates).where(dead_updates.c.update_id == update_id, _IS_FAILING)
    )


def prune_updates(connection: Connection, before: datetime) -> None:
    """Remove what was set aside before that moment, and texts that earlier versions kept."""
    is_dead = dead_updates.c.state == DEAD
    connection.execute(delete(dead_updates).where(is_dead, dead_updates.c.buried_at < before))
    has_text = dead_updates.c.body.like('%"update_id"%')
    connection.execute(update(dead_updates).where(is_dead, has_text).values(body=""))
