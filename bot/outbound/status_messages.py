"""Tells how far things are: one status message for a slow job, one shared one where a chat has
many.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.core.errors import ChatError, ChatFlooded, ChatUnavailable
from bot.core.jobs import Job
from bot.core.ports.answers import StoredStatusMessage
from bot.core.ports.chat import Messenger, Place
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.core.ports.views import StatusMessage
from bot.outbound.dispatcher import InFlightCalls, wait_after
from bot.outbound.rate_limits import RESERVED_FOR_ANSWERS, RateLimits
from bot.outbound.views import Views

log = structlog.stdlib.get_logger(__name__)

QUICK = timedelta(seconds=1)
"""A job that is done by then never shows a status message: file in, link out."""
LOOK_EVERY = timedelta(seconds=1)
EDIT_EVERY = timedelta(seconds=2)
MOST_SINGLE_CARDS = 3
"""With more unfinished jobs than this in a chat, further ones share a card: the budget belongs to
the chat.
"""
AFTER_TROUBLE = timedelta(seconds=5)


class StatusMessageSender:
    """Looks at the state of jobs and edits; nobody tells it anything. Driven by
    `ChatDispatcher`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- ports, each of its own.
        self,
        ledger: Ledger,
        messenger: Messenger,
        views: Views,
        rate_limits: RateLimits,
        calls: InFlightCalls,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._views = views
        self._rate_limits = rate_limits
        self._calls = calls
        self._clock = clock
        self._metrics = metrics or NoMetrics()
        self._shown: dict[int, tuple[StatusMessage, datetime]] = {}
        self.paused = False

    async def tick(self) -> datetime | None:
        """Open, edit and close cards; return when to look again."""
        unfinished = await self._ledger.jobs.unfinished()
        status_messages = await self._ledger.status_messages.open_status_messages()
        if not self.paused:
            status_messages += await self._open_status_messages(unfinished, status_messages)
        self._forget_all_but({status_message.id for status_message in status_messages})
        by_id = {job.id: job for job in unfinished}
        for status_message in status_messages:
            shown = [by_id[job_id] for job_id in status_message.job_ids if job_id in by_id]
            if shown and status_message.album is not None:
                # One line per file, the finished ones included.
                shown = await self._ledger.jobs.get_many(status_message.job_ids)
            if shown:
                together = status_message.album is not None
                view = self._views.status_message(shown, paused=self.paused, together=together)
                self._show(status_message, view)
            elif not status_message.job_ids:
                await self._finish(status_message)
        return self._clock.now() + LOOK_EVERY if unfinished or status_messages else None

    def _forget_all_but(self, open_ids: set[int]) -> None:
        for status_message_id in self._shown.keys() - open_ids:
            del self._shown[status_message_id]

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
        slow = [job for job in slow if job.origin.album is None]
        for place in {_place_of(job) for job in slow}:
            here = [job for job in slow if _place_of(job) == place]
            crowd = sum(1 for j in unfinished if _place_of(j) == place and not j.origin.album)
            if crowd <= MOST_SINGLE_CARDS:
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
        """The files of an album share a card from the first on."""
        opened = []
        albums = {(_place_of(job), job.origin.album) for job in slow if job.origin.album}
        for place, album in albums:
            members = [j for j in slow if (_place_of(j), j.origin.album) == (place, album)]
            before = [
                c
                for c in status_messages
                if (c.chat_id, c.thread_id) == place and c.album == album
            ]
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
            if (status_message.chat_id, status_message.thread_id) == place:
                await self._ledger.status_messages.join(
                    status_message.id, [job.id for job in jobs]
                )
                return []
        return [await self._ledger.status_messages.open(jobs, shared=True)]

    def _show(self, status_message: StoredStatusMessage, view: StatusMessage) -> None:
        if status_message.message_id is None:
            self._start_placing(status_message, view)
            return
        before, at = self._shown.get(status_message.id, (None, None))
        is_urgent = _is_urgent(view) and not (before and _is_urgent(before))
        if view == before:
            return
        if at and not is_urgent and self._clock.now() - at < EDIT_EVERY:
            self._metrics.edit_skipped("interval")
            return
        call_key = ("edit", status_message.chat_id)
        budget = self._rate_limits.of(status_message.chat_id)
        reserve = RESERVED_FOR_ANSWERS if status_message.chat_id < 0 else 0.0
        now = self._clock.now()
        if not self._calls.is_free(call_key):
            self._metrics.edit_skipped("busy")
        elif not budget.take(budget.edits, now, reserve=reserve):
            self._metrics.edit_skipped("budget")
        else:
            self._shown[status_message.id] = (view, now)
            self._calls.start(
                call_key, self._edit(status_message, status_message.message_id, view)
            )

    def _start_placing(self, status_message: StoredStatusMessage, view: StatusMessage) -> None:
        call_key = ("send", status_message.chat_id)
        budget = self._rate_limits.of(status_message.chat_id)
        now = self._clock.now()
        if self._calls.is_free(call_key) and budget.take(
            budget.messages, now, reserve=RESERVED_FOR_ANSWERS
        ):
            self._shown[status_message.id] = (view, now)
            self._calls.start(call_key, self._place(status_message, view))

    async def _place(self, status_message: StoredStatusMessage, view: StatusMessage) -> None:
        place = Place(status_message.chat_id, status_message.thread_id, status_message.reply_to)
        try:
            message_id = await self._messenger.send(
                place, view, language=status_message.language, silent=True
            )
        except (ChatFlooded, ChatUnavailable) as error:
            self._pause(status_message, error)
        except ChatError as error:
            # It may be there without our knowing its id, or never can be: this job goes on
            # without.
            log.info("status message given up", status_message=status_message.id, code=error.code)
            await self._ledger.status_messages.close(status_message.id)
        else:
            await self._ledger.status_messages.placed(status_message.id, message_id)

    async def _edit(
        self, status_message: StoredStatusMessage, message_id: int, view: StatusMessage
    ) -> None:
        try:
            await self._messenger.edit(
                status_message.chat_id, message_id, view, language=status_message.language
            )
        except ChatError as error:
            if error.permanent:
                await self._ledger.status_messages.close(status_message.id)
            else:
                self._pause(status_message, error)

    def _pause(self, status_message: StoredStatusMessage, error: ChatError) -> None:
        wait = wait_after(error, otherwise=AFTER_TROUBLE)
        self._shown.pop(status_message.id, None)
        self._rate_limits.of(status_message.chat_id).pause(self._clock.now() + wait)

    async def _finish(self, status_message: StoredStatusMessage) -> None:
        """Remove a card whose jobs have all been answered, after the edit that may be
        under way.
        """
        if status_message.message_id is None:
            # One that is being placed right now is finished when its id is known.
            if self._calls.is_free(("send", status_message.chat_id)):
                await self._ledger.status_messages.close(status_message.id)
                self._shown.pop(status_message.id, None)
        elif self._calls.is_free(("edit", status_message.chat_id)) and not self._is_paused(
            status_message
        ):
            self._calls.start(
                ("edit", status_message.chat_id),
                self._remove(status_message, status_message.message_id),
            )

    def _is_paused(self, status_message: StoredStatusMessage) -> bool:
        return self._rate_limits.of(status_message.chat_id).is_paused(self._clock.now())

    async def _remove(self, status_message: StoredStatusMessage, message_id: int) -> None:
        try:
            await self._messenger.delete(status_message.chat_id, message_id)
        except ChatError as error:
            if not error.permanent:
                self._pause(status_message, error)
                return
        await self._ledger.status_messages.close(status_message.id)
        self._shown.pop(status_message.id, None)


def _place_of(job: Job) -> tuple[int, int | None]:
    return job.origin.chat_id, job.origin.thread_id


def _is_urgent(view: StatusMessage) -> bool:
    return any(line.cancelling or line.paused for line in view.lines)
