"""Files to relay."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Final
from weakref import WeakValueDictionary

from bot.clock import find_zone
from bot.core.errors import FileEmpty, FileTooLarge, Rejected
from bot.core.files import (
    IncomingFile,
    MessageFiles,
    NoFile,
    clean_name,
    split_extension,
)
from bot.core.jobs import NO_WISHES, Job, Origin, Wishes
from bot.core.limits import WINDOW, BoundedMap, LimitCheck, OwnerLimits
from bot.core.ports import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access, Admission, Replies
from bot.jobs.queue import JobQueue
from bot.jobs.runner import JobLifecycle
from bot.outbound.answer_delivery import Reactions

MOST_ALBUMS: Final = 1_000
"""Albums that are remembered, of at most ten messages each: a few MB."""


@dataclass(frozen=True, slots=True)
class ShareWishes:
    """What was asked for with `/share`: for the links, and a name, or ""."""

    wishes: Wishes = NO_WISHES
    name: str = ""

    def rename(self, files: Sequence[IncomingFile]) -> list[IncomingFile]:
        """Give files the name that was asked for, several of them a number too. One without an
        extension keeps that of the file.
        """
        if not self.name or not (name := clean_name(self.name, fallback="")):
            return list(files)
        stem, extension = split_extension(name)
        count = len(files)
        return [
            replace(
                file,
                name=clean_name(
                    f"{stem}{f' {number}' if count > 1 else ''}{extension or _extension(file)}",
                    fallback=file.name,
                ),
                sent_at=None,
            )
            for number, file in enumerate(files, 1)
        ]


NOTHING_MORE: Final = ShareWishes()


def _extension(file: IncomingFile) -> str:
    # That of a file without a name is all that it has.
    return f".{file.name}" if file.sent_at is not None else split_extension(file.name)[1]


@dataclass(slots=True)
class SeenAlbum:
    """An album. `is_shared` means that its files are to be relayed, those too that come later,
    `is_refused` that they are not. `messages` are those that came before, by their ids.
    """

    is_shared: bool = False
    is_refused: bool = False
    messages: dict[int, tuple[Origin, Sequence[IncomingFile]]] = field(default_factory=dict)


class SeenAlbums:
    """The albums seen in groups, because a `/share` names one message of an album, and those whose
    `/share` was refused. Kept in memory only: of an album from before the start only the named
    message is known.
    """

    def __init__(self) -> None:
        self._albums: BoundedMap[tuple[int, str], SeenAlbum] = BoundedMap(MOST_ALBUMS)

    def is_refused(self, origin: Origin) -> bool:
        """Return whether another message of the same album asked for what is not possible here."""
        known = self._albums.get((origin.chat_id, origin.album)) if origin.album else None
        return known is not None and known.is_refused

    def of(self, chat_id: int, album: str) -> SeenAlbum:
        """Return an album; a new one is empty."""
        known = self._albums.get((chat_id, album)) or SeenAlbum()
        self._albums.set((chat_id, album), known)
        return known


class Uploads:
    """Accepts files, or replies with the reason why not. `limit` is the most bytes of a file,
    `limits` are those of people and groups per day. `zone` names the time zone of chats that
    chose none, for the names of files that have none. Where links do not lead to pages, nothing
    `counts_downloads`.
    """

    def __init__(  # noqa: PLR0913 -- what a file passes on its way into the queue.
        self,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        replies: Replies,
        clock: Clock,
        lifecycle: JobLifecycle,
        *,
        limit: int,
        limits: OwnerLimits,
        reactions: Reactions,
        zone: str,
        counts_downloads: bool = False,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._access = access
        self._replies = replies
        self._clock = clock
        self._lifecycle = lifecycle
        self._limit = limit
        self._reactions = reactions
        self._zone = zone
        self._counts_downloads = counts_downloads
        self._check = LimitCheck(ledger.chats, limits)
        self._albums = SeenAlbums()
        self._doors: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def sent(self, origin: Origin, found: MessageFiles) -> None:
        """Accept the files of a message to the bot itself."""
        if not self._albums.is_refused(origin) and await self._replies.admit(origin):
            await self._accept(origin, found.files)

    async def shared(
        self, origin: Origin, found: MessageFiles, asked: ShareWishes = NOTHING_MORE
    ) -> None:
        """Accept the files that a `/share` refers to, the whole album where it was seen, as it was
        `asked` for.
        """
        if not await self._replies.admit(origin):
            return
        if not found.files:
            is_closed = found.no_file not in {None, NoFile.OTHER}
            await self._replies.notice(origin, str(found.no_file) if is_closed else "share-how")
        elif asked.wishes.most_downloads is not None and not self._counts_downloads:
            # Never open more often than was asked for.
            if origin.album is not None:
                self._albums.of(origin.chat_id, origin.album).is_refused = True
            await self._replies.notice(origin, "wish-downloads")
        elif origin.is_private or found.album is None:
            await self._accept(origin, asked.rename(found.files), asked.wishes)
        elif origin.album == found.album:
            await self._share_own(origin, found, asked)
        else:
            await self._share_album(origin, found, found.album, asked)

    async def again(self, jobs: Sequence[Job], chat_id: int, message_id: int) -> bool:
        """Relay the files of ended jobs once more, for their owners, and answer below the message
        that has told of their end. Return whether they still may.

        May be repeated: what was accepted for that message is not accepted again.
        """
        album = f"again:{message_id}" if len(jobs) > 1 else None
        for job in jobs:
            is_there = chat_id == job.origin.chat_id
            origin = replace(
                job.origin,
                chat_id=chat_id,
                message_id=message_id,
                thread_id=job.origin.thread_id if is_there else None,
                album=album,
            )
            if await self._access.admit(origin) is not Admission.WELCOME:
                return False
            await self._accept(origin, [job.file], job.wishes)
        return True

    async def _share_own(self, origin: Origin, found: MessageFiles, asked: ShareWishes) -> None:
        """Accept an album with the command in its caption; the rest of it may still come. A name
        is for the file above the caption.
        """
        album = self._albums.of(origin.chat_id, str(origin.album))
        album.is_shared = True
        album.messages[origin.message_id] = origin, asked.rename(found.files)
        for _, (sent, files) in sorted(album.messages.items()):
            await self._accept(sent, files, asked.wishes)

    async def _share_album(
        self, origin: Origin, found: MessageFiles, album: str, asked: ShareWishes
    ) -> None:
        """Accept the album of the message that the command replies to."""
        messages = self._albums.of(origin.chat_id, album).messages
        files = [file for _, (_, sent) in sorted(messages.items()) for file in sent]
        ids = {file.file_unique_id for file in files}
        if not all(file.file_unique_id in ids for file in found.files):
            # Of this album the bot sees only what names it.
            files = list(found.files)
        # The name is the command's own: another one for the same album has an answer of its own.
        origin = replace(origin, album=f"{album}:{origin.message_id}")
        await self._accept(origin, asked.rename(files), asked.wishes)

    async def seen(self, origin: Origin, found: MessageFiles) -> None:
        """Accept what was seen in a group and belongs to an album that is shared, or is a document
        in a group with auto mode on. Remember it for a `/share` of its album.
        """
        is_wanted = not self._albums.is_refused(origin) and (
            await self._is_shared(origin, found)
            or (found.has_document and (await self._ledger.chats.chat(origin.chat_id)).auto)
        )
        # The message was not addressed to the bot, so there is no reply, and a group that is not
        # allowed is not left for this.
        if is_wanted and await self._access.admit(origin) is Admission.WELCOME:
            await self._accept(origin, found.files)

    async def _is_shared(self, origin: Origin, found: MessageFiles) -> bool:
        if origin.album is None:
            return False
        album = self._albums.of(origin.chat_id, origin.album)
        is_first = not album.messages
        album.messages[origin.message_id] = origin, found.files
        if is_first and not album.is_shared:
            # The command may have come before a restart.
            album.is_shared = await self._count_album(origin, origin.album) > 0
        return album.is_shared

    async def _count_album(self, origin: Origin, album: str) -> int:
        since = self._clock.now() - WINDOW
        return await self._ledger.jobs.count_album(origin.chat_id, album, since)

    async def _accept(
        self, origin: Origin, files: Sequence[IncomingFile], wishes: Wishes = NO_WISHES
    ) -> None:
        if len(files) > 1 and origin.album is None:
            # Together in one answer, as an album is.
            origin = replace(origin, album=f"message:{origin.message_id}")
        zone: tzinfo = UTC
        if any(file.sent_at is not None for file in files):
            zone = await self._zone_of(origin.chat_id)
        for file in files:
            refusal = self._refusal(file)
            if refusal is not None and origin.album is None:
                await self._replies.notice(origin, _sentence(refusal.code), _args(refusal))
                continue
            async with self._checking(origin):
                await self._let_in(origin, file, zone, refusal, wishes)

    @asynccontextmanager
    async def _checking(self, origin: Origin) -> AsyncIterator[None]:
        """Wait for the files of the same person and group that are checked now: those that arrive
        at the same time must not all be checked before the first one counts.
        """
        async with self._door(origin.owner_id):
            if origin.is_private or origin.chat_id == origin.owner_id:
                yield
                return
            async with self._door(origin.chat_id):
                yield

    def _door(self, id_: int) -> asyncio.Lock:
        return self._doors.setdefault(id_, asyncio.Lock())

    def _refusal(self, file: IncomingFile) -> Rejected | None:
        if file.announced_size is not None and file.announced_size > self._limit:
            return FileTooLarge(file.announced_size, self._limit)
        return FileEmpty("announced as empty") if file.announced_size == 0 else None

    async def _let_in(
        self,
        origin: Origin,
        file: IncomingFile,
        zone: tzinfo,
        refused: Rejected | None,
        wishes: Wishes,
    ) -> None:
        """Accept a file within the limits of its owner and group. One of an album that is
        `refused` becomes a job that has failed, because its album has one answer.
        """
        now = self._clock.now()
        size = 0 if refused is not None else file.announced_size or 0
        refusal = await self._check.refusal(origin, size, now)
        if refusal is None:
            named = await self._named(origin, file, zone)
            job = await self._ledger.jobs.accept(origin, named, now, wishes)
            if origin.album is not None and wishes != NO_WISHES:
                # Others of the album may end earlier now.
                self._lifecycle.signals.deletions.set()
            await self._take(job, now, refused)
        elif await self._ledger.jobs.knows(origin, file):
            # A redelivered message that was accepted while there was room.
            return
        elif self._check.should_tell(origin, refusal, now):
            await self._replies.notice(origin, refusal.name, refusal.args)

    async def _take(self, job: Job | None, now: datetime, refused: Rejected | None) -> None:
        if job is None:
            return
        if refused is not None:
            await self._lifecycle.failed(job, refused, cause=refused)
            return
        origin = job.origin
        self._queue.enqueue(job.id, origin.owner_id, now, group_id=origin.group_id)
        await self._reactions.accepted(job)
        self._lifecycle.signals.outbox.set()

    async def _named(self, origin: Origin, file: IncomingFile, zone: tzinfo) -> IncomingFile:
        number = None
        if file.sent_at is not None and origin.album is not None:
            number = await self._count_album(origin, origin.album) + 1
        return file.named_by_time(zone, number)

    async def _zone_of(self, chat_id: int) -> tzinfo:
        chosen = (await self._ledger.chats.chat(chat_id)).zone
        try:
            return find_zone(chosen or self._zone)
        except ValueError:
            # A chosen zone may be unknown after a move to another machine.
            return find_zone(self._zone)


def _sentence(code: str) -> str:
    return f"error-{code.replace('_', '-')}"


def _args(refusal: Rejected) -> dict[str, str | int]:
    if isinstance(refusal, FileTooLarge) and refusal.size is not None:
        return {"size": refusal.size, "limit": refusal.limit}
    return {}
