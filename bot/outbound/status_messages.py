"""Status messages: one for each slow job, a shared one where a chat has many jobs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from bot.core.errors import ChatError, ChatFlooded, ChatUnavailable, Unexpected
from bot.core.jobs import Job, JobState
from bot.core.limits import RESERVED_FOR_ANSWERS
from bot.core.ports import Clock
from bot.core.ports.answers import StoredStatusMessage
from bot.core.ports.chat import Messenger, Place
from bot.core.ports.ledger import Ledger, Priority, Work
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.core.ports.views import StatusMessage
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.dispatcher import (
    Call,
    CallKind,
    Lane,
    Offers,
    RoundState,
    edit_lane,
    failing_call,
    send_lane,
)
from bot.outbound.views import JobViews
from bot.supervision import Unit

log = structlog.stdlib.get_logger(__name__)

QUICK = timedelta(seconds=1)
"""A job that is done within this time never has a status message, only its answer."""
LOOK_EVERY = timedelta(seconds=1)
EDIT_EVERY = timedelta(seconds=2)
MOST_SINGLE_MESSAGES = 3
"""With more unfinished jobs than this in a chat, further ones share a message, because the rate
limit is per chat.
"""
ANSWER_IS_LATE_AFTER = timedelta(seconds=4)
"""More than the time for which the answer to an album waits for further files."""
SHOWN_AGAIN_AFTER = timedelta(seconds=5)
MOST_TRIES = 5
"""Calls in a row for one status message that ended with an unexpected error or the process."""


class StatusMessageSender:
    """Compares the state of jobs with their status messages, once a second, and offers the
    differences. While `paused`, no new ones are opened and all show that the bot has paused.
    """

    work = Work.STATUS_MESSAGES

    def __init__(
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: JobViews,
        clock: Clock,
        migrations: ChatMigrations,
        metrics: Metrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._clock = clock
        self._migrations = migrations
        self._metrics = metrics or NoMetrics()
        self._shown: dict[int, tuple[StatusMessage, datetime]] = {}
        # Those for which a call of this process has returned: their calls are not counted.
        self._settled: set[int] = set()
        # Since when the answer of these could be sent, and is not there.
        self._late_since: dict[int, datetime] = {}
        self.paused = False

    async def offer(self, state: RoundState) -> Offers:
        """Offer to send, edit and delete status messages."""
        unfinished, status_messages = await asyncio.gather(
            self._ledger.jobs.unfinished(),
            self._ledger.status_messages.open_status_messages(),
        )
        if not self.paused:
            status_messages += await self._open_status_messages(unfinished, status_messages)
        self._forget_all_but({status_message.id for status_message in status_messages})
        by_id = {job.id: job for job in unfinished}
        calls = []
        for status_message in status_messages:
            try:
                call = await self._difference(status_message, by_id, state)
            except Exception as error:  # noqa: BLE001 -- the edge of a message: its call raises it.
                fail = partial(self._fail, status_message, error)
                unit, row = Unit.STATUS_MESSAGE, status_message.id
                call = failing_call(unit, row, status_message.chat_id, fail)
            calls += [] if call is None else [call]
        looks_again = bool(unfinished or status_messages)
        return Offers(calls, self._clock.now() + LOOK_EVERY if looks_again else None)

    async def _difference(
        self,
        status_message: StoredStatusMessage,
        unfinished: Mapping[int, Job],
        state: RoundState,
    ) -> Call | None:
        """Return the call that updates a status message."""
        if status_message.attempts >= MOST_TRIES:
            return _call(status_message, CallKind.DELETE, partial(self._give_up, status_message))
        shown = [unfinished[job_id] for job_id in status_message.job_ids if job_id in unfinished]
        if shown:
            together = status_message.album is not None
            if together:
                # One line per file, finished ones included.
                shown = await self._ledger.jobs.get_many(status_message.job_ids)
            view = self._views.status_message(shown, paused=self.paused, together=together)
            return self._show(status_message, view)
        if not status_message.job_ids:
            return await self._finish(status_message, state)
        return await self._show_ended(status_message, state)

    async def _show_ended(
        self, status_message: StoredStatusMessage, state: RoundState
    ) -> Call | None:
        """Return the call that shows that all jobs have ended, if their answer is held up: the
        progress from before would be wrong, and nothing can be cancelled any more.
        """
        if state.is_paused(status_message.chat_id):
            # The first call after the pause is the answer.
            self._late_since.pop(status_message.id, None)
            return None
        since = self._late_since.setdefault(status_message.id, state.now)
        if state.now - since < ANSWER_IS_LATE_AFTER:
            return None
        jobs = await self._ledger.jobs.get_many(status_message.job_ids)
        # The answer to a cancelled job is an edit of the status message itself.
        if any(job.state is JobState.CANCELLED for job in jobs):
            return None
        together = status_message.album is not None
        return self._show(status_message, self._views.status_message(jobs, together=together))

    def _forget_all_but(self, open_ids: set[int]) -> None:
        for status_message_id in self._shown.keys() - open_ids:
            del self._shown[status_message_id]
        self._settled &= open_ids
        self._late_since = {id_: at for id_, at in self._late_since.items() if id_ in open_ids}

    async def _fail(self, status_message: StoredStatusMessage, error: Exception) -> None:
        async with self._counted(status_message):
            raise error

    async def _give_up(self, status_message: StoredStatusMessage) -> None:
        unit, code = Unit.STATUS_MESSAGE.value, Unexpected.code
        log.error("set aside", unit=unit, id=status_message.id, code=code)
        await self._ledger.status_messages.set_aside(status_message.id, code)

    @asynccontextmanager
    async def _counted(self, status_message: StoredStatusMessage) -> AsyncIterator[None]:
        """Count the call of the block before it is made, unless the last one has returned."""
        id_, status_messages = status_message.id, self._ledger.status_messages
        if is_new := id_ not in self._settled:
            await status_messages.begin_attempt(id_)
        try:
            yield
        except Exception as error:
            if not isinstance(error, ChatError):
                self._settled.discard(id_)
                self._shown.pop(id_, None)
                raise
            await self._settle(id_, is_new=is_new)
            raise
        await self._settle(id_, is_new=is_new)

    async def _settle(self, id_: int, *, is_new: bool) -> None:
        self._settled.add(id_)
        if is_new:
            await self._ledger.status_messages.settle(id_)

    async def _open_status_messages(
        self, unfinished: Sequence[Job], status_messages: Sequence[StoredStatusMessage]
    ) -> list[StoredStatusMessage]:
        now = self._clock.now()
        slow = [
            job
            for job in unfinished
            if job.status_message_id is None and now - job.created_at >= QUICK
        ]
        opened = await self._open_albums(slow, status_messages)
        slow_at: dict[tuple[int, int | None], list[Job]] = {}
        for job in slow:
            if job.origin.album is None:
                slow_at.setdefault(self._place_of(job), []).append(job)
        if not slow_at:
            return opened
        crowds = Counter(self._place_of(job) for job in unfinished if not job.origin.album)
        for place, here in slow_at.items():
            if crowds[place] <= MOST_SINGLE_MESSAGES:
                opened += [
                    await self._ledger.status_messages.open([job], shared=False) for job in here
                ]
            else:
                opened += await self._share(
                    here, [c for c in status_messages if c.shared and not c.album], place
                )
        return opened

    async def _open_albums(
        self, slow: Sequence[Job], status_messages: Sequence[StoredStatusMessage]
    ) -> list[StoredStatusMessage]:
        """Open one shared status message for the files of each album."""
        opened = []
        albums = {(self._place_of(job), job.origin.album) for job in slow if job.origin.album}
        for place, album in albums:
            members = [j for j in slow if (self._place_of(j), j.origin.album) == (place, album)]
            before = [c for c in status_messages if self._is_at(c, place) and c.album == album]
            if before:
                await self._ledger.status_messages.join(before[0].id, [job.id for job in members])
            else:
                opened.append(
                    await self._ledger.status_messages.open(members, shared=True, album=album)
                )
        return opened

    async def _share(
        self,
        jobs: Sequence[Job],
        shared: Sequence[StoredStatusMessage],
        place: tuple[int, int | None],
    ) -> list[StoredStatusMessage]:
        for status_message in shared:
            if self._is_at(status_message, place):
                await self._ledger.status_messages.join(
                    status_message.id, [job.id for job in jobs]
                )
                return []
        return [await self._ledger.status_messages.open(jobs, shared=True)]

    def _place_of(self, job: Job) -> tuple[int, int | None]:
        """Return where the next message about a job goes."""
        return self._migrations.current(job.origin.chat_id), job.origin.thread_id

    def _is_at(self, status_message: StoredStatusMessage, place: tuple[int, int | None]) -> bool:
        """Return whether a status message is at a place, or will be; one that was sent stays."""
        chat_id = status_message.chat_id
        if status_message.message_id is None:
            chat_id = self._migrations.current(chat_id)
        return (chat_id, status_message.thread_id) == place

    def _show(self, status_message: StoredStatusMessage, view: StatusMessage) -> Call | None:
        if status_message.message_id is None:
            run = partial(self._place, status_message, view)
            return _call(status_message, CallKind.SEND, run, reserve=RESERVED_FOR_ANSWERS)
        before, at = self._shown.get(status_message.id, (None, None))
        is_urgent = _is_urgent(view) and not (before and _is_urgent(before))
        if view == before:
            return None
        if at and not is_urgent and self._clock.now() - at < EDIT_EVERY:
            self._metrics.edit_skipped("interval")
            return None
        return _call(
            status_message,
            CallKind.EDIT,
            partial(self._edit, status_message, status_message.message_id, view),
            reserve=RESERVED_FOR_ANSWERS if status_message.chat_id < 0 else 0.0,
            on_skip=self._metrics.edit_skipped,
        )

    async def _place(self, status_message: StoredStatusMessage, view: StatusMessage) -> None:
        place = Place(status_message.chat_id, status_message.thread_id, status_message.reply_to)
        self._shown[status_message.id] = (view, self._clock.now())
        try:
            async with self._counted(status_message):
                message_id = await self._messenger.send(
                    place, view, language=status_message.language, silent=True
                )
        except (ChatFlooded, ChatUnavailable):
            self._shown.pop(status_message.id, None)
            raise
        except ChatError as error:
            # The message may exist with an id unknown to us, or cannot be sent: this job continues
            # without one.
            log.info("status message given up", status_message=status_message.id, code=error.code)
            await self._ledger.status_messages.close(status_message.id)
        else:
            moved_to = self._migrations.moved_to(status_message.chat_id)
            await self._ledger.status_messages.placed(status_message.id, message_id, moved_to)

    async def _edit(
        self, status_message: StoredStatusMessage, message_id: int, view: StatusMessage
    ) -> None:
        self._shown[status_message.id] = (view, self._clock.now())
        try:
            async with self._counted(status_message):
                await self._messenger.edit(
                    status_message.chat_id, message_id, view, language=status_message.language
                )
        except ChatError as error:
            if not error.permanent:
                self._shown.pop(status_message.id, None)
                raise
            await self._ledger.status_messages.close(status_message.id)

    async def _finish(self, status_message: StoredStatusMessage, state: RoundState) -> Call | None:
        """Delete a status message once all its jobs have been answered."""
        if status_message.message_id is not None:
            run = partial(self._remove, status_message, status_message.message_id)
            return _call(status_message, CallKind.DELETE, run)
        # One that is being sent right now is deleted when its id is known.
        if state.is_free(send_lane(status_message.chat_id)):
            await self._close(status_message)
        return None

    async def _remove(self, status_message: StoredStatusMessage, message_id: int) -> None:
        try:
            async with self._counted(status_message):
                await self._messenger.delete(status_message.chat_id, message_id)
        except ChatError as error:
            if not error.permanent:
                raise
        await self._close(status_message)

    async def _close(self, status_message: StoredStatusMessage) -> None:
        await self._ledger.status_messages.close(status_message.id)
        self._shown.pop(status_message.id, None)


def _delete_lane(chat_id: int) -> Lane:
    # Deletions wait for no edit: Telegram may hold one back for minutes, and one that comes after
    # the deletion is refused.
    return "delete", chat_id


_LANES: Final[Mapping[CallKind, Callable[[int], Lane]]] = {
    CallKind.SEND: send_lane,
    CallKind.EDIT: edit_lane,
    CallKind.DELETE: _delete_lane,
}


def _call(
    status_message: StoredStatusMessage,
    kind: CallKind,
    run: Callable[[], Coroutine[Any, Any, None]],
    *,
    reserve: float = 0.0,
    on_skip: Callable[[str], None] | None = None,
) -> Call:
    chat_id = status_message.chat_id
    return Call(
        kind=kind,
        chat_id=chat_id,
        lane=_LANES[kind](chat_id),
        priority=Priority.STATUS,
        unit=Unit.STATUS_MESSAGE,
        row=status_message.id,
        run=run,
        reserve=reserve,
        retry_after=SHOWN_AGAIN_AFTER,
        on_skip=on_skip,
        # The sender checks again in a second, with newer figures.
        wakes=False,
    )


def _is_urgent(view: StatusMessage) -> bool:
    return any(line.cancelling or line.paused for line in view.lines)
