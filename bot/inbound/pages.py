"""Visits of the pages behind links: what a visitor sees and gets, and what senders and admins are
told of it. No HTTP here.

A file leaves by a redirect to a signed URL of OSS that lives a minute; signing is a computation,
so a page answers while OSS is away.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

import structlog

from bot.clock import find_zone
from bot.core.limits import BoundedMap
from bot.core.ports import Clock
from bot.core.ports.ledger import Ledger, OutboxKind, OutboxMessage, Priority
from bot.core.ports.metrics import Metrics, NoMetrics, PageState
from bot.core.ports.pages import (
    DOWNLOAD_LIFETIME,
    Page,
    PageContent,
    PageFile,
    PageLedger,
    PageUse,
)
from bot.core.ports.store import DownloadSigner
from bot.jobs.runner import Signals
from bot.outbound.answer_delivery import AnswerDelivery
from bot.outbound.chat_migration import ChatMigrations

log = structlog.stdlib.get_logger(__name__)

MOST_REMEMBERED: Final = 10_000
"""Pages of which it is remembered that they are limited: a hint, which decides nothing."""
FLUSH_EVERY: Final = 1.0
"""Seconds (real) between two writes of the numbers of unlimited downloads."""


@dataclass(frozen=True, slots=True)
class PageVisit:
    """A page as a visitor finds it at `now`, by the clock of OSS. `content` is there unless the
    page is unknown; only that of an open one may be shown. `ended_at` is set where it has ended.
    """

    state: PageState
    now: datetime
    content: PageContent | None = None
    ended_at: datetime | None = None
    use: PageUse | None = None
    """What `PageVisits.press` found, if it asked for a download of the file."""

    def file(self, number: int) -> PageFile | None:
        """Return a file by its number, from 1, if the page is open and has it."""
        if self.state is not PageState.OPEN or self.content is None:
            return None
        files = self.content.files
        return files[number - 1] if 1 <= number <= len(files) else None


@dataclass(frozen=True, slots=True)
class PageDownload:
    """Where a visitor finds the file `name`: at `url`, or `state` says why not; `ended_at` is set
    where the file has ended.
    """

    state: PageState
    url: str = ""
    ended_at: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """A request for the file `number`, from 1, by HTTP `method`. One that `begins` the file counts
    as a download of an unlimited file; a later range of it does not. `inline` is to be shown
    instead of saved.
    """

    number: int
    method: str = "GET"
    begins: bool = True
    inline: bool = False


REPORTED_EVERY: Final = timedelta(hours=6)
"""The admins are told of reports of one page at most once in this time."""


class PageReports:
    """Tells the bot's admins of pages that visitors report. `wake` is called when there is a
    message to send.
    """

    def __init__(
        self, ledger: Ledger, admins: Sequence[int], clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._admins = tuple(admins)
        self._clock = clock
        self._wake = wake

    @property
    def are_taken(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._admins)

    async def report(self, content: PageContent) -> None:
        """Tell each admin, with a button that takes the page down. Several reports are one.

        Raises:
            LedgerError: the ledger cannot be used.
        """
        now, page = self._clock.now(), content.page
        window = int(now.timestamp() // REPORTED_EVERY.total_seconds())
        log.info("page reported", page=page.id)
        for admin in self._admins:
            message = OutboxMessage(
                kind=OutboxKind.PAGE,
                priority=Priority.STATUS,
                chat_id=admin,
                language=(await self._ledger.chats.owner(admin)).language or "",
                dedupe=f"report:{page.id}:{window}:{admin}",
                owner_id=admin,
                payload={"show": "report", "job": content.files[0].job_id},
            )
            if await self._ledger.outbox.post(message, now):
                self._wake()


NEWS_EVERY: Final = timedelta(seconds=2)
TELL_EVERY: Final = timedelta(minutes=1)
"""The least time between two notices about the downloads of one page."""
MOST_NEWS: Final = 100


class PageNews:
    """Corrects the numbers of downloads that answers show, and tells senders of downloads who want
    to know. `zone` names the time zone of chats that chose none.
    """

    def __init__(
        self,
        ledger: Ledger,
        delivery: AnswerDelivery,
        migrations: ChatMigrations,
        signals: Signals,
        clock: Clock,
        *,
        zone: str,
    ) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._migrations = migrations
        self._signals = signals
        self._clock = clock
        self._zone = zone
        self._told_at: BoundedMap[int, datetime] = BoundedMap()

    async def run(self) -> None:
        """Look for news again and again, until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep_until(self._clock.now() + NEWS_EVERY)

    async def look(self) -> None:
        """Look for news once."""
        now, pages = self._clock.now(), self._ledger.pages
        count = await pages.show_downloads(now, MOST_NEWS)
        for content in await pages.to_tell(MOST_NEWS):
            told_at = self._told_at.get(content.page.id)
            if told_at is None or now - told_at >= TELL_EVERY:
                self._told_at.set(content.page.id, now)
                await self._tell(content)
                count += 1
        if count:
            self._signals.outbox.set()

    async def _tell(self, content: PageContent) -> None:
        page = content.page
        jobs = await self._ledger.jobs.get_many([file.job_id for file in content.files])
        if jobs and page.last_download_at is not None:
            origin = jobs[0].origin
            chat_id = (await self._delivery.chats_for(jobs[:1]))[jobs[0].id]
            is_here = chat_id == origin.chat_id
            last = page.last_download_at.astimezone(await self._zone_of(chat_id))
            await self._ledger.outbox.post(
                OutboxMessage(
                    kind=OutboxKind.NOTICE,
                    priority=Priority.ANSWER,
                    chat_id=chat_id,
                    thread_id=origin.thread_id if is_here else None,
                    reply_to=origin.message_id if is_here else None,
                    language=origin.language,
                    dedupe=f"told:{page.id}:{page.downloads}",
                    payload={
                        "name": "page-told",
                        "file": _names(content),
                        "count": page.downloads,
                        "time": f"{last:%H:%M}",
                    },
                ),
                self._clock.now(),
            )
        await self._ledger.pages.told(page.id, page.downloads)

    async def _zone_of(self, chat_id: int) -> tzinfo:
        chosen = (await self._migrations.rules(chat_id)).zone
        try:
            return find_zone(chosen or self._zone)
        except ValueError:
            # A chosen zone may be unknown after a move to another machine.
            return find_zone(self._zone)


