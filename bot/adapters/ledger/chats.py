"""Rules of chats and owners in SQL."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, Table, select

from bot.adapters.ledger.schema import chats, insert_for, owners, read_rows
from bot.core.ports.ledger import ChatRules, OwnerRules


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
