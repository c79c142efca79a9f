"""The delivery of answers: to which chat, in which form, and when again after an unknown outcome.

Telegram may refuse the form of an answer, or everything in its chat. Then it is sent once more
without formatting, buttons and reply, after that privately to the owners of its jobs, and is lost
only when that is refused too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.core.errors import (
    ChatError,
    ChatGone,
    ChatUncertain,
    Crashed,
    MessageGone,
    MessageRefused,
    Unexpected,
)
from bot.core.jobs import Job, JobState, Origin
from bot.core.ports import Clock
from bot.core.ports.answers import (
    PLAIN_FORMS,
    AnswerContent,
    AnswerForm,
    AnswerState,
    StoredAnswer,
)
from bot.core.ports.chat import Messenger, Place, Reaction
from bot.core.ports.ledger import Ledger, Outbox, OutboxKind, OutboxMessage, Priority
from bot.core.ports.metrics import Metrics
from bot.core.ports.views import Answer
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.dispatcher import Call, CallKind
from bot.outbound.views import AnswerViews
from bot.supervision import Unit

log = structlog.stdlib.get_logger(__name__)


class AnswerDelivery:
    """Knows the choice of each group, and tells a group that its answer went elsewhere."""

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

    def moved_to(self, chat_id: int) -> int | None:
        """Return the present id of a group that has become a supergroup, otherwise `None`."""
        return self._migrations.moved_to(chat_id)

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


FIRST_WAIT: Final = timedelta(seconds=3)
LONGEST_WAIT: Final = timedelta(hours=1)
PROBE_EVERY: Final = timedelta(seconds=3)


@dataclass(slots=True)
class Wait:
    """Until when an answer waits. `is_over` once the service has answered something else."""

    until: datetime
    is_over: bool = False


class Repetitions:
    """Decides when an answer is sent again whose last call had an unknown outcome: when the chat
    service has answered something else, and after a wait that doubles each time.

    So an outage, however long, costs one copy at most, and so does the crash of a process.
    """

    def __init__(self, messenger: Messenger, clock: Clock) -> None:
        self._messenger = messenger
        self._clock = clock
        self._waits: dict[tuple[int, int], Wait] = {}

    def update(self, answers: Iterable[StoredAnswer]) -> None:
        """Note the answers that are to be sent, and forget all others."""
        now = self._clock.now()
        self._waits = {
            _key(answer): self._waits.get(_key(answer)) or Wait(now + _wait(answer.tries))
            for answer in answers
            if answer.tries and answer.message_id is None
        }

    def wait_of(self, answer: StoredAnswer) -> Wait:
        """Return until when an answer waits; one whose outcome is certain does not."""
        return self._waits.get(_key(answer)) or Wait(self._clock.now(), is_over=True)

    @property
    def probe(self) -> Call | None:
        """The call that finds out whether the service answers, while an answer waits for it."""
        if all(wait.is_over for wait in self._waits.values()):
            return None
        return Call(
            kind=CallKind.QUERY,
            chat_id=0,
            lane=("probe", 0),
            priority=Priority.ANSWER,
            unit=Unit.ANSWER,
            row=0,
            retry_after=PROBE_EVERY,
            run=self._probe,
        )

    async def _probe(self) -> None:
        # What fails while the probe is under way waits for the next one.
        waiting = list(self._waits.values())
        await self._messenger.probe()
        for wait in waiting:
            wait.is_over = True


def _key(answer: StoredAnswer) -> tuple[int, int]:
    return answer.id, answer.tries


def _wait(tries: int) -> timedelta:
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(tries - 1, 20)))


class Reactions:
    """Posts reactions, if `enabled`. The first file of an album stands for all."""

    def __init__(self, outbox: Outbox, clock: Clock, *, enabled: bool) -> None:
        self._outbox = outbox
        self._clock = clock
        self._enabled = enabled

    async def accepted(self, job: Job) -> None:
        """React to a file that was accepted."""
        await self._post(job.origin, Reaction.ACCEPTED)

    async def ended(self, jobs: Sequence[Job]) -> None:
        """React to the messages of jobs that have been answered."""
        firsts: dict[tuple[int, str | int], Job] = {}
        for job in sorted(jobs, key=lambda job: job.id):
            firsts.setdefault((job.origin.chat_id, job.origin.album or job.id), job)
        for job in firsts.values():
            is_done = job.state is JobState.DONE
            await self._post(job.origin, Reaction.DONE if is_done else Reaction.NONE)

    async def _post(self, origin: Origin, reaction: Reaction) -> None:
        if not self._enabled:
            return
        what = f"album:{origin.album}" if origin.album else f"{origin.message_id}"
        await self._outbox.post(
            OutboxMessage(
                kind=OutboxKind.REACTION,
                priority=Priority.REFRESH,
                chat_id=origin.chat_id,
                language=origin.language,
                dedupe=f"reaction:{origin.chat_id}:{what}:{reaction}",
                payload={"to": origin.message_id, "reaction": reaction.value},
            ),
            self._clock.now(),
        )


MOST_UNREADABLE: Final = 2
"""Calls that may be answered with something unreadable: their messages are there, most likely."""
MOST_ATTEMPTS: Final = 5
"""Attempts in a row that may be cut off by the end of the process, or by an unexpected error."""
MOST_TOGETHER: Final = 2
"""The same, after which each job of an answer has one of its own: one of them may be the cause."""


class AnswerCalls:
    """Makes the calls that place and correct answers, and stores what came of them."""

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: AnswerViews,
        delivery: AnswerDelivery,
        reactions: Reactions,
        metrics: Metrics,
    ) -> None:
        self._answers = ledger.answers
        self._jobs = ledger.jobs
        self._messenger = messenger
        self._views = views
        self._delivery = delivery
        self._reactions = reactions
        self._metrics = metrics

    async def begin(self, chat_id: int, jobs: Sequence[Job], status_message: int | None) -> None:
        """Answer as many of these jobs in a chat as one message can hold; with `status_message` by
        changing that.
        """
        # Stored before anything is composed: what cannot be composed is counted too.
        await self.deliver(await self._answers.begin(jobs, status_message, chat_id=chat_id))

    async def send_again(self, answer: StoredAnswer) -> None:
        """Place an answer that is PENDING."""
        content = await self._answers.sending(answer.id)
        await self.deliver(replace(answer, content=content))

    async def deliver(self, answer: StoredAnswer) -> None:
        """Place an answer that is SENDING, with its content."""
        jobs, view = await self._compose(answer)
        try:
            message_id = await self._place(answer, view)
        except ChatUncertain as error:
            if error.answered and answer.tries + 1 >= MOST_UNREADABLE:
                await self._lose(answer, jobs, error.code)
            else:
                await self._answers.unsent(answer.id, uncertain=True)
            raise
        except (ChatGone, MessageRefused) as error:
            await self._refused(answer, jobs, error)
        except ChatError:
            await self._answers.unsent(answer.id, uncertain=False)
            raise
        except Exception:
            await self._answers.cut_off(answer.id)
            raise
        else:
            if not _is_redirected(answer):
                await self._delivery.note(answer, jobs, arrived=True)
            moved_to = self._delivery.moved_to(answer.chat_id)
            await self._answers.sent(answer.id, message_id, moved_to)
            await self._reactions.ended(jobs)

    async def _compose(self, answer: StoredAnswer) -> tuple[Sequence[Job], Answer]:
        """Compose an answer that is SENDING; return the jobs for which it has room too. The others
        are unanswered again.
        """
        content = answer.content or AnswerContent((), {})
        try:
            view = await self._views.compose(content.jobs, answer.chat_id, content.objects)
            count = len(content.jobs)
            if count > 1:
                count = self._fit(answer, content.jobs, view)
            if count < len(content.jobs):
                await self._answers.release(answer.id, [job.id for job in content.jobs[count:]])
        except Exception:
            await self._answers.cut_off(answer.id, called=False)
            raise
        return content.jobs[:count], replace(view, items=view.items[:count])

    def _fit(self, answer: StoredAnswer, jobs: Sequence[Job], view: Answer) -> int:
        is_album = jobs[0].origin.album is not None
        plain = answer.form in PLAIN_FORMS
        return self._messenger.fit(view, language=answer.language, together=is_album, plain=plain)

    async def _place(self, answer: StoredAnswer, view: Answer) -> int:
        language, plain = answer.language, answer.form in PLAIN_FORMS
        if answer.message_id is not None:
            try:
                await self._messenger.edit(
                    answer.chat_id, answer.message_id, view, language=language, plain=plain
                )
            except MessageGone:
                log.info("status message gone, answering anew", answer=answer.id)
                await self._answers.anew(answer.id)
            else:
                return answer.message_id
        reply_to = None if plain else answer.reply_to
        place = Place(answer.chat_id, answer.thread_id, reply_to)
        return await self._messenger.send(place, view, language=language, plain=plain)

    async def _refused(
        self, answer: StoredAnswer, jobs: Sequence[Job], error: ChatGone | MessageRefused
    ) -> None:
        log.warning("answer refused", answer=answer.id, form=answer.form, code=error.code)
        if isinstance(error, MessageRefused) and answer.form not in PLAIN_FORMS:
            await self._answers.reword(answer.id, answer.form.plainer)
        elif _is_in_group(answer, jobs):
            await self._answers.redirect(answer.id, error.code)
        else:
            await self._lose(answer, jobs, error.code)

    async def fail(self, answer: StoredAnswer, error: Exception) -> None:
        """Count an answer for which no call can be offered, and raise why."""
        await self._answers.correcting(answer.id)
        raise error

    async def give_up(self, answer: StoredAnswer) -> None:
        """Set an answer aside that was tried too often: each time the process ended or an
        unexpected error arose.
        """
        code = Crashed.code if answer.state is AnswerState.SENDING else Unexpected.code
        await self._lose(answer, await self._jobs.get_many(answer.job_ids), code)

    async def _lose(self, answer: StoredAnswer, jobs: Sequence[Job], code: str) -> None:
        log.error("answer lost", answer=answer.id, code=code, jobs=list(answer.job_ids))
        self._metrics.answer_lost(code)
        if not _is_redirected(answer):
            await self._delivery.note(answer, jobs, arrived=False)
        await self._answers.lost(answer.id, code)

    async def correct(self, answer: StoredAnswer) -> None:
        """Let a sent answer show what has become of its links."""
        await self._answers.correcting(answer.id)
        try:
            jobs = await self._jobs.get_many(answer.job_ids)
            # A sent answer has its message id.
            await self._messenger.edit(
                answer.chat_id,
                answer.message_id or 0,
                await self._views.compose(jobs, answer.chat_id),
                language=answer.language,
                plain=answer.form in PLAIN_FORMS,
            )
        except ChatError as error:
            if not error.permanent:
                await self._answers.settle(answer.id)
                raise
            if isinstance(error, MessageRefused) and answer.form not in PLAIN_FORMS:
                await self._answers.reword(answer.id, answer.form.plainer)
                return
            # The message is gone: nothing is left that could be wrong.
            log.info("answer not corrected", answer=answer.id, code=error.code)
        await self._answers.refreshed(answer.id, answer.changes)

    async def leave_as_it_is(self, answer: StoredAnswer) -> None:
        """Set the correction of an answer aside that was tried too often."""
        log.error("answer not corrected", answer=answer.id, code=Unexpected.code)
        await self._answers.refreshed(answer.id, answer.changes, code=Unexpected.code)


def _is_in_group(answer: StoredAnswer, jobs: Sequence[Job]) -> bool:
    """Return whether an answer goes to a group, and there are persons to whom it could go."""
    here = [job for job in jobs if job.origin.chat_id == answer.chat_id]
    return any(job.origin.owner_id > 0 and not job.origin.is_private for job in here)


def _is_redirected(answer: StoredAnswer) -> bool:
    """Return whether an answer goes to a person because a group refused it."""
    return answer.form in {AnswerForm.PRIVATE, AnswerForm.PRIVATE_PLAIN}
