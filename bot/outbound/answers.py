"""Answers: sent once for every ended job, resumed after a failure, edited when their links end."""

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

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
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.dispatcher import Call, CallKind, Offers, RoundState, edit_lane, send_lane
from bot.outbound.outbox import Reactions
from bot.outbound.rate_limits import RESERVED_FOR_REPLIES
from bot.outbound.views import AnswerViews

log = structlog.stdlib.get_logger(__name__)


class AnswerDelivery:
    """Chooses the chat for answers by the rules of each group, and notifies the group of answers
    sent elsewhere.
    """

    def __init__(self, ledger: Ledger, migrations: ChatMigrations, clock: Clock) -> None:
        self._outbox = ledger.outbox
        self._migrations = migrations
        self._clock = clock

    async def chats_for(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the chats in which jobs are answered, by job."""
        origins = {job.origin.chat_id for job in jobs if not job.origin.is_private}
        discreet = {
            chat_id for chat_id in origins if (await self._migrations.rules(chat_id)).privately
        }
        return {job.id: _chat_for(job, discreet) for job in jobs}

    async def note(self, answer: StoredAnswer, jobs: Sequence[Job], *, arrived: bool) -> None:
        """Post in the group that the answer was sent in private, or why it could not be. Posts
        nothing if the answer is in the group itself.
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
    # A user who writes as a group or a channel has no private chat.
    has_private_chat = job.origin.owner_id > 0
    is_elsewhere = has_private_chat and job.origin.chat_id in discreet
    return job.origin.owner_id if is_elsewhere else job.origin.chat_id


ALBUM_IS_QUIET_AFTER = timedelta(seconds=2)
MOST_UNANSWERED = 200
MOST_CORRECTED = 100
CORRECTED_AGAIN_AFTER = timedelta(seconds=10)


class AnswerSender:
    """Offers answers, merged where the rate limit of a chat is low, and with the lowest priority
    the corrections of those with expired links.
    """

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: AnswerViews,
        migrations: ChatMigrations,
        reactions: Reactions,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._reactions = reactions
        self._clock = clock
        self._delivery = AnswerDelivery(ledger, migrations, clock)

    async def offer(self, state: RoundState) -> Offers:
        """Offer unfinished answers, then new ones, then corrections."""
        resumed = [self._resumption(answer) for answer in await self._resumable(state)]
        waiting, again_at = await self._waiting()
        new = await self._new(waiting, state)
        stale = await self._ledger.answers.stale(MOST_CORRECTED)
        return Offers([*resumed, *new, *map(self._correction, stale)], again_at)

    async def _resumable(self, state: RoundState) -> list[StoredAnswer]:
        """Return answers of a failed call or of a previous process."""
        found = await self._ledger.answers.resumable()
        cut_off = [
            answer
            for answer in found
            if answer.state is AnswerState.SENDING and state.is_free(send_lane(answer.chat_id))
        ]
        for answer in cut_off:
            # No call is in flight, so one was interrupted: the message may have arrived.
            await self._ledger.answers.unsent(answer.id, uncertain=answer.message_id is None)
        if cut_off:
            found = await self._ledger.answers.resumable()
        return [answer for answer in found if answer.state is AnswerState.PENDING]

    def _resumption(self, answer: StoredAnswer) -> Call:
        run = partial(self._send_again, answer)
        return _call(answer.chat_id, run, is_edit=answer.message_id is not None)

    async def _new(self, waiting: Sequence[Job], state: RoundState) -> list[Call]:
        own_status_messages = await self._own_status_messages(waiting)
        chats = await self._delivery.chats_for(waiting)
        # A cancelled job is answered in its own status message.
        chats |= {job.id: job.origin.chat_id for job in waiting if job.id in own_status_messages}
        calls = []
        for chat_id, jobs in _by_chat(waiting, chats):
            status_message = own_status_messages.get(jobs[0].id)
            left = state.messages_left(chat_id)
            batch = _choose(jobs, left) if status_message is None else jobs[:1]
            run = partial(self._begin_answer, chat_id, batch, status_message)
            calls.append(_call(chat_id, run, is_edit=status_message is not None))
        return calls

    async def _waiting(self) -> tuple[list[Job], datetime | None]:
        """Return the ended jobs to answer now, and when to check again for albums.

        The files of an album are answered together when it is complete. Telegram marks no end, so
        an album is complete when no file has come for a while.
        """
        jobs = await self._ledger.answers.unanswered(MOST_UNANSWERED)
        albums = {_album_of(job) for job in jobs if job.origin.album}
        if not albums:
            return jobs, None
        now = self._clock.now()
        albums -= await self._ledger.jobs.open_albums(now - ALBUM_IS_QUIET_AFTER)
        # Read again, because the last file of an album may have ended between the two reads.
        jobs = await self._ledger.answers.unanswered(MOST_UNANSWERED)
        over = [job for job in jobs if not job.origin.album or _album_of(job) in albums]
        return over, now + ALBUM_IS_QUIET_AFTER / 2 if len(over) < len(jobs) else None

    async def _own_status_messages(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the status messages that become answers, by job: a cancelled job is answered in
        its own, where the user has just pressed the button.
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

    async def _begin_answer(
        self, chat_id: int, jobs: list[Job], status_message: int | None
    ) -> None:
        language = jobs[0].origin.language
        view = await self._views.compose(jobs, chat_id)
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
        view = await self._views.compose(jobs, answer.chat_id)
        try:
            message_id = await self._place(answer, view)
        except ChatUncertain:
            # An edit may be repeated any number of times; a message is sent once more, and only
            # once.
            await answers.unsent(answer.id, uncertain=answer.message_id is None)
            raise
        except (ChatGone, MessageRefused) as error:
            log.warning("answer lost", answer=answer.id, code=error.code)
            await self._delivery.note(answer, jobs, arrived=False)
            await answers.lost(answer.id)
        except ChatError:
            await answers.unsent(answer.id, uncertain=False)
            raise
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
                log.info("status message is gone, sending a new answer", answer=answer.id)
            else:
                return answer.message_id
        place = Place(answer.chat_id, answer.thread_id, answer.reply_to)
        return await self._messenger.send(place, view, language=answer.language)

    def _correction(self, answer: StoredAnswer) -> Call:
        return Call(
            kind=CallKind.EDIT,
            chat_id=answer.chat_id,
            lane=edit_lane(answer.chat_id),
            priority=Priority.REFRESH,
            reserve=RESERVED_FOR_REPLIES,
            retry_after=CORRECTED_AGAIN_AFTER,
            run=partial(self._correct, answer),
        )

    async def _correct(self, answer: StoredAnswer) -> None:
        jobs = await self._ledger.jobs.get_many(answer.job_ids)
        view = await self._views.compose(jobs, answer.chat_id)
        try:
            # A sent answer has its message id.
            await self._messenger.edit(
                answer.chat_id, answer.message_id or 0, view, language=answer.language
            )
        except ChatError as error:
            if not error.permanent:
                raise
            # The message is gone, so it shows nothing wrong.
            log.info("answer not corrected", answer=answer.id, code=error.code)
        await self._ledger.answers.refreshed(answer.id, answer.changes)


def _call(chat_id: int, run: Callable[[], Coroutine[Any, Any, None]], *, is_edit: bool) -> Call:
    return Call(
        kind=CallKind.EDIT if is_edit else CallKind.SEND,
        chat_id=chat_id,
        lane=send_lane(chat_id),
        # A late edit would overwrite the answer that the status message has become.
        waits_for=(edit_lane(chat_id),) if is_edit else (),
        priority=Priority.ANSWER,
        reserve=RESERVED_FOR_REPLIES,
        run=run,
    )


def _choose(jobs: Sequence[Job], left: float) -> list[Job]:
    """Choose the jobs of one message: one job while `left` messages suffice for all, otherwise as
    many as fit. The files of an album are always together.
    """
    first = jobs[0].origin
    if first.album is not None:
        return [job for job in jobs if _album_of(job) == _album_of(jobs[0])]
    together = [
        job for job in jobs if job.origin.thread_id == first.thread_id and not job.origin.album
    ]
    if len(jobs) <= math.floor(left - RESERVED_FOR_REPLIES):
        return together[:1]
    return together


def _album_of(job: Job) -> tuple[int, str | None]:
    return job.origin.chat_id, job.origin.album


def _by_chat(jobs: Sequence[Job], chats: Mapping[int, int]) -> list[tuple[int, list[Job]]]:
    """Group the jobs that may share a message: answered in one chat, and from one chat."""

    def places(job: Job) -> tuple[int, int]:
        return chats[job.id], job.origin.chat_id

    groups = groupby(sorted(jobs, key=places), key=places)
    return [(chat_id, list(group)) for (chat_id, _), group in groups]