def _names(content: PageContent) -> str:
    others = len(content.files) - 1
    return f"{content.files[0].name} + {others}" if others else content.files[0].name


class PageVisits:
    """What visitors see and get. `clock` is OSS's time; without `reports` none are taken."""

    def __init__(
        self,
        ledger: PageLedger,
        signer: DownloadSigner,
        clock: Clock,
        metrics: Metrics | None = None,
        reports: PageReports | None = None,
    ) -> None:
        self.reports = reports if reports is not None and reports.are_taken else None
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._metrics = metrics or NoMetrics()
        self._counted: BoundedMap[str, datetime] = BoundedMap(MOST_REMEMBERED)
        self._uncounted: Counter[tuple[int, int]] = Counter()
        self._has_uncounted = asyncio.Event()

    @property
    def signer(self) -> DownloadSigner:
        """What signs the downloads."""
        return self._signer

    async def look(self, token: str, admits: Callable[[Page], bool]) -> PageVisit:
        """Return a page as a visitor finds it; nothing is used up. `admits` says whether this
        visitor has given the password of the page.
        """
        content = await self._ledger.find(token)
        if content is not None and _needs_use_alone(content.page):
            self._counted.set(token, self._clock.now())
        return self._seen(content, admits)

    async def press(self, token: str, number: int, admits: Callable[[Page], bool]) -> PageVisit:
        """Return a page as `look` does, for a visitor who asks for its file `number`: with a
        download used, where a look before has found that they are limited and need no password.
        That is one visit of the ledger; it decides all anew.
        """
        if self._counted.get(token) is None:
            return await self.look(token, admits)
        use = await self._ledger.use(token, number, self._clock.now())
        if use.content is None or not _needs_use_alone(use.content.page):
            self._counted.forget(token)
        return self._seen(use.content, admits, use)

    def _seen(
        self,
        content: PageContent | None,
        admits: Callable[[Page], bool],
        use: PageUse | None = None,
    ) -> PageVisit:
        now = self._clock.now()
        if content is None or not content.files:
            return PageVisit(PageState.UNKNOWN, now)
        if (ended_at := content.ended_at(now)) is not None:
            if content.is_forgotten(now):
                return PageVisit(PageState.UNKNOWN, now)
            return PageVisit(PageState.ENDED, now, content, ended_at)
        options = content.page.options
        if options.is_paused:
            return PageVisit(PageState.PAUSED, now, content)
        if options.password_hash is None:
            return PageVisit(PageState.OPEN, now, content, None, use)
        state = PageState.OPEN if admits(content.page) else PageState.LOCKED
        return PageVisit(state, now, content)

    async def download(self, visit: PageVisit, request: DownloadRequest) -> PageDownload:
        """Return where a file of the page is, after one of its downloads is used in the ledger if
        they are limited: two who ask at once for the last one get it once. HEAD uses nothing.

        Raises:
            LedgerError: the ledger cannot be used.
            StoreUnavailable: there is no key that could sign.
        """
        found = await self._download(visit, request)
        if found.url:
            self._metrics.page_downloaded(request.method)
        else:
            self._metrics.page_refused(found.state)
        return found

    async def _download(self, visit: PageVisit, request: DownloadRequest) -> PageDownload:
        file = visit.file(request.number)
        if visit.use is not None and file is not None:
            if visit.use.is_given or not file.is_open(visit.now):
                return self._signed(file, request)
            return PageDownload(PageState.USED_UP)
        if file is None or visit.content is None:
            is_missing = visit.state is PageState.OPEN
            state = PageState.UNKNOWN if is_missing else visit.state
            return PageDownload(state, ended_at=visit.ended_at)
        page = visit.content.page
        if file.is_used_up(page.options) and file.is_open(visit.now):
            return PageDownload(PageState.USED_UP)
        if request.method == "GET" and page.options.most_downloads is not None:
            # Before the redirect: a process that dies in between has used one, and never one more.
            known = page.options.password_hash
            use = await self._ledger.use(page.token, request.number, self._clock.now(), known)
            return self._used(use, request, known)
        if request.method == "GET" and request.begins:
            self._uncounted[page.id, file.job_id] += 1
            self._has_uncounted.set()
        return self._signed(file, request)

    def _signed(self, file: PageFile, request: DownloadRequest) -> PageDownload:
        now = self._clock.now()
        if not file.is_open(now):
            return PageDownload(PageState.ENDED, ended_at=file.ended_at(now))
        url = self._signer.download_url(
            file.stored,
            expires_at=min(now + DOWNLOAD_LIFETIME, file.stored.due_at),
            now=now,
            method=request.method,
            inline=request.inline,
        )
        return PageDownload(PageState.OPEN, url, name=file.name)

    def _used(self, use: PageUse, request: DownloadRequest, known: str | None) -> PageDownload:
        """Return the file of which a download was used, or why the ledger gave none to a visitor
        who was admitted with the password hash `known`.
        """
        seen = self._seen(use.content, lambda page: page.options.password_hash == known)
        file = seen.file(request.number)
        if file is None:
            state = PageState.UNKNOWN if seen.state is PageState.OPEN else seen.state
            return PageDownload(state, ended_at=seen.ended_at)
        if use.is_given or not file.is_open(seen.now):
            return self._signed(file, request)
        return PageDownload(PageState.USED_UP)

    async def run(self) -> None:
        """Write the numbers of unlimited downloads, which are for display, until cancelled."""
        try:
            while True:
                await self._has_uncounted.wait()
                await asyncio.sleep(FLUSH_EVERY)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write the numbers so far.

        Raises:
            LedgerError: the ledger cannot be used; the numbers are kept.
        """
        counted, self._uncounted = self._uncounted, Counter()
        self._has_uncounted.clear()
        if not counted:
            return
        try:
            await self._ledger.count(counted, self._clock.now())
        except BaseException:
            self._uncounted.update(counted)
            self._has_uncounted.set()
            raise


def _needs_use_alone(page: Page) -> bool:
    return page.options.most_downloads is not None and page.options.password_hash is None
