"""The tables of the ledger."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from bot.adapters.ledger.rows import VALUES, Instant, Payload, ServerText
from bot.core.files import FileKind, LinkMode
from bot.core.jobs import Ending, JobState, ObjectState
from bot.core.ports.answers import AnswerForm, AnswerState
from bot.core.ports.ledger import OutboxKind, Priority
from bot.core.ports.pages import Tell

VERSION = "0007"
"""The newest of the migrations."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

cards = Table(
    "cards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger, nullable=False),
    Column("language", String(35), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("album", String(64)),
    Column("message_id", BigInteger),
    Column("open", Boolean, nullable=False),
    # Calls so far, counted before each of them, so that limits hold across restarts.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    Index(None, "open"),
    Index("ix_cards_message", "chat_id", "message_id"),
    Index("ix_cards_failed", "id", sqlite_where=text("error_code IS NOT NULL")),
)

answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger, nullable=False),
    Column("language", String(35), nullable=False),
    Column("state", String(16), nullable=False, info={VALUES: AnswerState}),
    Column("tries", Integer, nullable=False),
    Column("message_id", BigInteger),
    # Changes of items since the message was sent, and how many of these it shows.
    Column("changes", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    # Calls so far, counted before each of them, so that limits hold across restarts.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    # The form of the text: full, or plain after Telegram refused the full form.
    Column("form", String(16), nullable=False, server_default="full", info={VALUES: AnswerForm}),
    # Of all answers ever sent few are still to be sent, were given up, or need a correction, and
    # every round queries them.
    Index("ix_answers_unsent", "id", sqlite_where=text("state IN ('pending', 'sending')")),
    Index("ix_answers_failed", "id", sqlite_where=text("error_code IS NOT NULL")),
    Index("ix_answers_stale", "state", sqlite_where=text("changes > shown")),
)

