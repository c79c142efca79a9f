"""The ports of the ledger on one database: the mapping of methods to operations."""

import asyncio
from datetime import datetime

from bot.adapters.ledger import answers, chats, jobs, objects, outbox, totals
from bot.adapters.ledger.database import Database, SqlPart, reads, writes
from bot.adapters.ledger.process_locks import someone_sends
from bot.core.jobs import Job
from bot.core.ports.jobs import Recovered


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
    end_left_by_shells = writes(jobs.end_left_by_shells)

    async def acquire(self, job_id: int, now: datetime) -> Job | None:
        """Claim a queued job that is due, for this boot."""
        return await self._database.write(jobs.acquire, job_id, now, self._boot_id)

    async def recover(self, now: datetime) -> Recovered:
        """Recover the jobs that the previous process left behind."""
        shells_run = await asyncio.to_thread(someone_sends, self._database.path)
        return await self._database.write(jobs.recover, now, shells_run=shells_run)


class SqlObjects(SqlPart):
    """Implements `ObjectLedger`."""

    plan = writes(objects.plan)
    initiated = writes(objects.initiated)
    planned_for = reads(objects.planned_for)
    of_jobs = reads(objects.of_jobs)
    live_of = reads(objects.live_of)
    live_in = reads(objects.live_in)
    same_file = reads(objects.same_file)
    revoke = writes(objects.revoke)
    abandon = writes(objects.abandon)
    due = reads(objects.due)
    next_due_at = reads(objects.next_due_at)
    live = reads(objects.live)
    overdue = reads(objects.overdue)
    of_keys = reads(objects.of_keys)
    owners_of_keys = reads(objects.owners_of_keys)
    of_unfinished_jobs = reads(objects.of_unfinished_jobs)
    gone = writes(objects.gone)
    swept = writes(objects.swept)
    postpone = writes(objects.postpone)


class SqlAnswers(SqlPart):
    """Implements `AnswerLedger`."""

    unanswered = reads(answers.unanswered)
    begin = writes(answers.begin)
    resumable = reads(answers.resumable)
    stale = reads(answers.stale)
    sending = writes(answers.sending)
    sent = writes(answers.sent)
    unsent = writes(answers.unsent)
    lost = writes(answers.lost)
    refreshed = writes(answers.refreshed)


class SqlStatusMessages(SqlPart):
    """Implements `StatusMessageLedger`."""

    open = writes(answers.open_status_message)
    join = writes(answers.join_status_message)
    placed = writes(answers.place_status_message)
    close = writes(answers.close_status_message)
    open_status_messages = reads(answers.open_status_messages)


class SqlOutbox(SqlPart):
    """Implements `Outbox`."""

    post = writes(outbox.post)
    pending = reads(outbox.pending)
    delivered = writes(outbox.delivered)
    begin_attempt = writes(outbox.begin_attempt)


class SqlDeadUpdates(SqlPart):
    """Implements `DeadUpdates`."""

    add = writes(outbox.add_dead_update)


class SqlTotals(SqlPart):
    """Implements `TotalsLedger`."""

    since = reads(totals.since)


class SqlChats(SqlPart):
    """Implements `ChatLedger`."""

    chat = reads(chats.chat)
    set_chat = writes(chats.set_chat)
    migrate = writes(chats.migrate)
    migrations = reads(chats.migrations)
    previous_ids = reads(chats.previous_ids)
    owner = reads(chats.owner)
    set_owner = writes(chats.set_owner)
    accepted_by = reads(chats.accepted_by)
    accepted_in = reads(chats.accepted_in)


class SqlCliJobs(SqlPart):
    """Jobs of commands, and an overview of all jobs."""

    accept = writes(jobs.accept_from_shell)
    overview = reads(totals.overview)


class SqlLedger:
    """Implements `Ledger`."""

    def __init__(self, database: Database, *, boot_id: str = "") -> None:
        self.jobs = SqlJobs(database, boot_id=boot_id)
        self.objects = SqlObjects(database)
        self.answers = SqlAnswers(database)
        self.status_messages = SqlStatusMessages(database)
        self.outbox = SqlOutbox(database)
        self.dead_updates = SqlDeadUpdates(database)
        self.totals = SqlTotals(database)
        self.chats = SqlChats(database)
        self.probe = totals.LedgerHealth(database)
