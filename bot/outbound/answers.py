"""Answers: sent once for every ended job, resumed after a failure, corrected when their links
end.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from bot.core.errors import (
    ChatError,
    ChatGone,
    ChatUncertain,
    MessageGone,
    MessageRefused,
)
from bot.core.jobs import Job, JobState
from bot.core.ports.answers import AnswerState, StoredAnswer
from bot.core.ports.chat import Messenger, Place
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority
from bot.core.ports.views import View
from bot.outbound.dispatcher import ChatGate, InFlightCalls, wait_after
from bot.outbound.outbox import OutboxSender, Reactions
from bot.outbound.rate_limits import RESERVED_FOR_REPLIES, RateLimits
from bot.outbound.views import Views

log = structlog.stdlib.get_logger(__name__)


class AnswerDelivery:
    """Knows the choice of each group, and tells a group that its answer went elsewhere."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._chats = ledger.chats
        self._outbox = ledger.outbox
        self._clock = clock

    async def chats_for(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the chats in which jobs are answered, by job."""
        origins = {job.origin.chat_id for job in jobs if not job.origin.is_private}
        discreet = {chat_id for chat_id in origins if await self._is_discreet(chat_id)}
        return {job.id: _chat_for(job, discreet) for job in jobs}

    async def _is_discreet(self, chat_id: int) -> bool:
        rules = await self._chats.chat(chat_id)
        if rules.moved_to is not None:
            # What is said of a group now is said of its successor.
            return await self._is_discreet(rules.moved_to)
        return rules.privately

    async def note(self, answer: StoredAnswer, jobs: Sequence[Job], *, arrived: bool) -> None:
        """Say in the group that the answer to its message is in private, or what keeps it from
        arriving there. Says nothing where the answer is in the group itself.
        """
        origin = jobs[0].origin
        if answer.chat_id == origin.chat_id:
            return
        await self._outbox.post(
            OutboxMessage(
                kind=OutboxKind.NOTICE,
                priority=Priority.ANSWER,
                chat_id=origin.chat_id,
                thread_id=origin.thread_id,
                reply_to=origin.message_id,
                language=answer.language,
                dedupe=f"delivered:{answer.id}",
                payload={"name": "delivered-privately" if arrived else "deliver-start-first"},
            ),
            self._clock.now(),
        )


def _chat_for(job: Job, discreet: set[int]) -> int:
    # Who writes as a group or a channel has no private chat.
    has_private_chat = job.origin.owner_id > 0
    is_elsewhere = has_private_chat and job.origin.chat_id in discreet
    return job.origin.owner_id if is_elsewhere else job.origin.chat_id


ALBUM_IS_QUIET_AFTER = timedelta(seconds=2)
MOST_READ = 200


class AnswerSender:
    """Sends by priority, merging answers where the budget of a chat is short. Driven
    by `ChatDispatcher`.
    """

    def __init__(  # noqa: PLR0913 -- everything that speaks needs these.
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        rate_limits: RateLimits,
        calls: InFlightCalls,
        clock: Clock,
        *,
        reactions: Reactions | None = None,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._rate_limits = rate_limits
        self._calls = calls
        self._clock = clock
        self._reactions = reactions or Reactions(ledger.outbox, clock, enabled=False)
        self._delivery = AnswerDelivery(ledger, clock)
        self._road = ChatGate(rate_limits, calls, clock)
        self._outbox_sender = OutboxSender(ledger, messenger, views, self._road, calls, clock)

    async def tick(self) -> datetime | None:
        """Start every call that is possible now; return when the next may be."""
        moments = [
            await self._outbox_sender.tick(),
            await self._tick_started(),
            await self._tick_new(),
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _tick_started(self) -> datetime | None:
        """Go on with answers that a failed call or a dead process left behind."""
        moments = []
        for answer in await self._ledger.answers.resumable():
            is_edit = answer.message_id is not None
            moment = self._road.ready(answer.chat_id, is_edit=is_edit)
            if moment is None:
                continue
            if moment > self._clock.now():
                moments.append(moment)
                continue
            if answer.state is AnswerState.SENDING:
                # Nobody is sending it now, so a call was cut off: it may have arrived.
                await self._ledger.answers.unsent(answer.id, uncertain=not is_edit)
                return self._clock.now()
            self._road.take(answer.chat_id, is_edit=is_edit)
            self._calls.start(("send", answer.chat_id), self._send_again(answer))
        return min(moments, default=None)

    async def _tick_new(self) -> datetime | None:
        moments: list[datetime] = []
        waiting = await self._waiting(moments)
        own_status_messages = await self._own_status_messages(waiting)
        chats = await self._delivery.chats_for(waiting)
        # A job that ends in its own card is answered where that is.
        chats |= {job.id: job.origin.chat_id for job in waiting if job.id in own_status_messages}
        for chat_id, jobs in _by_chat(waiting, chats):
            status_message = own_status_messages.get(jobs[0].id)
            moment = self._road.ready(chat_id, is_edit=status_message is not None)
            if moment is None:
                continue
            if moment > self._clock.now():
                moments.append(moment)
                continue
            batch = self._choose(chat_id, jobs) if status_message is None else jobs[:1]
            self._road.take(chat_id, is_edit=status_message is not None)
            self._calls.start(
                ("send", chat_id), self._begin_answer(chat_id, batch, status_message)
            )
        return min(moments, default=None)

    async def _waiting(self, moments: list[datetime]) -> list[Job]:
        """Return what has ended and is to be answered now; nothing of an album that is not over,
        whose files are answered together. Telegram marks no end, so an album is over when nothing
        has come for a while.
        """
        jobs = await self._ledger.answers.unanswered(MOST_READ)
        albums = {_album_of(job) for job in jobs if job.origin.album}
        if not albums:
            return jobs
        now = self._clock.now()
        albums -= await self._ledger.jobs.open_albums(now - ALBUM_IS_QUIET_AFTER)
        # Read again, because the last file of an album may have ended between the two looks.
        jobs = await self._ledger.answers.unanswered(MOST_READ)
        over = [job for job in jobs if not job.origin.album or _album_of(job) in albums]
        if len(over) < len(jobs):
            moments.append(now + ALBUM_IS_QUIET_AFTER / 2)
        return over

    async def _own_status_messages(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the status messages that become answers, by job: a cancelled job ends in its own,
        where the user has just pressed the button.
        """
        cancelled = [
            job for job in jobs if job.state is JobState.CANCELLED and job.status_message_id
        ]
        if not cancelled:
            return {}
        placed = {
            status_message.id: status_message.message_id
            for status_message in await self._ledger.status_messages.open_status_messages()
            if not status_message.shared and status_message.message_id is not None
        }
        return {
            job.id: placed[job.status_message_id]
            for job in cancelled
            if job.status_message_id in placed
        }

    def _choose(self, chat_id: int, jobs: Sequence[Job]) -> list[Job]:
        """One job for one message while the budget lasts for all of them; as many as fit where it
        does not. The files of an album always together.
        """
        if jobs[0].origin.album is not None:
            return [job for job in jobs if _album_of(job) == _album_of(jobs[0])]
        left = self._rate_limits.of(chat_id).messages.available(self._clock.now())
        thread = jobs[0].origin.thread_id
        together = [
            job for job in jobs if job.origin.thread_id == thread and job.origin.album is None
        ]
        if len(jobs) <= math.floor(left - RESERVED_FOR_REPLIES):
            return together[:1]
        return together

    async def _begin_answer(
        self, chat_id: int, jobs: list[Job], status_message: int | None
    ) -> None:
        language = jobs[0].origin.language
        view = await self._views.answer(jobs, chat_id)
        together = jobs[0].origin.album is not None
        count = self._messenger.fit(view, language=language, together=together)
        await self._deliver(
            await self._ledger.answers.begin(jobs[:count], status_message, chat_id=chat_id)
        )

    async def _send_again(self, answer: StoredAnswer) -> None:
        await self._ledger.answers.sending(answer.id)
        await self._deliver(answer)

    async def _deliver(self, answer: StoredAnswer) -> None:
        answers = self._ledger.answers
        jobs = await self._ledger.jobs.get_many(answer.job_ids)
        view = await self._views.answer(jobs, answer.chat_id)
        try:
            message_id = await self._place(answer, view)
        except ChatUncertain as error:
            # An edit may be repeated at will; a message is sent once more, and only once.
            await answers.unsent(answer.id, uncertain=answer.message_id is None)
            self._road.pause(answer.chat_id, error)
        except (ChatGone, MessageRefused) as error:
            log.warning("answer lost", answer=answer.id, code=error.code)
            await self._delivery.note(answer, jobs, arrived=False)
            await answers.lost(answer.id)
        except ChatError as error:
            await answers.unsent(answer.id, uncertain=False)
            self._road.pause(answer.chat_id, error)
        else:
            await self._delivery.note(answer, jobs, arrived=True)
            await answers.sent(answer.id, message_id)
            await self._reactions.ended(jobs)

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


def _album_of(job: Job) -> tuple[int, str | None]:
    return job.origin.chat_id, job.origin.album


def _by_chat(jobs: Sequence[Job], chats: Mapping[int, int]) -> list[tuple[int, list[Job]]]:
    """Put jobs together that may share a message: answered in one chat, and from one chat."""

    def places(job: Job) -> tuple[int, int]:
        return chats[job.id], job.origin.chat_id

    groups = groupby(sorted(jobs, key=places), key=places)
    return [(chat_id, list(group)) for (chat_id, _), group in groups]


AFTER_TROUBLE = timedelta(seconds=10)
MOST_CORRECTED = 100


class AnswerCorrector:
    """Edits stale answers, behind everything else that is said. Driven by `ChatDispatcher`."""

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        rate_limits: RateLimits,
        calls: InFlightCalls,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._rate_limits = rate_limits
        self._calls = calls
        self._clock = clock

    async def tick(self) -> datetime | None:
        """Start the edits that are possible now; return when the next may be."""
        moments = []
        for answer in await self._ledger.answers.stale(MOST_CORRECTED):
            call_key = ("edit", answer.chat_id)
            if not self._calls.is_free(call_key):
                continue
            budget, now = self._rate_limits.of(answer.chat_id), self._clock.now()
            moment = budget.ready_at(budget.edits, now, reserve=1.0)
            if moment > now:
                moments.append(moment)
            else:
                budget.take(budget.edits, now, reserve=1.0)
                self._calls.start(call_key, self._revise(answer))
        return min(moments, default=None)

    async def _revise(self, answer: StoredAnswer) -> None:
        jobs = await self._ledger.jobs.get_many(answer.job_ids)
        view = await self._views.answer(jobs, answer.chat_id)
        try:
            # A sent answer has its message id.
            await self._messenger.edit(
                answer.chat_id, answer.message_id or 0, view, language=answer.language
            )
        except ChatError as error:
            if not error.permanent:
                wait = max(wait_after(error), AFTER_TROUBLE)
                self._rate_limits.of(answer.chat_id).pause(self._clock.now() + wait)
                return
            # The message is gone: nothing is left that could tell anything wrong.
            log.info("answer not corrected", answer=answer.id, code=error.code)
        await self._ledger.answers.refreshed(answer.id, answer.changes)
