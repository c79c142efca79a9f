"""Commands of bot admins: statistics, and decisions about who may use the bot."""

import structlog

from bot.core.jobs import Job, Origin
from bot.core.ports.ledger import Ledger
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access, Replies, RequestKind
from bot.inbound.actions import JobActions

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
