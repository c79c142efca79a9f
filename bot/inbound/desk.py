"""Serves requests that need an answer of the chat service first, outside of the intake."""

from datetime import datetime, timedelta

import structlog

from bot.core.errors import ChatError, ChatFlooded
from bot.core.ports.chat import Notice
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger, OutboxKind, OutboxMessage
from bot.inbound.errands import RequestHandler, RequestKind
from bot.outbound.lanes import InFlightCalls

log = structlog.stdlib.get_logger(__name__)

RETRY_AFTER = timedelta(seconds=3)
MOST_READ = 200
MOST_TRIES = 5
STAYS_FOR = timedelta(seconds=2)
"""How long the bot stays in a group that is not allowed: the news that a group has moved may come
after the news that the bot is in its successor.
"""


class DeferredRequests:
    """Takes requests out of the outbox and puts what is to be said to them in. Driven by
    `ChatDispatcher`.

    The requests of a chat are served one after the other, presses of buttons side by side.
    """

    def __init__(
        self, ledger: Ledger, errands: RequestHandler, lanes: InFlightCalls, clock: Clock
    ) -> None:
        self._outbox = ledger.outbox
        self._errands = errands
        self._lanes = lanes
        self._clock = clock
        self._later: dict[int, datetime] = {}

    async def tick(self) -> datetime | None:
        """Begin with every request that can be served now; return when the next may be."""
        moments: dict[tuple[str, int], datetime] = {}
        now = self._clock.now()
        for saying in await self._outbox.pending(MOST_READ):
            lane = _lane(saying)
            # Nobody overtakes one who waits: "off" after "on" must end in "off".
            if saying.kind is not OutboxKind.REQUEST or lane in moments:
                continue
            moment = self._later.get(saying.id, _not_before(saying) or now)
            if moment > now:
                moments[lane] = moment
            elif self._lanes.is_free(lane):
                self._lanes.start(lane, self._serve(saying))
        return min(moments.values(), default=None)

    async def _serve(self, request: OutboxMessage) -> None:
        tries = await self._outbox.tried(request.id)
        try:
            notice = await self._errands.serve(request)
        except ChatError as error:
            if not error.permanent and tries < MOST_TRIES:
                self._later[request.id] = self._clock.now() + _wait(error)
                return
            log.warning("request given up", do=request.payload["do"], code=error.code)
            notice = Notice("request-failed") if _is_waiting(request) else None
        if notice is not None:
            await self._outbox.post(_reply(request, notice), self._clock.now())
        await self._outbox.said(request.id)
        self._later.pop(request.id, None)


def _lane(request: OutboxMessage) -> tuple[str, int]:
    if "query_id" in request.payload:
        return "press", request.id
    return "desk", request.chat_id


def _not_before(request: OutboxMessage) -> datetime | None:
    if request.payload.get("do") != RequestKind.LEAVE or request.created_at is None:
        return None
    return request.created_at + STAYS_FOR


def _wait(error: ChatError) -> timedelta:
    return timedelta(seconds=error.delay) if isinstance(error, ChatFlooded) else RETRY_AFTER


def _is_waiting(request: OutboxMessage) -> bool:
    """Return whether somebody waits for an answer to this request."""
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
