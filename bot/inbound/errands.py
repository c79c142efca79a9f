"""Requests that the chat service must be asked about before anybody can say yes or no."""

from contextlib import suppress
from enum import StrEnum

import structlog

from bot.core.errors import ChatGone, ChatUncertain, MessageRefused
from bot.core.ports.chat import Messenger, Notice, Place
from bot.core.ports.ledger import Ledger, OutboxMessage
from bot.core.ports.members import Members
from bot.inbound.access import Access
from bot.jobs.actions import JobAction, JobActions

log = structlog.stdlib.get_logger(__name__)

ON = "on"
PRIVATE = "private"


class RequestKind(StrEnum):
    """What a request is about. The values are stored in the ledger: never rename."""

    PRESS = "press"
    """Somebody pressed a button of somebody else's job; `job_id`, `action`, `query_id`."""
    AUTO = "auto"
    """Switch auto mode; `to` is "on" or "off"."""
    DELIVER = "deliver"
    """Choose where answers go; `to` is "here" or "private"."""
    ZONE = "zone"
    """Choose the zone in which moments are told; `to` is its name (`core.zones`)."""
    GREET = "greet"
    """Say how the bot is used in this group and what it sees."""
    LEAVE = "leave"
    """Leave a group that is not allowed; with `tell` it is told why."""
    GONE = "gone"
    """The bot seems to be out of the group."""


class RequestHandler:
    """Serves requests. Each may be served again, because a process may die in between.

    `serve` raises what the ports `Members` and `Messenger` say; a request that failed so has
    changed nothing that matters.
    """

    def __init__(
        self,
        ledger: Ledger,
        access: Access,
        controls: JobActions,
        members: Members,
        messenger: Messenger,
    ) -> None:
        self._ledger = ledger
        self._access = access
        self._controls = controls
        self._members = members
        self._messenger = messenger

    async def serve(self, request: OutboxMessage) -> Notice | None:
        """Do what is asked for and return what to say to it."""
        match RequestKind(str(request.payload["do"])):
            case RequestKind.PRESS:
                return await self._press(request)
            case RequestKind.AUTO:
                return await self._auto(request)
            case RequestKind.DELIVER:
                return await self._deliver(request)
            case RequestKind.ZONE:
                return await self._zone(request)
            case RequestKind.GREET:
                return await self._greet(request)
            case RequestKind.LEAVE:
                await self._leave(request)
            case RequestKind.GONE:
                await self._gone(request)
        return None

    async def _press(self, request: OutboxMessage) -> Notice:
        job = await self._ledger.jobs.get(int(request.payload["job_id"]))
        if job is None:
            return Notice("press-unknown")
        if not await self._is_group_admin(job.origin.chat_id, request.owner_id or 0):
            return Notice("press-not-yours")
        action = JobAction(str(request.payload["action"]))
        return Notice(await self._controls.apply(action, job))

    async def _auto(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        is_on = request.payload["to"] == ON
        await self._ledger.people.set_chat(request.chat_id, auto=is_on)
        log.info("auto mode", chat=request.chat_id, on=is_on, by=request.owner_id)
        if not is_on:
            return Notice("auto-off")
        sight = await self._members.sight(request.chat_id)
        return Notice("auto-on" if sight.sees_files else "auto-on-blind")

    async def _deliver(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        privately = request.payload["to"] == PRIVATE
        await self._ledger.people.set_chat(request.chat_id, privately=privately)
        log.info("delivery", chat=request.chat_id, privately=privately, by=request.owner_id)
        return Notice("deliver-private" if privately else "deliver-here")

    async def _zone(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        zone = str(request.payload["to"])
        await self._ledger.people.set_chat(request.chat_id, zone=zone)
        log.info("zone", chat=request.chat_id, zone=zone, by=request.owner_id)
        return Notice("zone-chosen", {"zone": zone})

    async def _greet(self, request: OutboxMessage) -> Notice | None:
        if not await self._access.may_serve(request.chat_id):
            return None
        sight = await self._members.sight(request.chat_id)
        if not sight.is_here:
            return None
        return Notice("group-sees-files" if sight.sees_files else "group-sees-commands")

    async def _leave(self, request: OutboxMessage) -> None:
        chat_id = request.chat_id
        if await self._access.may_serve(chat_id):
            # It was allowed meanwhile, or is a group that moved: the news of both overtake others.
            return
        if request.payload["tell"]:
            place = Place(chat_id, request.thread_id, request.reply_to)
            notice = Notice("group-not-allowed", {"id": chat_id})
            # Whether it could be said or not, there is nothing to stay for.
            with suppress(ChatGone, ChatUncertain, MessageRefused):
                await self._messenger.send(place, notice, language=request.language)
        await self._members.leave(chat_id)
        log.info("left a group that is not allowed", chat=chat_id)

    async def _gone(self, request: OutboxMessage) -> None:
        # The news may be old: whoever was thrown out may have been asked in again.
        if not (await self._members.sight(request.chat_id)).is_here:
            await self._controls.chat_gone(request.chat_id)

    async def _may_decide(self, request: OutboxMessage) -> bool:
        """Whether somebody may decide how the bot behaves in the group they write in."""
        asker = request.owner_id or 0
        # An admin who hides writes as the group itself.
        if asker == request.chat_id or self._access.is_admin(asker):
            return True
        return await self._is_group_admin(request.chat_id, asker)

    async def _is_group_admin(self, chat_id: int, user_id: int) -> bool:
        if user_id <= 0:
            # Who writes as a channel has no rights in the group.
            return False
        try:
            return await self._members.is_admin(chat_id, user_id)
        except (ChatGone, MessageRefused):
            return False
