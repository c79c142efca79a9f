"""Says what must be said: replies to commands, and one answer for every ended job."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from bot.core.errors import (
    ChatError,
    ChatFlooded,
    ChatGone,
    ChatUncertain,
    MessageGone,
    MessageRefused,
)
from bot.core.jobs import Job, JobState
from bot.core.ports.chat import Messenger, Notice, Place, View
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import AnswerState, Ledger, Saying, SayingKind, StoredAnswer
from bot.service.budget import RESERVED_FOR_REPLIES, Budgets
from bot.service.delivery import Delivery
from bot.service.lanes import Lanes
from bot.service.views import Views

log = structlog.stdlib.get_logger(__name__)

ALBUM_IS_QUIET_AFTER = timedelta(seconds=2)
RETRY_AFTER = timedelta(seconds=3)
MOST_READ = 200
MOST_TRIES_OF_A_SAYING = 5


class Courier:
    """Sends by priority, merging answers where the budget of a chat is short. Driven
    by `Voice`.
    """

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        budgets: Budgets,
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._budgets = budgets
        self._lanes = lanes
        self._clock = clock
        self._delivery = Delivery(ledger, clock)

    async def tick(self) -> datetime | None:
        """Start every call that is possible now; return when the next may be."""
        moments = [await self._tick_sayings(), await self._tick_started(), await self._tick_new()]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _tick_sayings(self) -> datetime | None:
        moments = []
        for saying in await self._ledger.outbox.pending(MOST_READ):
            if saying.kind is SayingKind.REQUEST:
                # The desk's: there is nothing to say yet.
                continue
            if saying.kind is SayingKind.PRESS:
                lane: tuple[str, int] = ("press", saying.id)
                if self._lanes.is_free(lane):
                    self._lanes.start(lane, self._answer_press(saying))
            elif (moment := self._ready(saying.chat_id, is_reply=True)) is not None:
                if moment > self._clock.now():
                    moments.append(moment)
                else:
                    self._take(saying.chat_id, is_reply=True)
                    self._lanes.start(("send", saying.chat_id), self._say(saying))
        return min(moments, default=None)

    async def _tick_started(self) -> datetime | None:
        """Go on with answers that a failed call or a dead process left behind."""
        moments = []
        for answer in await self._ledger.answers.resumable():
            is_edit = answer.message_id is not None
            moment = self._ready(answer.chat_id, is_edit=is_edit)
            if moment is None:
                continue
            if moment > self._clock.now():
                moments.append(moment)
                continue
            if answer.state is AnswerState.SENDING:
                # Nobody is sending it now, so a call was cut off: it may have arrived.
                await self._ledger.answers.unsent(answer.id, uncertain=not is_edit)
                return self._clock.now()
            self._take(answer.chat_id, is_edit=is_edit)
            self._lanes.start(("send", answer.chat_id), self._send_again(answer))
        return min(moments, default=None)

    async def _tick_new(self) -> datetime | None:
        moments: list[datetime] = []
        waiting = await self._without_open_albums(
            await self._ledger.answers.unanswered(MOST_READ), moments
        )
        own_cards = await self._own_cards(waiting)
        chats = await self._delivery.chats_for(waiting)
        # A job that ends in its own card is answered where that is.
        chats |= {job.id: job.origin.chat_id for job in waiting if job.id in own_cards}
        for chat_id, jobs in _by_chat(waiting, chats):
            card = own_cards.get(jobs[0].id)
            moment = self._ready(chat_id, is_edit=card is not None)
            if moment is None:
                continue
            if moment > self._clock.now():
                moments.append(moment)
                continue
            batch = self._choose(chat_id, jobs) if card is None else jobs[:1]
            self._take(chat_id, is_edit=card is not None)
            self._lanes.start(("send", chat_id), self._begin_answer(chat_id, batch, card))
        return min(moments, default=None)

    async def _without_open_albums(
        self, jobs: Sequence[Job], moments: list[datetime]
    ) -> list[Job]:
        """Leave out what belongs to an album that is not over: its files are answered together.
        Telegram marks no end, so an album is over when nothing has come for a while.
        """
        if not any(job.origin.album for job in jobs):
            return list(jobs)
        now = self._clock.now()
        still_open = await self._ledger.jobs.open_albums(now - ALBUM_IS_QUIET_AFTER)
        over = [job for job in jobs if _album_of(job) not in still_open]
        if len(over) < len(jobs):
            moments.append(now + ALBUM_IS_QUIET_AFTER / 2)
        return over

    async def _own_cards(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the status messages that become answers, by job: a cancelled job ends in its own,
        where the user has just pressed the button.
        """
        cancelled = [job for job in jobs if job.state is JobState.CANCELLED and job.card_id]
        if not cancelled:
            return {}
        placed = {
            card.id: card.message_id
            for card in await self._ledger.cards.open_cards()
            if not card.shared and card.message_id is not None
        }
        return {job.id: placed[job.card_id] for job in cancelled if job.card_id in placed}

    def _ready(
        self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False
    ) -> datetime | None:
        """Return when a call may be made, or `None` while one is under way.

        An edit waits for the one that is under way too: a late one would bring a status message
        back that has become an answer.
        """
        if not self._lanes.is_free(("send", chat_id)):
            return None
        if is_edit and not self._lanes.is_free(("edit", chat_id)):
            return None
        budget = self._budgets.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        return budget.ready_at(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def _take(self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False) -> None:
        budget = self._budgets.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        budget.take(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def _choose(self, chat_id: int, jobs: Sequence[Job]) -> list[Job]:
        """One job for one message while the budget lasts for all of them; as many as fit where it
        does not. The files of an album always together.
        """
        if jobs[0].origin.album is not None:
            return [job for job in jobs if _album_of(job) == _album_of(jobs[0])]
        left = self._budgets.of(chat_id).messages.available(self._clock.now())
        thread = jobs[0].origin.thread_id
        together = [
            job for job in jobs if job.origin.thread_id == thread and job.origin.album is None
        ]
        if len(jobs) <= math.floor(left - RESERVED_FOR_REPLIES):
            return together[:1]
        return together

    async def _begin_answer(self, chat_id: int, jobs: list[Job], card: int | None) -> None:
        language = jobs[0].origin.language
        view = await self._views.answer(jobs)
        count = self._messenger.fit(
            view.items, view.now, language=language, together=jobs[0].origin.album is not None
        )
        await self._deliver(await self._ledger.answers.begin(jobs[:count], card, chat_id=chat_id))

    async def _send_again(self, answer: StoredAnswer) -> None:
        await self._ledger.answers.sending(answer.id)
        await self._deliver(answer)

    async def _deliver(self, answer: StoredAnswer) -> None:
        answers = self._ledger.answers
        jobs = await self._ledger.jobs.get_many(answer.job_ids)
        view = await self._views.answer(jobs)
        try:
            message_id = await self._place(answer, view)
        except ChatUncertain:
            # An edit may be repeated at will; a message is sent once more, and only once.
            await answers.unsent(answer.id, uncertain=answer.message_id is None)
            self._pause(answer.chat_id, RETRY_AFTER)
        except (ChatGone, MessageRefused) as error:
            log.warning("answer lost", answer=answer.id, code=error.code)
            await self._delivery.note(answer, jobs, arrived=False)
            await answers.lost(answer.id)
        except ChatError as error:
            await answers.unsent(answer.id, uncertain=False)
            self._pause(answer.chat_id, _wait(error))
        else:
            await self._delivery.note(answer, jobs, arrived=True)
            await answers.sent(answer.id, message_id)

    async def _place(self, answer: StoredAnswer, view: View) -> int:
        if answer.message_id is not None:
            try:
                await self._messenger.edit(
                    answer.chat_id, answer.message_id, view, language=answer.language
                )
            except MessageGone:
                log.info("status message gone, answering anew", answer=answer.id)
            else:
                return answer.message_id
        place = Place(answer.chat_id, answer.thread_id, answer.reply_to)
        return await self._messenger.send(place, view, language=answer.language)

    async def _say(self, saying: Saying) -> None:
        outbox = self._ledger.outbox
        tries = await outbox.tried(saying.id)
        place = Place(saying.chat_id, saying.thread_id, saying.reply_to)
        try:
            view = await self._view(saying)
            await self._messenger.send(place, view, language=saying.language)
        except (ChatUncertain, ChatGone, MessageRefused) as error:
            # A reply to a command is not worth saying twice; the user can ask again.
            log.warning("reply lost", saying=saying.id, code=error.code)
            await outbox.said(saying.id)
        except ChatError as error:
            self._pause(saying.chat_id, _wait(error))
            if tries >= MOST_TRIES_OF_A_SAYING:
                log.warning("reply given up", saying=saying.id, code=error.code)
                await outbox.said(saying.id)
        else:
            await outbox.said(saying.id)

    async def _view(self, saying: Saying) -> View:
        if saying.kind is SayingKind.OVERVIEW:
            if saying.chat_id < 0:
                return await self._views.group_overview(saying.chat_id)
            return await self._views.overview(saying.owner_id or saying.chat_id)
        if saying.kind is SayingKind.WELCOME:
            return self._views.welcome
        return _notice(saying)

    async def _answer_press(self, saying: Saying) -> None:
        try:
            await self._messenger.answer_press(
                str(saying.payload["query_id"]), _notice(saying), language=saying.language
            )
        except ChatError as error:
            log.info("press not answered", saying=saying.id, code=error.code)
        await self._ledger.outbox.said(saying.id)

    def _pause(self, chat_id: int, wait: timedelta) -> None:
        self._budgets.of(chat_id).pause(self._clock.now() + wait)


def _reserve(*, is_reply: bool) -> float:
    return 0.0 if is_reply else RESERVED_FOR_REPLIES


def _wait(error: ChatError) -> timedelta:
    return timedelta(seconds=error.delay) if isinstance(error, ChatFlooded) else RETRY_AFTER


def _notice(saying: Saying) -> Notice:
    args = {key: value for key, value in saying.payload.items() if key not in {"name", "query_id"}}
    return Notice(str(saying.payload["name"]), args)


def _album_of(job: Job) -> tuple[int, str | None]:
    return job.origin.chat_id, job.origin.album


def _by_chat(jobs: Sequence[Job], chats: Mapping[int, int]) -> list[tuple[int, list[Job]]]:
    """Put jobs together that may share a message: answered in one chat, and from one chat."""

    def places(job: Job) -> tuple[int, int]:
        return chats[job.id], job.origin.chat_id

    groups = groupby(sorted(jobs, key=places), key=places)
    return [(chat_id, list(group)) for (chat_id, _), group in groups]
