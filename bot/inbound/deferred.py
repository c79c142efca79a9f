"""Deferred requests: commands and presses that need an answer of Telegram before they can be
served.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.core.errors import ChatError, ChatGone, ChatUncertain, MessageRefused, Unexpected
from bot.core.jobs import Job
from bot.core.ports import Clock
from bot.core.ports.chat import Members, Messenger, Place
from bot.core.ports.ledger import Ledger, Outbox, OutboxKind, OutboxMessage, Work
from bot.core.ports.views import Notice
from bot.inbound.access import Access, RequestKind
from bot.inbound.actions import TOO_LATE, JobAction, JobActions
from bot.inbound.page_options import PageActions, press_of
from bot.outbound.dispatcher import Call, CallKind, Lane, Offers, RoundState, press_lane
from bot.supervision import Unit

log = structlog.stdlib.get_logger(__name__)

ON = "on"
PRIVATE = "private"


class RequestHandler:
    """Serves requests. Each may be served again, because a process may die in between.

    `serve` raises the errors of the ports `Members` and `Messenger`; a request that failed with
    one of them can be served again.
    """

    def __init__(
        self,
        ledger: Ledger,
        access: Access,
        actions: JobActions,
        members: Members,
        messenger: Messenger,
        pages: PageActions | None = None,
    ) -> None:
        self._pages = pages
        self._ledger = ledger
        self._access = access
        self._actions = actions
        self._members = members
        self._messenger = messenger

    async def serve(self, request: OutboxMessage) -> Notice | None:
        """Perform a request and return the notice to send for it."""
        match RequestKind(str(request.payload["do"])):
            case RequestKind.PRESS | RequestKind.OPTION:
                return await self._press(request)
            case RequestKind.AUTO:
                return await self._auto(request)
            case RequestKind.DELIVER:
                return await self._deliver(request)
            case RequestKind.ZONE:
                return await self._zone(request)
            case RequestKind.GREET:
                return await self._greet(request)
            case kind:
                await self._serve_in_silence(kind, request)
        return None

    async def _serve_in_silence(self, kind: RequestKind, request: OutboxMessage) -> None:
        match kind:
            case RequestKind.LEAVE:
                await self._leave(request)
            case RequestKind.REMOVE:
                await self._remove(request)
            case RequestKind.GONE:
                await self._gone(request)

    async def _press(self, request: OutboxMessage) -> Notice:
        job = await self._ledger.jobs.get(int(request.payload["job_id"]))
        if job is None:
            return Notice("press-unknown")
        if not await self._is_group_admin(job.origin.chat_id, request.owner_id or 0):
            return Notice("press-not-yours")
        if "option" in request.payload:
            return await self._option(request, job)
        action = JobAction(str(request.payload["action"]))
        name = await self._actions.apply(action, job)
        if name == TOO_LATE and "message" in request.payload:
            await self._remove(request)
        return Notice(name)

    async def _option(self, request: OutboxMessage, job: Job) -> Notice:
        if self._pages is None:
            return Notice("press-unknown")
        return Notice(await self._pages.apply(press_of(request), job) or "page-done")

    async def _remove(self, request: OutboxMessage) -> None:
        """Remove a status message that is in no row: the process died, or the response was lost,
        while it was being placed. Those that the ledger knows end by themselves.
        """
        message_id = int(request.payload["message"])
        if not await self._ledger.status_messages.knows(request.chat_id, message_id):
            log.info("removing a status message of no job", chat=request.chat_id)
            await self._messenger.delete(request.chat_id, message_id)

    async def _auto(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        is_on = request.payload["to"] == ON
        await self._ledger.chats.set_chat(request.chat_id, auto=is_on)
        log.info("auto mode set", chat=request.chat_id, on=is_on, by=request.owner_id)
        if not is_on:
            return Notice("auto-off")
        sight = await self._members.sight(request.chat_id)
        return Notice("auto-on" if sight.sees_files else "auto-on-blind")

    async def _deliver(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        privately = request.payload["to"] == PRIVATE
        await self._ledger.chats.set_chat(request.chat_id, privately=privately)
        log.info("delivery set", chat=request.chat_id, privately=privately, by=request.owner_id)
        return Notice("deliver-private" if privately else "deliver-here")

    async def _zone(self, request: OutboxMessage) -> Notice:
        if not await self._may_decide(request):
            return Notice("only-group-admins")
        zone = str(request.payload["to"])
        await self._ledger.chats.set_chat(request.chat_id, zone=zone)
        log.info("zone set", chat=request.chat_id, zone=zone, by=request.owner_id)
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
            # The group may have been allowed meanwhile, or have moved: these updates can arrive
            # later.
            return
        if request.payload["tell"]:
            place = Place(chat_id, request.thread_id, request.reply_to)
            notice = Notice("group-not-allowed", {"id": chat_id})
            # The bot leaves, with or without the notice sent.
            with suppress(ChatGone, ChatUncertain, MessageRefused):
                await self._messenger.send(place, notice, language=request.language)
        await self._members.leave(chat_id)
        log.info("left a group that is not allowed", chat=chat_id)

    async def _gone(self, request: OutboxMessage) -> None:
        # The update may be old: the bot may have been added again.
        if not (await self._members.sight(request.chat_id)).is_here:
            await self._actions.chat_gone(request.chat_id)

    async def _may_decide(self, request: OutboxMessage) -> bool:
        """Return whether the requester may change the rules of this group."""
        asker = request.owner_id or 0
        # An anonymous admin writes as the group itself.
        if asker == request.chat_id or self._access.is_admin(asker):
            return True
        return await self._is_group_admin(request.chat_id, asker)

    async def _is_group_admin(self, chat_id: int, user_id: int) -> bool:
        if user_id <= 0:
            # A user who writes as a channel has no rights in the group.
            return False
        try:
            return await self._members.is_admin(chat_id, user_id)
        except (ChatGone, MessageRefused):
            return False


MOST_TRIES = 5
STAYS_FOR = timedelta(seconds=2)
"""Time until the bot leaves a group that is not allowed: the update that a group has moved may
come after the update that the bot is in the supergroup.
"""


class DeferredRequests:
    """Offers the requests of the outbox to the dispatcher, and posts their replies to the outbox.

    The requests of a chat are served one after the other, button presses in parallel.
    """

    work = Work.REQUESTS

    def __init__(self, outbox: Outbox, request_handler: RequestHandler, clock: Clock) -> None:
        self._outbox = outbox
        self._request_handler = request_handler
        self._clock = clock

    async def offer(self, state: RoundState) -> Offers:
        """Offer the first request of every lane: "off" after "on" must end in "off"."""
        first: dict[Lane, OutboxMessage] = {}
        for message in state.outbox:
            if message.kind is OutboxKind.REQUEST:
                first.setdefault(_lane(message), message)
        return Offers([self._call(lane, request) for lane, request in first.items()])

    def _call(self, lane: Lane, request: OutboxMessage) -> Call:
        return Call(
            kind=CallKind.QUERY,
            chat_id=request.chat_id,
            lane=lane,
            priority=request.priority,
            unit=Unit.REQUEST,
            row=request.id,
            not_before=_not_before(request),
            run=partial(self._serve if request.tries < MOST_TRIES else self._give_up, request),
        )

    async def _serve(self, request: OutboxMessage) -> None:
        tries = await self._outbox.begin_attempt(request.id)
        try:
            notice = await self._request_handler.serve(request)
        except ChatError as error:
            if not error.permanent and tries < MOST_TRIES:
                await self._outbox.failed(request.id, error.code)
                raise
            log.warning("request given up", do=request.payload["do"], code=error.code)
            notice = Notice("request-failed") if _is_waiting(request) else None
        await self._tell(request, notice)
        await self._outbox.delivered(request.id)

    async def _give_up(self, request: OutboxMessage) -> None:
        """Set a request aside whose tries were all cut off or ended by an unexpected error."""
        code = request.error_code or Unexpected.code
        log.error("set aside", unit=Unit.REQUEST.value, id=request.id, code=code)
        await self._tell(request, Notice("request-failed") if _is_waiting(request) else None)
        await self._outbox.set_aside(request.id, code)

    async def _tell(self, request: OutboxMessage, notice: Notice | None) -> None:
        if notice is not None:
            await self._outbox.post(_reply(request, notice), self._clock.now())


def _lane(request: OutboxMessage) -> Lane:
    if "query_id" in request.payload:
        return press_lane(request.id)
    return "request", request.chat_id


def _not_before(request: OutboxMessage) -> datetime | None:
    if request.payload.get("do") != RequestKind.LEAVE or request.created_at is None:
        return None
    return request.created_at + STAYS_FOR


def _is_waiting(request: OutboxMessage) -> bool:
    """Return whether a person waits for the reply to this request."""
    return request.reply_to is not None or "query_id" in request.payload


def _reply(request: OutboxMessage, notice: Notice) -> OutboxMessage:
    payload: dict[str, str | int] = {"name": notice.name, **notice.args}
    is_press = "query_id" in request.payload
    if is_press:
        payload["query_id"] = request.payload["query_id"]
    return OutboxMessage(
        kind=OutboxKind.PRESS if is_press else OutboxKind.NOTICE,
        priority=request.priority,
        chat_id=request.chat_id,
        thread_id=request.thread_id,
        reply_to=request.reply_to,
        owner_id=request.owner_id,
        language=request.language,
        dedupe=f"request:{request.id}",
        payload=payload,
    )
