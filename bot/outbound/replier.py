"""Says what is in the outbox: replies to commands and presses, and changes that people ask for."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.core.errors import ChatError, ChatGone, ChatUncertain, MessageGone, MessageRefused
from bot.core.ports.chat import LanguageMenu, Listing, Messenger, Notice, Place, View
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import EDITS, Ledger, OutboxKind, OutboxMessage
from bot.outbound.lanes import InFlightCalls
from bot.outbound.road import ChatGate
from bot.outbound.views import Views

log = structlog.stdlib.get_logger(__name__)

MOST_READ = 200
MOST_TRIES = 5
_NOT_SAID_HERE = frozenset({OutboxKind.REQUEST, OutboxKind.REACTION})
"""The desk's, who has nothing to say yet, and the reactor's."""
_NOT_WORDS = frozenset({"name", "query_id", EDITS})


class OutboxSender:
    """Speaks first of all: somebody waits for it. Driven by `AnswerSender`."""

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        road: ChatGate,
        lanes: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._outbox = ledger.outbox
        self._messenger = messenger
        self._views = views
        self._road = road
        self._lanes = lanes
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start every call that is possible now; return when the next may be."""
        moments = []
        pending = await self._outbox.pending(MOST_READ)
        for saying in await self._without_superseded(pending):
            if saying.kind is OutboxKind.PRESS:
                lane = ("press", saying.id)
                if self._lanes.is_free(lane):
                    self._lanes.start(lane, self._answer_press(saying))
            elif saying.kind not in _NOT_SAID_HERE:
                moments.append(self._begin(saying))
        return min((moment for moment in moments if moment is not None), default=None)

    def _begin(self, saying: OutboxMessage) -> datetime | None:
        """Say it now, or return when it may be said."""
        is_edit = EDITS in saying.payload
        moment = self._road.ready(saying.chat_id, is_reply=True, is_edit=is_edit)
        if moment is None or moment > self._clock.now():
            return moment
        self._road.take(saying.chat_id, is_reply=True, is_edit=is_edit)
        lane = ("edit" if is_edit else "send", saying.chat_id)
        self._lanes.start(lane, self._say(saying))
        return None

    async def _without_superseded(self, pending: Sequence[OutboxMessage]) -> list[OutboxMessage]:
        """Leave out changes of a message that a later one would change again: whoever presses
        "Refresh" ten times needs one.
        """
        latest = {_changed(saying): saying.id for saying in pending if EDITS in saying.payload}
        kept = []
        for saying in pending:
            if latest.get(_changed(saying), saying.id) == saying.id:
                kept.append(saying)
            else:
                await self._outbox.said(saying.id)
        return kept

    async def _say(self, saying: OutboxMessage) -> None:
        tries = await self._outbox.tried(saying.id)
        try:
            await self._place(saying, await self._view(saying))
        except (ChatUncertain, ChatGone, MessageGone, MessageRefused) as error:
            # A reply to a command is not worth saying twice; the user can ask again.
            log.warning("reply lost", saying=saying.id, code=error.code)
        except ChatError as error:
            self._road.pause(saying.chat_id, error)
            if tries < MOST_TRIES:
                return
            log.warning("reply given up", saying=saying.id, code=error.code)
        await self._outbox.said(saying.id)

    async def _place(self, saying: OutboxMessage, view: View) -> None:
        if EDITS in saying.payload:
            message_id = int(saying.payload[EDITS])
            await self._messenger.edit(saying.chat_id, message_id, view, language=saying.language)
        else:
            place = Place(saying.chat_id, saying.thread_id, saying.reply_to)
            await self._messenger.send(place, view, language=saying.language)

    async def _view(self, saying: OutboxMessage) -> View:
        match saying.kind:
            case OutboxKind.OVERVIEW:
                told = saying.payload
                subject = int(told.get("subject", saying.owner_id or saying.chat_id))
                listing = Listing(str(told.get("listing", Listing.STATUS.value)))
                page = int(told.get("page", 1))
                return await self._views.overview(
                    listing, subject, chat_id=saying.chat_id, page=page
                )
            case OutboxKind.WELCOME:
                return self._views.welcome
            case OutboxKind.STATISTICS:
                return await self._views.statistics()
            case OutboxKind.LANGUAGES:
                return LanguageMenu(saying.owner_id or saying.chat_id)
            case _:
                return _notice(saying)

    async def _answer_press(self, saying: OutboxMessage) -> None:
        try:
            await self._messenger.answer_press(
                str(saying.payload["query_id"]),
                _notice(saying) if "name" in saying.payload else None,
                language=saying.language,
            )
        except ChatError as error:
            log.info("press not answered", saying=saying.id, code=error.code)
        await self._outbox.said(saying.id)


def _changed(saying: OutboxMessage) -> tuple[int, str | int | None]:
    return saying.chat_id, saying.payload.get(EDITS)


def _notice(saying: OutboxMessage) -> Notice:
    args = {key: value for key, value in saying.payload.items() if key not in _NOT_WORDS}
    return Notice(str(saying.payload["name"]), args)
