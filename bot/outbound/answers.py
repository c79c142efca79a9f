"""Answers: sent once for every ended job, resumed after a failure, edited when their links end."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from bot.core.jobs import Job, JobState
from bot.core.limits import RESERVED_FOR_REPLIES
from bot.core.ports import Clock
from bot.core.ports.answers import AnswerState, StoredAnswer
from bot.core.ports.ledger import Ledger, Priority, Work
from bot.outbound.answer_delivery import (
    MOST_ATTEMPTS,
    MOST_TOGETHER,
    AnswerCalls,
    AnswerDelivery,
    Repetitions,
)
from bot.outbound.dispatcher import (
    Call,
    CallKind,
    Offers,
    RoundState,
    edit_lane,
    failing_call,
    send_lane,
)
from bot.supervision import Unit

ALBUM_IS_QUIET_AFTER = timedelta(seconds=2)
MOST_UNANSWERED = 200
MOST_CORRECTED = 100
CORRECTED_AGAIN_AFTER = timedelta(seconds=10)


class AnswerSender:
    """Offers answers, merged where the rate limit of a chat is low, and with the lowest priority
    the corrections of those with expired links. `by_owner` merges only those of one owner.
    """

    work = Work.ANSWERS

    def __init__(
        self,
        ledger: Ledger,
        calls: AnswerCalls,
        delivery: AnswerDelivery,
        repetitions: Repetitions,
        clock: Clock,
        *,
        by_owner: bool = False,
    ) -> None:
        self._by_owner = by_owner
        self._ledger = ledger
        self._calls = calls
        self._delivery = delivery
        self._repetitions = repetitions
        self._clock = clock

    async def offer(self, state: RoundState) -> Offers:
        """Offer answers that were left behind, then new ones, then corrections.

        While it is unknown whether the service answers, nothing new is begun.
        """
        answers = self._ledger.answers
        # At the same moment, which is one visit to the ledger.
        found, outdated, unanswered = await asyncio.gather(
            answers.resumable(), answers.stale(MOST_CORRECTED), answers.unanswered(MOST_UNANSWERED)
        )
        left_behind, failing = await self._resumable(found, state)
        self._repetitions.update(left_behind)
        stale = [*failing, *(self._correction(answer) for answer in outdated)]
        resumed = [
            self._resumption(answer, wait.until)
            for answer in left_behind
            if (wait := self._repetitions.wait_of(answer)).is_over
            or answer.attempts >= MOST_ATTEMPTS
        ]
        if (probe := self._repetitions.probe) is not None:
            return Offers([probe, *resumed, *stale])
        waiting, again_at = await self._waiting(unanswered)
        return Offers([*resumed, *await self._new(waiting, state), *stale], again_at)

    async def _resumable(
        self, found: list[StoredAnswer], state: RoundState
    ) -> tuple[list[StoredAnswer], list[Call]]:
        """Return answers of a failed call or of a previous process, and the calls of those that
        failed here.
        """
        failing: dict[int, Call] = {}
        has_changes = False
        for answer in found:
            if not state.is_free(send_lane(answer.chat_id)):
                continue
            try:
                has_changes |= await self._reset(answer)
            except Exception as error:  # noqa: BLE001 -- the edge of an answer: its call raises it.
                fail = partial(self._calls.fail, answer, error)
                failing[answer.id] = failing_call(Unit.ANSWER, answer.id, answer.chat_id, fail)
        if has_changes:
            found = await self._ledger.answers.resumable()
        left_behind = [one for one in found if _is_open(one) and one.id not in failing]
        return left_behind, list(failing.values())

    async def _reset(self, answer: StoredAnswer) -> bool:
        """Note what has become of an answer that no call is sending; return whether it changed."""
        if answer.attempts >= MOST_ATTEMPTS:
            return False
        is_cut_off = answer.state is AnswerState.SENDING
        if is_cut_off:
            # It may have arrived.
            await self._ledger.answers.cut_off(answer.id)
        is_too_large = answer.attempts >= MOST_TOGETHER and len(answer.job_ids) > 1
        if is_too_large:
            await self._ledger.answers.apart(answer.id)
        return is_cut_off or is_too_large

    def _resumption(self, answer: StoredAnswer, not_before: datetime) -> Call:
        if answer.attempts >= MOST_ATTEMPTS:
            run = partial(self._calls.give_up, answer)
            return replace(
                _call(answer.chat_id, run, answer.id, is_edit=False), kind=CallKind.QUERY
            )
        run = partial(self._calls.send_again, answer)
        is_edit = answer.message_id is not None
        return replace(
            _call(answer.chat_id, run, answer.id, is_edit=is_edit), not_before=not_before
        )

    async def _new(self, waiting: Sequence[Job], state: RoundState) -> list[Call]:
        own_status_messages = await self._own_status_messages(waiting)
        calls = []
        for chat_id, sent in groupby(sorted(waiting, key=_chat_of), key=_chat_of):
            jobs = list(sent)
            try:
                calls += await self._new_of_chat(jobs, own_status_messages, state)
            except Exception as error:  # noqa: BLE001 -- the edge of an answer: its call raises it.
                fail = partial(_fail, error)
                calls.append(failing_call(Unit.ANSWER, -jobs[0].id, chat_id, fail))
        return calls

    async def _new_of_chat(
        self, waiting: Sequence[Job], own_status_messages: Mapping[int, int], state: RoundState
    ) -> list[Call]:
        chats = await self._delivery.chats_for(waiting)
        # A cancelled job is answered in its own status message.
        chats |= {job.id: job.origin.chat_id for job in waiting if job.id in own_status_messages}
        calls = []
        for chat_id, jobs in _by_chat(waiting, chats):
            status_message = own_status_messages.get(jobs[0].id)
            left = state.messages_left(chat_id)
            batch = jobs[:1]
            if status_message is None:
                batch = _choose(jobs, left, by_owner=self._by_owner)
            run = partial(self._calls.begin, chat_id, batch, status_message)
            # It has no row yet; the number of its first job stands for it, apart from ids of rows.
            calls.append(_call(chat_id, run, -batch[0].id, is_edit=status_message is not None))
        return calls

    async def _waiting(self, jobs: list[Job]) -> tuple[list[Job], datetime | None]:
        """Return the ended jobs to answer now, and when to check again for albums.

        The files of an album are answered together when it is complete. Telegram marks no end, so
        an album is complete when no file has come for a while.
        """
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

    def _correction(self, answer: StoredAnswer) -> Call:
        is_given_up = answer.attempts >= MOST_ATTEMPTS
        work = self._calls.leave_as_it_is if is_given_up else self._calls.correct
        return Call(
            kind=CallKind.EDIT,
            chat_id=answer.chat_id,
            lane=edit_lane(answer.chat_id),
            priority=Priority.REFRESH,
            reserve=RESERVED_FOR_REPLIES,
            retry_after=CORRECTED_AGAIN_AFTER,
            unit=Unit.ANSWER,
            row=answer.id,
            run=partial(work, answer),
        )


async def _fail(error: Exception) -> None:
    raise error


def _chat_of(job: Job) -> int:
    return job.origin.chat_id


def _is_open(answer: StoredAnswer) -> bool:
    return answer.state is AnswerState.PENDING or answer.attempts >= MOST_ATTEMPTS


def _call(
    chat_id: int, run: Callable[[], Coroutine[Any, Any, None]], row: int, *, is_edit: bool
) -> Call:
    return Call(
        kind=CallKind.EDIT if is_edit else CallKind.SEND,
        chat_id=chat_id,
        lane=send_lane(chat_id),
        # A late edit would overwrite the answer that the status message has become.
        waits_for=(edit_lane(chat_id),) if is_edit else (),
        priority=Priority.ANSWER,
        unit=Unit.ANSWER,
        row=row,
        reserve=RESERVED_FOR_REPLIES,
        run=run,
    )


def _choose(jobs: Sequence[Job], left: float, *, by_owner: bool) -> list[Job]:
    """Choose the jobs of one message: one job while `left` messages suffice for all, otherwise as
    many as fit. The files of an album are always together; with `by_owner` those of several owners
    never are.
    """
    first = jobs[0].origin
    if first.album is not None:
        return [job for job in jobs if _album_of(job) == _album_of(jobs[0])]
    together = [
        job
        for job in jobs
        if job.origin.thread_id == first.thread_id
        and not job.origin.album
        and (not by_owner or job.origin.owner_id == first.owner_id)
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
