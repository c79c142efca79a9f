"""Groups: their rules for the bot, and changes of the bot's membership."""

from dataclasses import dataclass

from bot.core.jobs import Origin
from bot.core.ports.ledger import ChatLedger
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access, Replies, RequestKind
from bot.inbound.actions import JobActions
from bot.outbound.chat_migration import ChatMigrations


@dataclass(frozen=True, slots=True)
class Membership:
    """The bot was added to a chat, or removed from it. `update` identifies the update, also when
    it is redelivered; `can_tell` is whether only members read messages there (not so in channels).
    """

    update: int
    chat_id: int
    is_in: bool
    language: str
    can_tell: bool = True


class GroupCommands:
    """One method for each command of a group and each change of the bot's membership."""

    def __init__(
        self,
        chats: ChatLedger,
        access: Access,
        actions: JobActions,
        replies: Replies,
        migrations: ChatMigrations,
    ) -> None:
        self._chats = chats
        self._access = access
        self._actions = actions
        self._replies = replies
        self._migrations = migrations

    async def auto(self, origin: Origin, to: str) -> None:
        """Answer `/auto on`, `/auto off`, and `/auto` alone."""
        if not await self._admit_group(origin):
            return
        if to in {"on", "off"}:
            await self._replies.defer(origin, RequestKind.AUTO, {"to": to})
        else:
            is_on = (await self._chats.chat(origin.chat_id)).auto
            await self._replies.notice(origin, "auto-is-on" if is_on else "auto-is-off")

    async def deliver(self, origin: Origin, to: str) -> None:
        """Answer `/deliver here`, `/deliver private`, and `/deliver` alone."""
        if not await self._admit_group(origin):
            return
        if to in {"here", "private"}:
            await self._replies.defer(origin, RequestKind.DELIVER, {"to": to})
        else:
            privately = (await self._chats.chat(origin.chat_id)).privately
            name = "deliver-is-private" if privately else "deliver-is-here"
            await self._replies.notice(origin, name)

    async def _admit_group(self, origin: Origin) -> bool:
        if not await self._replies.admit(origin):
            return False
        if origin.is_private:
            await self._replies.notice(origin, "only-in-groups")
            return False
        return True

    async def membership(self, membership: Membership) -> None:
        """Handle the bot's membership: greet a group that is allowed, leave one that is not, and
        cancel jobs with answers that could not be delivered any more.
        """
        chat_id = membership.chat_id
        if chat_id > 0:
            if not membership.is_in:
                await self._actions.chat_gone(chat_id)
        elif not membership.is_in:
            await self._ask(membership, RequestKind.GONE)
        elif await self._access.may_serve(chat_id) and membership.can_tell:
            await self._ask(membership, RequestKind.GREET)
        elif self._replies.may_leave():
            tell = membership.can_tell and self._replies.may_tell(chat_id)
            await self._ask(
                membership, RequestKind.LEAVE, {"tell": tell}, priority=Priority.STRANGER
            )

    async def _ask(
        self,
        membership: Membership,
        kind: RequestKind,
        payload: dict[str, str | int] | None = None,
        *,
        priority: Priority = Priority.REPLY,
    ) -> None:
        await self._replies.post(
            OutboxMessage(
                kind=OutboxKind.REQUEST,
                priority=priority,
                chat_id=membership.chat_id,
                language=membership.language,
                dedupe=f"membership:{membership.update}",
                payload={"do": kind.value, **(payload or {})},
            )
        )

    async def moved(self, chat_id: int, moved_to: int) -> None:
        """Handle that a group became a supergroup, which has another id."""
        await self._migrations.learn(chat_id, moved_to)
