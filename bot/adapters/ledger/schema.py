"""The tables. Migrations in `migrations/` create them; a test compares the two."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

VERSION = "0003"
"""The newest of the migrations."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, stored as whole microseconds since 1970, so that it compares and sorts
    exactly.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Turn a time into microseconds; a naive time is refused by the subtraction."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Turn microseconds into an aware time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


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
)

answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger, nullable=False),
    Column("language", String(35), nullable=False),
    Column("state", String(16), nullable=False),
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
    Column("form", String(16), nullable=False, server_default="full"),
    Index(None, "state"),
    # Few answers need a correction, and every round queries them.
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
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("mime_type", String(255)),
    Column("announced_size", BigInteger),
    Column("state", String(16), nullable=False),
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
    Column("error_args", JSON, nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    # The files of one album are answered together.
    Column("album", String(64)),
    Column("card_id", ForeignKey(cards.c.id)),
    Column("answer_id", ForeignKey(answers.c.id)),
    UniqueConstraint("bot_id", "chat_id", "message_id", "file_unique_id", name="uq_jobs_message"),
    Index("ix_jobs_state", "state", "run_at"),
    Index("ix_jobs_owner", "owner_id", "state"),
    Index("ix_jobs_chat", "chat_id", "created_at"),
    Index("ix_jobs_file", "file_unique_id", "owner_id"),
    Index(None, "answer_id"),
    Index(None, "card_id"),
)

objects = Table(
    "objects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey(jobs.c.id), nullable=False),
    Column("key", String(1023), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("due_at", Instant, nullable=False),
    # Excluded before this time: OSS could not be reached when it was due.
    Column("not_before", Instant),
    Column("upload_id", String(128)),
    Column("part_size", BigInteger),
    Column("ending", String(16)),
    Column("sweeps", Integer, nullable=False),
    Column("gone_at", Instant),
    # Bucket, region and mode of the object, independent of later settings; "" in older rows.
    Column("bucket", String(63), nullable=False, server_default=""),
    Column("region", String(64), nullable=False, server_default=""),
    Column("mode", String(16), nullable=False, server_default=""),
    # The earliest time at which OSS may have completed it: the deadline counts from then.
    Column("completed_at", Instant),
    # Calls so far, counted before each of them, so that limits hold across restarts.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    Index("ix_objects_due", "state", "due_at"),
    Index(None, "job_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger),
    Column("owner_id", BigInteger),
    Column("language", String(35), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("dedupe", String(128), nullable=False, unique=True),
    Column("tries", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("said", Boolean, nullable=False),
    # The last error; set if the row was given up.
    Column("error_code", String(64)),
    Index("ix_outbox_unsaid", "said", "priority", "id"),
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
)

state = Table(
    "state",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)