PROGRESSED: Final = -1
"""In `jobs.crash_progress`: a part was stored after the last crash."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bot_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("file_unique_id", String(64), nullable=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("language", String(35), nullable=False),
    Column("file_id", String(256), nullable=False),
    Column("kind", String(16), nullable=False, info={VALUES: FileKind}),
    Column("name", Text, nullable=False),
    Column("mime_type", String(255)),
    Column("announced_size", BigInteger),
    Column("state", String(16), nullable=False, info={VALUES: JobState}),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("run_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("cancel_requested", Boolean, nullable=False),
    # Crashes of the process while the job ran and made no progress, and while it ran alone.
    Column("crashes", Integer, nullable=False),
    Column("crashes_alone", Integer, nullable=False, server_default="0"),
    # The bytes on disk at the last crash, or `PROGRESSED`.
    Column("crash_progress", BigInteger),
    Column("boot_id", String(64), nullable=False),
    Column("error_code", String(64)),
    Column("error_args", Payload, nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    # The files of one album are answered together.
    Column("album", String(64)),
    # What was asked for with the file: seconds until the link ends, and downloads from its page.
    Column("lifetime", Integer),
    Column("most_downloads", Integer),
    Column("card_id", ForeignKey(cards.c.id)),
    Column("answer_id", ForeignKey(answers.c.id)),
    UniqueConstraint("bot_id", "chat_id", "message_id", "file_unique_id", name="uq_jobs_message"),
    Index("ix_jobs_unfinished", "id", sqlite_where=text("state IN ('queued', 'running')")),
    Index("ix_jobs_owner", "owner_id", "created_at"),
    Index("ix_jobs_chat", "chat_id", "created_at"),
    Index("ix_jobs_finished", "finished_at"),
    Index("ix_jobs_album", "created_at", sqlite_where=text("album IS NOT NULL")),
    Index("ix_jobs_file", "file_unique_id", "owner_id"),
    Index(None, "answer_id"),
    Index(None, "card_id", sqlite_where=text("card_id IS NOT NULL")),
)

objects = Table(
    "objects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey(jobs.c.id), nullable=False),
    Column("key", String(1023), nullable=False, unique=True),
    Column("state", String(16), nullable=False, info={VALUES: ObjectState}),
    Column("due_at", Instant, nullable=False),
    # Excluded before this time: OSS could not be reached when it was due.
    Column("not_before", Instant),
    Column("upload_id", String(128)),
    Column("part_size", BigInteger),
    Column("ending", String(16), info={VALUES: Ending}),
    Column("sweeps", Integer, nullable=False),
    Column("gone_at", Instant),
    # Bucket, region and mode of the object, independent of later settings; "" in older rows.
    Column("bucket", String(63), nullable=False, server_default=""),
    Column("region", String(64), nullable=False, server_default=""),
    Column("mode", String(16), nullable=False, server_default="", info={VALUES: LinkMode}),
    # The earliest time at which OSS may have completed it: the deadline counts from then.
    Column("completed_at", Instant),
    # Calls so far, counted before each of them, so that limits hold across restarts.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    Index("ix_objects_left", "due_at", sqlite_where=text("state != 'gone'")),
    Index("ix_objects_ended", "id", sqlite_where=text("ending IS NOT NULL AND state != 'gone'")),
    Index(
        "ix_objects_postponed",
        "not_before",
        sqlite_where=text("not_before IS NOT NULL AND state != 'gone'"),
    ),
    Index(None, "job_id"),
)

# The page of an answer whose files were stored for one.
pages = Table(
    "pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("answer_id", ForeignKey(answers.c.id), nullable=False, unique=True),
    Column("token", String(22), nullable=False, unique=True),
    # How often each file may be downloaded; NULL is without limit.
    Column("most_downloads", Integer),
    Column("password_hash", String(255)),
    Column("is_paused", Boolean, nullable=False, server_default=false()),
    # The name to show as that of the sender; NULL shows none.
    Column("sender", Text),
    Column("tell", String(8), nullable=False, server_default="off", info={VALUES: Tell}),
    # Downloads of all files, those the answer shows, and those the sender was told of.
    Column("downloads", Integer, nullable=False, server_default="0"),
    Column("last_download_at", Instant),
    Column("shown_downloads", Integer, nullable=False, server_default="0"),
    Column("shown_at", Instant),
    Column("told_downloads", Integer, nullable=False, server_default="0"),
    Index("ix_pages_unshown", "id", sqlite_where=text("downloads > shown_downloads")),
    Index(
        "ix_pages_untold",
        "id",
        sqlite_where=text("tell != 'off' AND downloads > told_downloads"),
    ),
)

# Downloads of a file from its page; a file without a row has none.
page_files = Table(
    "page_files",
    metadata,
    Column("job_id", ForeignKey(jobs.c.id), primary_key=True, autoincrement=False),
    Column("downloads", Integer, nullable=False),
    # Those that count against `pages.most_downloads`; the sender sets it back.
    Column("used", Integer, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False, info={VALUES: OutboxKind}),
    Column("priority", Integer, nullable=False, info={VALUES: Priority}),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger),
    Column("owner_id", BigInteger),
    Column("language", String(35), nullable=False),
    Column("payload", Payload, nullable=False),
    Column("dedupe", String(128), nullable=False, unique=True),
    Column("tries", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("said", Boolean, nullable=False),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    Index("ix_outbox_unsaid", "said", "priority", "id"),
    Index("ix_outbox_said", "created_at", sqlite_where=text("said = 1")),
    Index("ix_outbox_failed", "id", sqlite_where=text("error_code IS NOT NULL")),
)

owners = Table(
    "owners",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("language", String(35), nullable=False, default=""),
    Column("banned", Boolean, nullable=False, default=False),
    Column("allowed", Boolean, nullable=False, default=False),
)

chats = Table(
    "chats",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("auto", Boolean, nullable=False, default=False),
    Column("privately", Boolean, nullable=False, default=False),
    Column("moved_to", BigInteger),
    Column("allowed", Boolean),
    Column("zone", String(64), nullable=False, server_default=""),
)

dead_updates = Table(
    "dead_updates",
    metadata,
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("buried_at", Instant, nullable=False),
    Column("chat_id", BigInteger),
    # "dead", or "failing" while it is still retried.
    Column("state", String(16), nullable=False, server_default="dead"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Instant),
    Index("ix_dead_updates_state", "state", "not_before"),
)

# What ended by day, state and code: it outlives the rows of the jobs.
daily_totals = Table(
    "daily_totals",
    metadata,
    # Days since 1970, in UTC.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), primary_key=True),
    Column("code", String(64), primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

state = Table(
    "state",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

# Which process may do what, on a server; a file has locks beside it.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    # The process, in words for an operator.
    Column("holder", Text, nullable=False),
    # One higher with each new holder.
    Column("fence", BigInteger, nullable=False),
    # By the clock of the server.
    Column("expires_at", Instant, nullable=False),
)

# Jobs that were handed over to workers and are not known to be over, one row each; on a server.
runs = Table(
    "runs",
    metadata,
    # One higher with each hand-over, so that an earlier one of the same job is refused.
    Column("id", Integer, primary_key=True),
    Column("job_id", BigInteger, nullable=False, unique=True),
    # Where it may run: what the worker has to see.
    Column("place", String(64), nullable=False),
    Column("handed_at", Instant, nullable=False),
    # The same moment by the clock of the server.
    Column("made_at", Instant, nullable=False),
    # The number that the engine has given it.
    Column("engine_id", BigInteger),
    # The worker that has taken it, "" before, and the fence of its lease.
    Column("worker", String(64), nullable=False, server_default=""),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("cancel_asked", Boolean, nullable=False, server_default=false()),
    # Progress, written at most once a second.
    Column("phase", String(16), nullable=False, server_default="fetching"),
    Column("total", BigInteger),
    Column("downloaded", BigInteger, nullable=False, server_default="0"),
    Column("uploaded", BigInteger, nullable=False, server_default="0"),
    Column("stored", BigInteger, nullable=False, server_default="0"),
)

# Workers that run or have run. One runs while its lease lasts.
workers = Table(
    "workers",
    metadata,
    Column("name", String(64), primary_key=True),
    # Its fence is that of the lease.
    Column("fence", BigInteger, nullable=False),
    # How many jobs it takes at once; 0 from the beginning of its end.
    Column("slots", Integer, nullable=False),
    # Where its jobs have to be: see `runs.place`; and the folder in words for an operator.
    Column("place", String(64), nullable=False),
    Column("root", Text, nullable=False),
    Column("version", String(64), nullable=False),
    Column("started_at", Instant, nullable=False),
    # By how many microseconds the clock of OSS is ahead of that of the server, and since when this
    # worker knows it.
    Column("oss_ahead", BigInteger),
    Column("oss_told_at", Instant),
    # The code of the error for which it takes no jobs, where it is one of OSS.
    Column("obstacle", String(64), nullable=False, server_default=""),
)

OF_PROCESSES: Final = (leases, runs, workers)
"""Tables that tell of processes, and mean nothing in another database."""

_CONDITIONS: Final = {"said = 1": "said"}
"""Conditions of partial indexes that a server spells in another way."""


def _suit_servers() -> None:
    """Let all columns mean the same on a server as in a file: texts of any length, and numbers of
    rows beyond 2³¹.
    """
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, String):
                column.type = column.type.with_variant(ServerText(), "postgresql")
            elif column.foreign_keys or column.name == "id":
                column.type = BigInteger().with_variant(Integer(), "sqlite")


_suit_servers()


def make_indexes_partial() -> None:
    """Give the indexes their conditions on a server. Not at once, because naming the dialect
    imports it.
    """
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        condition = index.dialect_options["sqlite"]["where"]
        if condition is not None:
            index.dialect_options["postgresql"]["where"] = text(
                _CONDITIONS.get(str(condition), str(condition))
            )
