"""Rules of chats and owners in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import chats, jobs, owners
from bot.core.jobs import JobState
from bot.core.ports.chats import Accepted, ChatRules, OwnerRules


class SqlChats:
    """Implements `ChatLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def chat(self, chat_id: int) -> ChatRules:
        """Return the rules of a chat."""
        rows = await self._database.fetch(select(chats).where(chats.c.chat_id == chat_id))
        row = rows.mappings().one_or_none()
        return ChatRules(**row) if row else ChatRules(chat_id)

    async def set_chat(
        self,
        chat_id: int,
        *,
        auto: bool | None = None,
        privately: bool | None = None,
        allowed: bool | None = None,
        zone: str | None = None,
    ) -> None:
        """Change what is given and leave the rest."""
        given = {"auto": auto, "privately": privately, "allowed": allowed, "zone": zone}
        await self._upsert(chats, {"chat_id": chat_id}, given)

    async def migrate(self, chat_id: int, moved_to: int) -> None:
        """Store that a group became a supergroup; its rules go along."""
        rules = await self.chat(chat_id)
        await self._upsert(chats, {"chat_id": chat_id}, {"moved_to": moved_to})
        await self.set_chat(
            moved_to,
            auto=rules.auto,
            privately=rules.privately,
            allowed=rules.allowed,
            zone=rules.zone,
        )

    async def migrations(self) -> dict[int, int]:
        """Return where every group that moved has gone."""
        statement = select(chats.c.chat_id, chats.c.moved_to).where(chats.c.moved_to.is_not(None))
        rows = await self._database.fetch(statement)
        return {row.chat_id: row.moved_to for row in rows}

    async def previous_ids(self, chat_id: int) -> list[int]:
        """Return the ids under which a chat was known, the present one first."""
        migrations = await self.migrations()
        known = [chat_id]
        for current in known:
            # What is known already is left out: a circle would be a mistake, and must end.
            known += [
                old for old, new in migrations.items() if new == current and old not in known
            ]
        return known

    async def owner(self, owner_id: int) -> OwnerRules:
        """Return what is known of an owner."""
        rows = await self._database.fetch(select(owners).where(owners.c.owner_id == owner_id))
        row = rows.mappings().one_or_none()
        return OwnerRules(**row) if row else OwnerRules(owner_id)

    async def set_owner(
        self,
        owner_id: int,
        *,
        language: str | None = None,
        banned: bool | None = None,
        allowed: bool | None = None,
    ) -> None:
        """Change what is given and leave the rest."""
        given = {"language": language, "banned": banned, "allowed": allowed}
        await self._upsert(owners, {"owner_id": owner_id}, given)

    async def _upsert(
        self, table: Table, key: dict[str, int], given: Mapping[str, object]
    ) -> None:
        values = {name: value for name, value in given.items() if value is not None}
        statement = insert(table).values(key | values)
        if values:
            statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
        else:
            statement = statement.on_conflict_do_nothing()
        await self._database.change(statement)

    async def accepted_by(self, owner_id: int, since: datetime) -> list[Accepted]:
        """Return what was accepted of an owner after `since`, the oldest first."""
        return await self._accepted(jobs.c.owner_id == owner_id, since)

    async def accepted_in(self, chat_ids: Sequence[int], since: datetime) -> list[Accepted]:
        """Return what was accepted in these chats after `since`."""
        return await self._accepted(jobs.c.chat_id.in_(chat_ids), since)

    async def _accepted(self, whose: ColumnElement[bool], since: datetime) -> list[Accepted]:
        size = func.coalesce(jobs.c.size, jobs.c.announced_size, 0)
        statement = (
            select(jobs.c.created_at, size)
            .where(whose, jobs.c.created_at > since, jobs.c.state != JobState.FAILED.value)
            .order_by(jobs.c.created_at, jobs.c.id)
        )
        rows = await self._database.fetch(statement)
        return [Accepted(at, bytes_) for at, bytes_ in rows]
