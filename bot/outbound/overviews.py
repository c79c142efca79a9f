"""What `/status` and `/links` list, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.core.jobs import Job, JobState
from bot.core.links import Link
from bot.core.objects import StoredObject
from bot.core.ports.chat import Listing, LiveLink, Overview, StatusLine, Usage
from bot.core.ports.chats import Accepted
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.jobs.allowance import WINDOW, TransferLimits
from bot.jobs.allowances import OwnerLimits

PAGE_SIZE = 8
"""Entries of one page: with its buttons about a screen of a phone, and always one message."""

Live = tuple[Job, StoredObject]


class Lines(Protocol):
    """What words one entry."""

    def line(self, job: Job) -> StatusLine:
        """Tell how far a job is."""

    def link(self, stored: StoredObject, now: datetime) -> Link:
        """Make the link of an object that has an open one at `now`."""


@dataclass(frozen=True, slots=True)
class _Found:
    running: Sequence[Job]
    live: Sequence[Live]
    discreet: bool = False
    use: Usage | None = None


class OverviewViews:
    """Composes overviews as things stand now."""

    def __init__(
        self, ledger: Ledger, lines: Lines, clock: Clock, allowances: OwnerLimits
    ) -> None:
        self._ledger = ledger
        self._lines = lines
        self._clock = clock
        self._allowances = allowances

    async def compose(
        self, listing: Listing, subject: int, *, chat_id: int, page: int = 1
    ) -> Overview:
        """Compose one page; beyond the last one it is the last one.

        `subject` is whose it is. What is read in a group lists only what came from there: the
        status what anybody asked for, the links those of the subject.
        """
        found = await self._find(listing, subject, chat_id)
        lines = [self._lines.line(job) for job in found.running]
        # What runs first, then what waits in its order.
        lines.sort(key=lambda line: line.state is not JobState.RUNNING)
        now = self._clock.now()
        live = [(job, stored) for job, stored in found.live if stored.has_open_link(now)]
        pages = max(1, -(-(len(lines) + len(live)) // PAGE_SIZE))
        page = min(max(page, 1), pages)
        first, end = (page - 1) * PAGE_SIZE, page * PAGE_SIZE
        return Overview(
            running=tuple(lines[first:end]),
            live=tuple(
                LiveLink(job.id, job.file.name, job.size or 0, self._lines.link(stored, now))
                for job, stored in live[max(0, first - len(lines)) : max(0, end - len(lines))]
            ),
            now=now,
            subject=subject,
            listing=listing,
            page=page,
            pages=pages,
            use=found.use,
            in_group=chat_id < 0,
            discreet=found.discreet,
        )

    async def _find(self, listing: Listing, subject: int, chat_id: int) -> _Found:
        if chat_id < 0:
            return await self._find_in_group(listing, subject, chat_id)
        live = await self._ledger.objects.live_of(subject)
        if listing is Listing.LINKS:
            return _Found([], live)
        running = await self._ledger.jobs.unfinished_of(subject)
        accepted = await self._ledger.people.accepted_by(subject, self._clock.now() - WINDOW)
        return _Found(running, live, use=_use(self._allowances.owner, accepted))

    async def _find_in_group(self, listing: Listing, subject: int, chat_id: int) -> _Found:
        people = self._ledger.people
        lineage = await people.lineage(chat_id)
        live = await self._ledger.objects.live_in(lineage)
        # Where answers are private, links are too.
        discreet = (await people.chat(chat_id)).privately
        if listing is Listing.LINKS:
            own = [(job, stored) for job, stored in live if job.origin.owner_id == subject]
            return _Found([], own, discreet)
        running = await self._ledger.jobs.unfinished_in(lineage)
        use = None
        if self._allowances.group.is_rolling:
            accepted = await people.accepted_in(lineage, self._clock.now() - WINDOW)
            use = _use(self._allowances.group, accepted)
        return _Found(running, live, discreet, use)


def _use(allowance: TransferLimits, accepted: Sequence[Accepted]) -> Usage:
    size = sum(one.size for one in accepted)
    return Usage(len(accepted), size, allowance.files, allowance.bytes)
