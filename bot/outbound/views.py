"""What a chat is shown, composed at the moment it is shown from the ledger and the meters of
running jobs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.core.jobs import Job, JobState, StopReason
from bot.core.links import Link
from bot.core.objects import Ending, StoredObject
from bot.core.ports.chat import (
    Answer,
    AnswerItem,
    ItemState,
    Listing,
    Overview,
    Statistics,
    StatusLine,
    StatusMessage,
    Welcome,
)
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.store import LinkSigner
from bot.core.progress import Phase
from bot.jobs.allowances import OwnerLimits
from bot.jobs.queue import JobQueue, RunningJob
from bot.outbound.overviews import OverviewViews
from bot.outbound.statistics import StatisticsViews

MOST_LINES_ON_A_CARD = 8


class Views:
    """Composes views. Links are made here, late, and nowhere stored. `welcome` never changes."""

    def __init__(  # noqa: PLR0913 -- everything that can be seen comes from somewhere.
        self,
        ledger: Ledger,
        queue: JobQueue,
        signer: LinkSigner,
        clock: Clock,
        welcome: Welcome,
        *,
        statistician: StatisticsViews,
        allowances: OwnerLimits | None = None,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._signer = signer
        self._clock = clock
        self.welcome = welcome
        self._statistician = statistician
        self._overviews = OverviewViews(ledger, self, clock, allowances or OwnerLimits())

    async def answer(self, jobs: Sequence[Job], chat_id: int) -> Answer:
        """Compose the answer to ended jobs for a chat, as things stand now."""
        stored = await self._ledger.objects.of_jobs([job.id for job in jobs])
        now = self._clock.now()
        items = tuple(self._item(job, stored.get(job.id), now) for job in jobs)
        return Answer(items, now, await self._zone_of(chat_id))

    async def _zone_of(self, chat_id: int) -> str:
        rules = await self._ledger.people.chat(chat_id)
        # A group that moved is known to old jobs by its old id, and its admins choose in the new.
        if rules.moved_to is not None:
            rules = await self._ledger.people.chat(rules.moved_to)
        return rules.zone

    def _item(self, job: Job, stored: StoredObject | None, now: datetime) -> AnswerItem:
        name = job.file.name
        if job.state is JobState.DONE and stored is not None:
            state = _item_state(stored, now)
            link = self.link(stored, now) if state is ItemState.LIVE else None
            return AnswerItem(job.id, name, state, link, job.size, job.sha256)
        if job.state is JobState.CANCELLED:
            return AnswerItem(job.id, name, ItemState.CANCELLED)
        return AnswerItem(job.id, name, ItemState.FAILED, code=job.error_code, args=job.error_args)

    def link(self, stored: StoredObject, now: datetime) -> Link:
        """Make the link of an object that has an open one at `now`; it ends with the object."""
        url = self._signer.link(stored.key, expires_at=stored.due_at, now=now)
        return Link(url, stored.due_at)

    def card(
        self, jobs: Sequence[Job], *, paused: bool = False, together: bool = False
    ) -> StatusMessage:
        """Compose the status message of jobs; those of an album keep their order."""
        shown = list(jobs)
        if not together:
            shown.sort(key=lambda job: self._queue.running(job.id) is None)
        lines = tuple(self.line(job, paused=paused) for job in shown[:MOST_LINES_ON_A_CARD])
        most = max(0, len(shown) - MOST_LINES_ON_A_CARD)
        return StatusMessage(lines, more=most, together=together)

    def line(self, job: Job, *, paused: bool = False) -> StatusLine:
        """Tell how far a job is."""
        if job.state.is_final:
            return StatusLine(job.id, job.file.name, job.state, code=job.error_code)
        running = self._queue.running(job.id)
        if running is not None:
            return self._running_line(job, running, paused=paused)
        wait = job.run_at - self._clock.now()
        return StatusLine(
            job.id,
            job.file.name,
            JobState.QUEUED,
            position=self._queue.position(job.id),
            retry_in=wait if job.failures and wait > timedelta(0) else None,
            code=job.error_code if job.failures else None,
            total=job.file.size,
            paused=paused,
        )

    def _running_line(self, job: Job, running: RunningJob, *, paused: bool) -> StatusLine:
        now = self._clock.now()
        snapshot = running.meter.snapshot()
        running.speed.add(now, snapshot)
        return StatusLine(
            job.id,
            job.file.name,
            JobState.RUNNING,
            phase=snapshot.phase,
            fraction=snapshot.fraction,
            moved=(snapshot.downloaded + snapshot.uploaded) // 2,
            total=snapshot.total,
            rate=running.speed.rate(),
            time_left=running.speed.time_left(snapshot),
            # Shown while nothing else moves; otherwise it would make every card a new one.
            elapsed=now - running.started_at if snapshot.phase is Phase.FETCHING else None,
            cancelling=running.stop is StopReason.USER,
            paused=paused,
        )

    async def statistics(self) -> Statistics:
        """Compose the answer to `/stats`."""
        return await self._statistician.compose()

    async def overview(
        self, listing: Listing, subject: int, *, chat_id: int, page: int = 1
    ) -> Overview:
        """Compose the answer to `/status` or `/links`; see `OverviewViews.compose`."""
        return await self._overviews.compose(listing, subject, chat_id=chat_id, page=page)


def _item_state(stored: StoredObject, now: datetime) -> ItemState:
    if stored.ending is Ending.DELETED:
        return ItemState.DELETED
    return ItemState.LIVE if stored.has_open_link(now) else ItemState.EXPIRED
