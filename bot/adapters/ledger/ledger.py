"""The ports of the ledger on one database: the mapping of methods to operations."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Final, Generic, TypeVar

from sqlalchemy import Connection

from bot.adapters.ledger import (
    answers,
    chats,
    jobs,
    objects,
    pages,
    recovery,
    totals,
)
from bot.adapters.ledger.database import Database, SqlPart, reads, writes
from bot.core.jobs import Job
from bot.core.limits import BoundedMap
from bot.core.ports.jobs import Claim, NewObject, Recovered
from bot.core.ports.ledger import ChatRules, OwnerRules
from bot.core.ports.pages import PageContent, PageUse


class SqlJobs(SqlPart):
    """Implements `JobLedger`. `boot_id` names this boot of the machine; every attempt records
    it.
    """

    def __init__(self, database: Database, *, boot_id: str = "") -> None:
        super().__init__(database)
        self._boot_id = boot_id

    accept = writes(jobs.accept)
    knows = reads(jobs.knows)
    speak = writes(jobs.speak)
    get = reads(jobs.get)
    get_many = reads(jobs.get_many)
    open_albums = reads(jobs.open_albums)
    count_album = reads(jobs.count_album)
    unfinished = reads(jobs.unfinished)
    unfinished_of = reads(jobs.unfinished_of)
    unfinished_in = reads(jobs.unfinished_in)
    request_cancel = writes(jobs.request_cancel)
    give_back = writes(jobs.give_back)
    retry_later = writes(jobs.retry_later)
    finish = writes(jobs.finish)
    fail = writes(jobs.fail)
    cancel = writes(jobs.cancel)
    cancel_waiting = writes(jobs.cancel_waiting)
    end_left_by_shells = writes(recovery.end_left_by_shells)

    async def claim(
        self, job_id: int, now: datetime, plan: Callable[[Job], NewObject] | None = None
    ) -> Claim | None:
        """Claim a queued job that is due, for this boot."""
        return await self._database.write(objects.claim, job_id, now, plan, self._boot_id)

    async def recover(self, now: datetime, progress: Mapping[int, int] | None = None) -> Recovered:
        """Recover the jobs that the previous process left behind."""
        shells_run = await self._database.sends()
        return await self._database.write(
            recovery.recover, now, progress or {}, shells_run=shells_run
        )


class SqlObjects(SqlPart):
    """Implements `ObjectLedger`."""

    plan = writes(objects.plan)
    prepare = writes(objects.prepare)
    initiated = writes(objects.initiated)
    progressed = writes(objects.progressed)
    completing = writes(objects.completing)
    completed = writes(objects.completed)
    of_jobs = reads(objects.of_jobs)
    live_of = reads(objects.live_of)
    live_in = reads(objects.live_in)
    revoke = writes(objects.revoke)
    abandon = writes(objects.abandon)
    due = reads(objects.due)
    take_due = reads(objects.due_in)
    next_due_at = reads(objects.next_due_at)
    live = reads(objects.live)
    overdue = reads(objects.overdue)
    of_keys = reads(objects.of_keys)
    owners_of_keys = reads(objects.owners_of_keys)
    of_unfinished_jobs = reads(objects.of_unfinished_jobs)
    gone = writes(objects.gone)
    swept = writes(objects.swept)
    removing = writes(objects.removing)
    postpone = writes(objects.postpone)

    async def release(self) -> None:
        """Do nothing: no other process removes what is due, so nothing is held."""


class SqlOffset(SqlPart):
    """Implements `OffsetLedger`."""

    oss_offset = reads(totals.oss_offset)
    set_oss_offset = writes(totals.set_oss_offset)


class SqlAnswers(SqlPart):
    """Implements `AnswerLedger`."""

    unanswered = reads(answers.unanswered)
    begin = writes(answers.begin)
    resumable = reads(answers.resumable)
    stale = reads(answers.stale)
    sending = writes(answers.sending)
    sent = writes(answers.sent)
    unsent = writes(answers.unsent)
    cut_off = writes(answers.cut_off)
    lost = writes(answers.lost)
    reword = writes(answers.reword)
    anew = writes(answers.anew)
    release = writes(answers.release)
    redirect = writes(answers.redirect)
    apart = writes(answers.apart)
    correcting = writes(answers.correcting)
    settle = writes(answers.settle)
    refreshed = writes(answers.refreshed)


class SqlPages(SqlPart):
    """Implements `PageLedger`."""

    create = writes(pages.create)
    of_jobs = reads(pages.of_jobs)
    count = writes(pages.count)
    set_options = writes(pages.set_options)
    rearm = writes(pages.rearm)
    renew = writes(pages.renew)
    end_at = writes(pages.end_at)
    show_downloads = writes(pages.show_downloads)
    to_tell = reads(pages.to_tell)
    told = writes(pages.told)
    live = reads(pages.live)

    async def find(self, token: str) -> PageContent | None:
        """Return the page with this token; those who ask at once are told from one look."""

        def look(connection: Connection, count: int) -> Sequence[PageContent | None]:
            return [pages.find(connection, token)] * count

        return await self._database.read_together(("page", token), look)

    async def use(
        self, token: str, number: int, now: datetime, password_hash: str | None = None
    ) -> PageUse:
        """Use one of the downloads that are allowed; those who ask at once share what is left."""

        def take(connection: Connection, count: int) -> Sequence[PageUse]:
            given = pages.PageWish(token, number, now, password_hash)
            taken, content = pages.use(connection, given, count)
            use = PageUse(content, is_given=True)
            return [use] * taken + [PageUse(content)] * (count - taken)

        # Those who were admitted otherwise are asked for on their own.
        return await self._database.write_together(("use", token, number, password_hash), take)


class SqlStatusMessages(SqlPart):
    """Implements `StatusMessageLedger`."""

    open = writes(answers.open_status_message)
    join = writes(answers.join_status_message)
    placed = writes(answers.place_status_message)
    close = writes(answers.close_status_message)
    begin_attempt = writes(answers.begin_status_message)
    settle = writes(answers.settle_status_message)
    set_aside = writes(answers.set_status_message_aside)
    knows = reads(answers.knows_status_message)
    open_status_messages = reads(answers.open_status_messages)


class SqlOutbox(SqlPart):
    """Implements `Outbox`."""

    post = writes(chats.post)
    pending_work = reads(chats.pending_work)
    delivered = writes(chats.message_delivered)
    begin_attempt = writes(chats.begin_message)
    failed = writes(chats.message_failed)
    set_aside = writes(chats.set_message_aside)


class SqlDeadUpdates(SqlPart):
    """Implements `DeadUpdates`."""

    add = writes(chats.set_update_aside)
    begin = writes(chats.begin_update)
    failing = writes(chats.update_failing)
    due = reads(chats.updates_due)
    next_due_at = reads(chats.next_update_due_at)
    begin_attempt = writes(chats.retry_update)
    handled = writes(chats.update_handled)
    prune = writes(chats.prune_updates)


class SqlTotals(SqlPart):
    """Implements `TotalsLedger`."""

    since = reads(totals.since)
    ever = reads(totals.ever)
    remove_ended = writes(totals.remove_ended)
    set_aside = reads(totals.count_set_aside)


MOST_TOGETHER: Final = 200
"""Rules in one read; fewer than are remembered."""

Rules = TypeVar("Rules")


class _Remembered(Generic[Rules]):
    """Rules of chats or of owners. They are asked for several times with each message, and no
    other process changes them, so that those of the last messages are remembered.
    """

    def __init__(
        self,
        database: Database,
        read: Callable[[Connection, Collection[int]], dict[int, Rules]],
    ) -> None:
        self._database = database
        self._read = read
        self._known: BoundedMap[int, Rules] = BoundedMap()
        self._changes = 0
        self._wanted: set[int] = set()
        """Ids that are asked for by a caller that waits for `_reading`."""
        self._reading = asyncio.Lock()

    async def get(self, id_: int) -> Rules:
        """Return the rules of one. Those that are asked for meanwhile share the next read: a batch
        of updates of strangers is one visit of the ledger, not a hundred.
        """
        if (known := self._known.get(id_)) is not None:
            return known
        self._wanted.add(id_)
        async with self._reading:
            if (known := self._known.get(id_)) is not None:
                return known
            self._wanted.discard(id_)
            together = [id_, *islice(self._wanted, MOST_TOGETHER)]
            self._wanted.difference_update(together)
            changes = self._changes
            found = await self._database.read(self._read, together)
            if changes == self._changes:
                for one, rules in found.items():
                    self._known.set(one, rules)
        return found[id_]

    @contextmanager
    def changing(self, *ids: int) -> Iterator[None]:
        """Forget these at the end of the block: what was read before a change must not be
        remembered after it.
        """
        try:
            yield
        finally:
            self._changes += 1
            for id_ in ids:
                self._known.forget(id_)


class SqlChats(SqlPart):
    """Implements `ChatLedger`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._chats = _Remembered(database, chats.rules_of_chats)
        self._owners = _Remembered(database, chats.rules_of_owners)

    migrations = reads(chats.migrations)
    previous_ids = reads(chats.previous_ids)
    accepted_by = reads(jobs.accepted_by)
    accepted_in = reads(jobs.accepted_in)

    async def chat(self, chat_id: int) -> ChatRules:
        """Return the rules of a chat."""
        return await self._chats.get(chat_id)

    async def set_chat(
        self,
        chat_id: int,
        *,
        auto: bool | None = None,
        privately: bool | None = None,
        allowed: bool | None = None,
        zone: str | None = None,
    ) -> None:
        """Change what is given and leave the rest."""
        with self._chats.changing(chat_id):
            await self._database.write(
                chats.set_chat,
                chat_id,
                auto=auto,
                privately=privately,
                allowed=allowed,
                zone=zone,
            )

    async def migrate(self, chat_id: int, moved_to: int) -> None:
        """Record that a group became a supergroup, and copy its rules."""
        with self._chats.changing(chat_id, moved_to):
            await self._database.write(chats.migrate, chat_id, moved_to)

    async def owner(self, owner_id: int) -> OwnerRules:
        """Return what is known of an owner."""
        return await self._owners.get(owner_id)

    async def set_owner(
        self,
        owner_id: int,
        *,
        language: str | None = None,
        banned: bool | None = None,
        allowed: bool | None = None,
    ) -> None:
        """Change what is given and leave the rest."""
        with self._owners.changing(owner_id):
            await self._database.write(
                chats.set_owner, owner_id, language=language, banned=banned, allowed=allowed
            )


class SqlCliJobs(SqlPart):
    """Jobs of commands, and an overview of all jobs."""

    accept = writes(jobs.accept_from_shell)
    overview = reads(totals.overview)


class SqlLedger:
    """Implements `Ledger`."""

    def __init__(
        self,
        database: Database,
        *,
        boot_id: str = "",
        jobs: SqlJobs | None = None,
        objects: SqlObjects | None = None,
    ) -> None:
        self.jobs = jobs or SqlJobs(database, boot_id=boot_id)
        self.objects = objects or SqlObjects(database)
        self.offset = SqlOffset(database)
        self.answers = SqlAnswers(database)
        self.pages = SqlPages(database)
        self.status_messages = SqlStatusMessages(database)
        self.outbox = SqlOutbox(database)
        self.dead_updates = SqlDeadUpdates(database)
        self.totals = SqlTotals(database)
        self.chats = SqlChats(database)
        self.probe = totals.LedgerHealth(database)
