"""Views: the content of messages, composed when they are sent, from the ledger and the progress of
running jobs.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from bot.core.files import LONGEST_LIFETIME, Link, LinkMode, is_open
from bot.core.jobs import Ending, Job, JobState, Phase, StopReason, StoredObject
from bot.core.limits import WINDOW, BoundedMap, OwnerLimits, TransferLimits
from bot.core.ports import Clock
from bot.core.ports.ledger import Accepted, Ledger
from bot.core.ports.pages import PageContent, PageLedger, page_url
from bot.core.ports.store import LinkSigner
from bot.core.ports.views import (
    Answer,
    AnswerItem,
    AnswerPage,
    FailureCount,
    ItemState,
    Listing,
    LiveLink,
    Overview,
    PageMenu,
    Statistics,
    StatusLine,
    StatusMessage,
    Usage,
    Welcome,
)
from bot.jobs.queue import JobQueue, RunningJob
from bot.outbound.chat_migration import ChatMigrations
from bot.supervision import Unit
from bot.transfer.spool import Spool

MOST_STATUS_LINES: Final = 8
NO_PAGES: Final[Mapping[int, PageContent]] = MappingProxyType({})


class PageViews:
    """Composes what an answer shows of its page, and remembers which menus are open; a restart
    closes them. `origin` is that of the addresses, `lifetime` the most a link lives. With
    `is_few_in_groups` only some options are offered there.
    """

    LIFETIMES: Final = (10, 60, 360, 1440)
    """Minutes from the upload; the last one stands for the longest lifetime."""

    def __init__(
        self, pages: PageLedger, origin: str, lifetime: timedelta, *, is_few_in_groups: bool = True
    ) -> None:
        self.ledger = pages
        self._origin = origin
        self._lifetime = lifetime
        self._is_few_in_groups = is_few_in_groups
        self._menus: BoundedMap[int, PageMenu] = BoundedMap()

    def url(self, content: PageContent) -> str:
        """Return the address of a page, a secret."""
        return page_url(self._origin, content.page.token)

    def show(self, content: PageContent, menu: PageMenu) -> None:
        """Open a menu below the answer of a page, or close it."""
        if menu is PageMenu.CLOSED:
            self._menus.forget(content.page.id)
        else:
            self._menus.set(content.page.id, menu)

    def is_few(self, chat_id: int) -> bool:
        """Return whether only some options are offered in a chat."""
        return chat_id < 0 and self._is_few_in_groups

    def end_after(self, stored: StoredObject, minutes: int) -> datetime | None:
        """Return when an object ends that lives so many minutes from its upload, at most the
        longest lifetime; `None` where the upload is not known.
        """
        lifetime = self._lifetime
        if minutes < self.LIFETIMES[-1]:
            lifetime = min(lifetime, timedelta(minutes=minutes))
        return None if stored.completed_at is None else stored.completed_at + lifetime

    def compose(self, content: PageContent, chat_id: int, now: datetime) -> AnswerPage:
        """Compose what an answer in a chat shows of its page at `now`."""
        page, options = content.page, content.page.options
        files = content.open_files(now)
        return AnswerPage(
            job_id=content.files[0].job_id,
            url=self.url(content),
            options=options,
            downloads=page.downloads,
            last_download_at=page.last_download_at,
            generation=page.generation,
            menu=self._menus.get(page.id) or PageMenu.CLOSED,
            lifetimes=self._choices([file.stored for file in files], now),
            lifetime=_lifetime_of([file.stored for file in files]),
            longest=self._lifetime // timedelta(minutes=1),
            is_few=self.is_few(chat_id),
            can_rearm=options.most_downloads is not None and any(f.used for f in content.files),
            is_used_up=bool(files) and all(file.is_used_up(options) for file in files),
        )

    def _choices(self, stored: Sequence[StoredObject], now: datetime) -> tuple[int, ...]:
        """Return the lifetimes of which a part is left for each object."""
        longest = self._lifetime // timedelta(minutes=1)
        offered = [m for m in self.LIFETIMES[:-1] if m < longest] + [self.LIFETIMES[-1]]
        ends = {m: [self.end_after(one, m) for one in stored] for m in offered}
        return tuple(
            minutes
            for minutes in offered
            if all(end is not None and is_open(end, now) for end in ends[minutes])
        )


def _lifetime_of(stored: Sequence[StoredObject]) -> int:
    """Return how many minutes objects live from their uploads, 0 where they differ."""
    found = {
        round((one.due_at - one.completed_at) / timedelta(minutes=1))
        for one in stored
        if one.completed_at is not None
    }
    lifetime = found.pop() if len(found) == 1 else 0
    return (
        PageViews.LIFETIMES[-1]
        if lifetime == LONGEST_LIFETIME // timedelta(minutes=1)
        else lifetime
    )


class JobViews:
    """Composes views of single jobs: links and status lines. Links are made when they are shown,
    and are not stored. `pages` is there where links can lead to pages.
    """

    def __init__(
        self, queue: JobQueue, signer: LinkSigner, clock: Clock, pages: PageViews | None = None
    ) -> None:
        self._queue = queue
        self._signer = signer
        self._clock = clock
        self.pages = pages

    async def pages_of(self, stored: Iterable[StoredObject]) -> Mapping[int, PageContent]:
        """Return the pages to which the links of objects lead, by job."""
        for_pages = [one.job_id for one in stored if one.placement.mode is LinkMode.PAGE]
        if self.pages is None or not for_pages:
            return NO_PAGES
        return await self.pages.ledger.of_jobs(for_pages)

    def link(
        self,
        stored: StoredObject,
        now: datetime,
        pages: Mapping[int, PageContent] = NO_PAGES,
    ) -> Link:
        """Make the link of an object that has an open one at `now`; it expires with the object, or
        earlier with the key that signs it. That to a page which is not there yet is empty.
        """
        if stored.placement.mode is LinkMode.PAGE:
            content = pages.get(stored.job_id)
            url = self.pages.url(content) if self.pages and content else ""
            return Link(url, stored.due_at)
        url = self._signer.link(
            stored.key, expires_at=stored.due_at, now=now, placement=stored.placement
        )
        return Link(url, self._signer.end_of(stored.due_at, stored.placement))

    def status_message(
        self, jobs: Sequence[Job], *, paused: bool = False, together: bool = False
    ) -> StatusMessage:
        """Compose the status message of jobs; those of an album keep their order."""
        shown = list(jobs)
        if not together:
            shown.sort(key=lambda job: self._queue.running(job.id) is None)
        lines = tuple(self.line(job, paused=paused) for job in shown[:MOST_STATUS_LINES])
        most = max(0, len(shown) - MOST_STATUS_LINES)
        return StatusMessage(lines, more=most, together=together)

    def line(self, job: Job, *, paused: bool = False) -> StatusLine:
        """Compose the status line of a job."""
        if job.state.is_final:
            return StatusLine(job.id, job.file.name, job.state, code=job.error_code)
        running = self._queue.running(job.id)
        if running is not None:
            return self._running_line(job, running, paused=paused)
        wait, obstacle = job.run_at - self._clock.now(), self._queue.obstacle
        waits_after_failure = bool(job.failures) and wait > timedelta(0)
        own = job.error_code if job.failures else None
        return StatusLine(
            job.id,
            job.file.name,
            JobState.QUEUED,
            position=self._queue.position(job.id),
            retry_in=wait if waits_after_failure else None,
            # What holds up all jobs explains more than why this one was interrupted before.
            code=own if waits_after_failure else obstacle or own,
            held=bool(obstacle) and not waits_after_failure,
            total=job.file.announced_size,
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
            # Shown only if nothing else changes, or it would change each view every second.
            elapsed=now - running.started_at if snapshot.phase is Phase.FETCHING else None,
            cancelling=running.stop is StopReason.USER,
            paused=paused and not running.elsewhere,
        )


class AnswerViews:
    """Composes answers."""

    def __init__(
        self, ledger: Ledger, jobs: JobViews, migrations: ChatMigrations, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._migrations = migrations
        self._clock = clock

    async def compose(
        self,
        jobs: Sequence[Job],
        chat_id: int,
        stored: Mapping[int, StoredObject] | None = None,
    ) -> Answer:
        """Compose the answer to ended jobs for a chat, in their present state, or with their
        objects as they are `stored`.
        """
        if stored is None:
            stored = await self._ledger.objects.of_jobs([job.id for job in jobs])
        pages = await self._jobs.pages_of(stored.values())
        now = self._clock.now()
        items = tuple(self._item(job, stored.get(job.id), now, pages) for job in jobs)
        return Answer(
            items,
            now,
            zone=(await self._migrations.rules(chat_id)).zone,
            is_one_of_several=await self._is_one_of_several(jobs),
            page=self._page(pages, chat_id, now),
        )

    def _page(
        self, pages: Mapping[int, PageContent], chat_id: int, now: datetime
    ) -> AnswerPage | None:
        # All files of an answer are on one page.
        content = next(iter(pages.values()), None)
        if content is None or self._jobs.pages is None:
            return None
        return self._jobs.pages.compose(content, chat_id, now)

    async def _is_one_of_several(self, jobs: Sequence[Job]) -> bool:
        """Return whether this is the only file of an album. An album has two at least, so the bot
        has not seen the others: in a group with privacy mode on it sees what is addressed to it.
        """
        album = jobs[0].origin.album if len(jobs) == 1 else None
        if album is None or jobs[0].origin.is_private:
            return False
        chat_id, since = jobs[0].origin.chat_id, jobs[0].created_at - WINDOW
        count = await self._ledger.jobs.count_album(chat_id, album, since)
        return count == 1

    def _item(
        self,
        job: Job,
        stored: StoredObject | None,
        now: datetime,
        pages: Mapping[int, PageContent],
    ) -> AnswerItem:
        name = job.file.name
        if job.state is JobState.DONE and stored is not None:
            state = _item_state(stored, now)
            link = self._jobs.link(stored, now, pages) if state is ItemState.LIVE else None
            return AnswerItem(job.id, name, state, link=link, size=job.size, sha256=job.sha256)
        if job.state is JobState.CANCELLED:
            return AnswerItem(job.id, name, ItemState.CANCELLED)
        return AnswerItem(job.id, name, ItemState.FAILED, code=job.error_code, args=job.error_args)


def _item_state(stored: StoredObject, now: datetime) -> ItemState:
    if stored.ending is Ending.DELETED:
        return ItemState.DELETED
    return ItemState.LIVE if stored.has_open_link(now) else ItemState.EXPIRED


PAGE_SIZE = 8
"""Entries of one page: with its buttons about one screen of a phone, and never more than one
message.
"""

Live = tuple[Job, StoredObject]


@dataclass(frozen=True, slots=True)
class _Found:
    running: Sequence[Job]
    live: Sequence[Live]
    discreet: bool = False
    use: Usage | None = None


class OverviewViews:
    """Composes the answers to `/status` and `/links`."""

    def __init__(
        self,
        ledger: Ledger,
        jobs: JobViews,
        migrations: ChatMigrations,
        clock: Clock,
        limits: OwnerLimits,
    ) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._migrations = migrations
        self._clock = clock
        self._limits = limits

    async def compose(
        self, listing: Listing, subject: int, *, chat_id: int, page: int = 1
    ) -> Overview:
        """Compose one page; a number beyond the last page gives the last one.

        `subject` is the person or group of the list. A list that is shown in a group contains only
        jobs from there: the status all unfinished ones, the links those of the subject.
        """
        found = await self._find(listing, subject, chat_id)
        lines = [self._jobs.line(job) for job in found.running]
        # Running jobs first, then waiting ones in their order.
        lines.sort(key=lambda line: line.state is not JobState.RUNNING)
        now = self._clock.now()
        live = [(job, stored) for job, stored in found.live if stored.has_open_link(now)]
        pages = max(1, -(-(len(lines) + len(live)) // PAGE_SIZE))
        page = min(max(page, 1), pages)
        first, end = (page - 1) * PAGE_SIZE, page * PAGE_SIZE
        return Overview(
            running=tuple(lines[first:end]),
            live=await self._links(
                live[max(0, first - len(lines)) : max(0, end - len(lines))], now
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

    async def _links(self, live: Sequence[Live], now: datetime) -> tuple[LiveLink, ...]:
        pages = await self._jobs.pages_of(stored for _, stored in live)
        return tuple(
            LiveLink(
                job_id=job.id,
                name=job.file.name,
                size=job.size or 0,
                link=self._jobs.link(stored, now, pages),
            )
            for job, stored in live
        )

    async def _find(self, listing: Listing, subject: int, chat_id: int) -> _Found:
        if chat_id < 0:
            return await self._find_in_group(listing, subject, chat_id)
        live = await self._ledger.objects.live_of(subject)
        if listing is Listing.LINKS:
            return _Found([], live)
        running = await self._ledger.jobs.unfinished_of(subject)
        accepted = await self._ledger.chats.accepted_by(subject, self._clock.now() - WINDOW)
        return _Found(running, live, use=_use(self._limits.owner, accepted))

    async def _find_in_group(self, listing: Listing, subject: int, chat_id: int) -> _Found:
        chats = self._ledger.chats
        previous_ids = await chats.previous_ids(self._migrations.current(chat_id))
        live = await self._ledger.objects.live_in(previous_ids)
        # Where answers are sent in private, links are too.
        discreet = (await self._migrations.rules(chat_id)).privately
        if listing is Listing.LINKS:
            own = [(job, stored) for job, stored in live if job.origin.owner_id == subject]
            return _Found([], own, discreet)
        running = await self._ledger.jobs.unfinished_in(previous_ids)
        use = None
        if self._limits.group.is_rolling:
            accepted = await chats.accepted_in(previous_ids, self._clock.now() - WINDOW)
            use = _use(self._limits.group, accepted)
        return _Found(running, live, discreet, use)


def _use(allowance: TransferLimits, accepted: Sequence[Accepted]) -> Usage:
    size = sum(one.size for one in accepted)
    return Usage(
        files=len(accepted), bytes=size, most_files=allowance.files, most_bytes=allowance.bytes
    )


FAILING_UPDATE: Final = "update_failing"
"""The kind of updates that are tried again: they are not given up yet."""
PERIOD: Final = timedelta(hours=24)
MOST_CODES: Final = 5


class StatisticsViews:
    """Composes the answer to `/stats`. `versions` are names and versions of the programs;
    `link_clock` decides which links are open.
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: JobQueue,
        spool: Spool,
        clock: Clock,
        versions: Sequence[tuple[str, str]] = (),
        *,
        link_clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._link_clock = link_clock
        self._queue = queue
        self._spool = spool
        self._clock = clock
        self._versions = tuple(versions)
        self._began_at = clock.now()

    async def compose(self) -> Statistics:
        """Read the present state."""
        now, link_now = self._clock.now(), self._link_clock.now()
        totals, ever, live = await asyncio.gather(
            self._ledger.totals.since(now - PERIOD),
            self._ledger.totals.ever(),
            self._ledger.objects.live(),
        )
        running, waiting = self._queue.counts
        set_aside = await self._ledger.totals.set_aside()
        updates = set_aside.get(Unit.UPDATE, 0)
        set_aside.pop(FAILING_UPDATE, None)
        return Statistics(
            done=totals.done,
            bytes=totals.bytes,
            failed=sum(failed.count for failed in totals.failures),
            cancelled=totals.cancelled,
            failures=tuple(
                FailureCount(failed.code, failed.count, now - failed.last_at)
                for failed in totals.failures[:MOST_CODES]
            ),
            running=running,
            waiting=waiting,
            links=sum(1 for stored in live if stored.has_open_link(link_now)),
            spool_used=self._spool.quota.reserved,
            spool_quota=self._spool.quota.total,
            disk_free=self._spool.free(),
            uptime=now - self._began_at,
            updates_set_aside=updates,
            others_set_aside=sum(set_aside.values()) - updates,
            versions=self._versions,
            ever_done=ever.done,
            ever_bytes=ever.bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """All composers of views. `welcome` never changes."""

    jobs: JobViews
    answers: AnswerViews
    overviews: OverviewViews
    statistics: StatisticsViews
    welcome: Welcome
