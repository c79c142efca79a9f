"""Commands of bot admins and of group admins, and changes of the bot's membership."""

from dataclasses import dataclass

import structlog

from bot.core.jobs import Job, Origin
from bot.core.ports.ledger import ChatLedger, Ledger, OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access, Replies, RequestKind
from bot.inbound.actions import JobActions
from bot.outbound.chat_migration import ChatMigrations

log = structlog.stdlib.get_logger(__name__)


class AdminCommands:
    """One method for each command. A target is the id of a person or, below 0, of a group or of a
    channel that writes in one; `None` if the command names none.
    """

    def __init__(
        self, ledger: Ledger, access: Access, actions: JobActions, replies: Replies
    ) -> None:
        self._ledger = ledger
        self._chats = ledger.chats
        self._access = access
        self._actions = actions
        self._replies = replies

    async def stats(self, origin: Origin) -> None:
        """Answer `/stats`, in private only, because the statistics are for admins alone."""
        if not await self._admit(origin):
            return
        if origin.is_private:
            await self._replies.say(origin, OutboxKind.STATISTICS)
        else:
            await self._replies.notice(origin, "only-in-private")

    async def allow(self, origin: Origin, target: int | None) -> None:
        """Let a person use the bot in private, or a group use it; lifts a ban."""
        if not await self._admit(origin) or target is None:
            await self._explain(origin, target)
            return
        await self._chats.set_owner(target, allowed=target > 0, banned=False)
        if target < 0:
            await self._chats.set_chat(target, allowed=True)
        await self._tell(origin, "allowed", target)

    async def ban(self, origin: Origin, target: int | None, *, purge: bool = False) -> None:
        """Ban a person or group: cancel their unfinished jobs, and with `purge` end their links.
        The bot leaves a group.
        """
        if not await self._admit(origin) or target is None:
            await self._explain(origin, target)
            return
        if self._access.is_admin(target):
            await self._replies.notice(origin, "not-bannable")
            return
        await self._chats.set_owner(target, banned=True)
        if target < 0:
            await self._chats.set_chat(target, allowed=False)
            await self._leave(origin, target)
        jobs = await self._unfinished(target)
        outcomes = [await self._actions.cancel(job) for job in reversed(jobs)]
        links = await self._live(target)
        for job in links if purge else ():
            await self._actions.delete(job)
        args = {"count": outcomes.count("cancelling"), "links": len(links)}
        await self._tell(origin, "banned-purged" if purge else "banned", target, args)

    async def unban(self, origin: Origin, target: int | None) -> None:
        """Lift a ban: a person has the same rights as before it, a group is allowed."""
        if not await self._admit(origin) or target is None:
            await self._explain(origin, target)
            return
        await self._chats.set_owner(target, banned=False)
        if target < 0:
            await self._chats.set_chat(target, allowed=True)
        await self._tell(origin, "unbanned", target)

    async def _admit(self, origin: Origin) -> bool:
        if self._access.is_admin(origin.owner_id):
            return True
        if await self._replies.admit(origin):
            await self._replies.notice(origin, "only-admins")
        return False

    async def _explain(self, origin: Origin, target: int | None) -> None:
        if target is None and self._access.is_admin(origin.owner_id):
            await self._replies.notice(origin, "admin-how")

    async def _leave(self, origin: Origin, group_id: int) -> None:
        await self._replies.post(
            OutboxMessage(
                kind=OutboxKind.REQUEST,
                priority=Priority.REPLY,
                chat_id=group_id,
                language=origin.language,
                dedupe=f"ban:{origin.chat_id}:{origin.message_id}",
                payload={"do": RequestKind.LEAVE.value, "tell": False},
            )
        )

    async def _unfinished(self, target: int) -> list[Job]:
        jobs = await self._ledger.jobs.unfinished_of(target)
        if target < 0:
            previous_ids = await self._chats.previous_ids(target)
            jobs += await self._ledger.jobs.unfinished_in(previous_ids)
        return list({job.id: job for job in jobs}.values())

    async def _live(self, target: int) -> list[Job]:
        live = await self._ledger.objects.live_of(target)
        if target < 0:
            previous_ids = await self._chats.previous_ids(target)
            live += await self._ledger.objects.live_in(previous_ids)
        return list({job.id: job for job, _ in live}.values())

    async def _tell(
        self, origin: Origin, name: str, target: int, args: dict[str, int] | None = None
    ) -> None:
        log.info(name, id=target, by=origin.owner_id)
        await self._replies.notice(origin, name, {"id": target, **(args or {})})


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
