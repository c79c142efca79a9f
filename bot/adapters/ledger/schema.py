"""The tables of the ledger, and how their rows are read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache, wraps
from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from bot.core.files import FileKind, IncomingFile, LinkMode
from bot.core.jobs import (
    NO_WISHES,
    Ending,
    Job,
    JobState,
    ObjectState,
    Origin,
    Placement,
    StoredObject,
    Wishes,
)
from bot.core.ports.answers import AnswerForm, AnswerState
from bot.core.ports.ledger import OutboxKind, Priority
from bot.core.ports.pages import Tell

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert

VERSION = "0006"
"""The newest of the migrations."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


T = TypeVar("T")

NO_TIME: Final = 253_402_300_800_000_000
"""Microseconds until the year 10000, which `datetime` cannot tell."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, stored as whole microseconds since 1970, so that it compares and sorts
    exactly.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Turn a time into microseconds; a naive time is refused by the subtraction."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 -- SQLAlchemy's signature
        """Turn microseconds into an aware time; what is none is left to `read_rows`."""
        try:
            return None if value is None else _EPOCH + timedelta(microseconds=value)
        except (TypeError, OverflowError):
            return value


class _Text(TypeDecorator[str]):
    """A text on a server: of any length, as in SQLite, and without NUL, which the server refuses
    (source: PostgreSQL manual, "Character Types").
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Replace NUL by the character that stands for unreadable ones."""
        return value.replace("\0", "\ufffd") if isinstance(value, str) else value


class Payload(TypeDecorator[dict[str, Any]]):
    """A JSON object. One that cannot be decoded is left to `read_rows`: an error of the type would
    end the whole result.
    """

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what decodes a value of the database."""
        decode = super().result_processor(dialect, coltype)

        def process(value: Any) -> Any:
            try:
                return decode(value) if decode is not None else value
            except (TypeError, ValueError, RecursionError):
                return value

        return process


def is_one_of(column: Column[str], *values: str) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values, written into the statement:
    SQLite uses a partial index only where its condition is there word for word.
    """
    return column.in_([literal_column(f"'{value}'") for value in values])


def is_not(column: Column[str], value: str) -> ColumnElement[bool]:
    """Return the condition that a column has another value, as `is_one_of` does."""
    return column != literal_column(f"'{value}'")


def beside(column: Column[int]) -> ColumnElement[int]:
    """Return a column so that no index of it is used, where another one leads to fewer rows: those
    of what a person or a chat ever sent grow with time.
    """
    return column + literal_column("0")


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
    Column("tell", String(8), nullable=False, server_default="off"),
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
    Column("kind", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
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

_CONDITIONS: Final = {"said = 1": "said"}
"""Conditions of partial indexes that a server spells in another way."""


def _suit_servers() -> None:
    """Let all columns mean the same on a server as in a file: texts of any length, and numbers of
    rows beyond 2³¹.
    """
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, String):
                column.type = column.type.with_variant(_Text(), "postgresql")
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


def insert_for(connection: Connection, table: Table) -> "Insert":
    """Return an INSERT that supports ON CONFLICT, in the dialect of the connection.

    SQLAlchemy has no general one; those for SQLite and PostgreSQL take the same arguments.
    """
    return _insert_of(connection.dialect.name, table)


@cache
def _insert_of(dialect: str, table: Table) -> "Insert":
    statement: Insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    return statement


def once_per_dialect(build: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Build a statement with `insert_for` once for each dialect."""
    built: dict[str, T] = {}

    @wraps(build)
    def statement(connection: Connection) -> T:
        dialect = connection.dialect.name
        if dialect not in built:
            built[dialect] = build(connection)
        return built[dialect]

    return statement


def total(column: Column[int]) -> ColumnElement[int]:
    """Return the sum of a column, 0 without rows, as a whole number: that of a server is a
    decimal one.
    """
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def first_of_each_chat(
    rows: Select[*tuple[Any, ...]], table: Table, order: Sequence[Column[Any]]
) -> Select[*tuple[Any, ...]]:
    """Select the first `limit` rows of each chat (a parameter), so that a chat with many rows
    hides no other; all are in the given order.

    `rows` selects from `table` alone, which has the columns `id` and `chat_id`.
    """
    rank = func.row_number().over(partition_by=table.c.chat_id, order_by=order)
    ranked = rows.with_only_columns(table.c.id, rank.label("rank")).subquery()
    return (
        select(table)
        .join(ranked, ranked.c.id == table.c.id)
        .where(ranked.c.rank <= bindparam("limit", type_=Integer))
        .order_by(*order)
    )


_VALUES: Final[Mapping[Column[Any], type[Enum]]] = {
    jobs.c.state: JobState,
    jobs.c.kind: FileKind,
    answers.c.state: AnswerState,
    answers.c.form: AnswerForm,
    objects.c.state: ObjectState,
    objects.c.ending: Ending,
    objects.c.mode: LinkMode,
    pages.c.tell: Tell,
    outbox.c.kind: OutboxKind,
    outbox.c.priority: Priority,
}
_PYTHON_TYPES: Final[Mapping[type[Any], type]] = {
    Instant: datetime, Payload: dict, Boolean: bool, Integer: int, String: str,
}  # fmt: skip
NOTES: Final = "unreadable"
"""Key of the notes of rows that cannot be read in `Connection.info`."""


class UnreadableRows:
    """Rows that were found to be unreadable and have not been taken care of, with the names of
    their damaged columns, by table and primary key.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, Any], Sequence[str]] = {}
        self._reported: dict[tuple[str, Any], Sequence[str]] = {}

    def note(self, table: Table, row: RowMapping) -> None:
        """Note a row, once for each damage: what was given up may be read again."""
        key = table.name, row[next(iter(table.primary_key.columns)).name]
        damaged = damaged_columns(table, row)
        if self._reported.get(key) != damaged:
            self._found[key] = self._reported[key] = damaged

    def forget(self, found: Iterable[tuple[str, Any]]) -> None:
        """Let rows be noted again."""
        for key in found:
            self._reported.pop(key, None)

    def take(self) -> Mapping[tuple[str, Any], Sequence[str]]:
        """Return what was noted, and forget it."""
        found, self._found = self._found, {}
        return found


@cache
def _types_of(table: Table) -> Sequence[tuple[str, frozenset[type]]]:
    """Return the types of values that a row may have. SQLite stores any type in any column."""
    types = []
    for column in table.columns:
        expected = next(
            to for type_, to in _PYTHON_TYPES.items() if isinstance(column.type, type_)
        )
        types.append(
            (column.name, frozenset({expected, NoneType} if column.nullable else {expected}))
        )
    return types


def damaged_columns(table: Table, row: RowMapping) -> list[str]:
    """Return the columns of a row that have a value of another type, or an unknown one."""
    wrong = {name for name, types in _types_of(table) if type(row[name]) not in types}
    for column, values in _VALUES.items():
        if column.table is table and row[column.name] not in {
            None,
            "",
            *(v.value for v in values),
        }:
            wrong.add(column.name)
    return sorted(wrong)


RECENT: Final = 1000
"""Answers in which a start looks for a state that it does not know."""


def note_unknown(connection: Connection) -> None:
    """Note the rows that no other statement finds, because a column by which these select has a
    value of no kind. By indexes, or by the newest rows: not by all that was ever stored.
    """
    newest = select(func.max(answers.c.id)).scalar_subquery()
    conditions: Mapping[Table, ColumnElement[bool]] = {
        jobs: jobs.c.finished_at.is_(None)
        & (_is_unknown(jobs.c.state) | (jobs.c.run_at >= literal_column(f"{NO_TIME}"))),
        objects: is_not(objects.c.state, ObjectState.GONE.value) & _is_unknown(objects.c.state),
        answers: (answers.c.id > newest - RECENT) & _is_unknown(answers.c.state),
    }
    for table, condition in conditions.items():
        for row in connection.execute(select(table).where(condition)).mappings():
            connection.info[NOTES].note(table, row)


def _is_unknown(column: Column[str]) -> ColumnElement[bool]:
    return column.not_in([value.value for value in _VALUES[column]])


def read_rows(
    connection: Connection,
    table: Table,
    rows: Iterable[RowMapping],
    convert: Callable[[RowMapping], T],
) -> list[T]:
    """Convert rows that have all columns of `table`. One that cannot be read (damaged, or of
    another version) costs no other: it is left out and noted, and the database takes care of it.
    """
    found, types = [], _types_of(table)
    for row in rows:
        try:
            if any(type(row[name]) not in allowed for name, allowed in types):
                raise TypeError(table.name)  # noqa: TRY301 -- ends like an error of `convert`.
            found.append(convert(row))
        except Exception:
            notes = connection.info.get(NOTES)
            if notes is None:
                raise
            notes.note(table, row)
    return found


def to_job(row: RowMapping) -> Job:
    """Convert a row of `jobs`."""
    return Job(
        id=row["id"],
        origin=Origin(
            bot_id=row["bot_id"],
            chat_id=row["chat_id"],
            message_id=row["message_id"],
            owner_id=row["owner_id"],
            thread_id=row["thread_id"],
            language=row["language"],
            album=row["album"],
        ),
        file=IncomingFile(
            file_id=row["file_id"],
            file_unique_id=row["file_unique_id"],
            kind=FileKind(row["kind"]),
            name=row["name"],
            mime_type=row["mime_type"],
            announced_size=row["announced_size"],
        ),
        state=JobState(row["state"]),
        attempt=row["attempt"],
        failures=row["failures"],
        created_at=row["created_at"],
        run_at=row["run_at"],
        error_code=row["error_code"],
        error_args=row["error_args"],
        size=row["size"],
        sha256=row["sha256"],
        finished_at=row["finished_at"],
        status_message_id=row["card_id"],
        answer_id=row["answer_id"],
        boot_id=row["boot_id"],
        crashes=row["crashes"],
        wishes=Wishes(
            None if row["lifetime"] is None else timedelta(seconds=row["lifetime"]),
            row["most_downloads"],
        ),
    )


def from_new_job(
    origin: Origin, file: IncomingFile, now: datetime, wishes: Wishes = NO_WISHES
) -> dict[str, Any]:
    """Return the columns of a new job: those of the message, and the initial values of every
    job.
    """
    return {
        "state": JobState.QUEUED.value,
        "attempt": 0,
        "failures": 0,
        "cancel_requested": False,
        "crashes": 0,
        "boot_id": "",
        "error_args": {},
        "created_at": now,
        "run_at": now,
        "bot_id": origin.bot_id,
        "chat_id": origin.chat_id,
        "message_id": origin.message_id,
        "owner_id": origin.owner_id,
        "thread_id": origin.thread_id,
        "language": origin.language,
        "album": origin.album,
        "file_id": file.file_id,
        "file_unique_id": file.file_unique_id,
        "kind": file.kind.value,
        "name": file.name,
        "mime_type": file.mime_type,
        "announced_size": file.announced_size,
        "lifetime": None if wishes.lifetime is None else int(wishes.lifetime.total_seconds()),
        "most_downloads": wishes.most_downloads,
    }


def to_object(row: RowMapping) -> StoredObject:
    """Convert a row of `objects`."""
    return StoredObject(
        id=row["id"],
        job_id=row["job_id"],
        key=row["key"],
        state=ObjectState(row["state"]),
        due_at=row["due_at"],
        upload_id=row["upload_id"],
        part_size=row["part_size"],
        ending=Ending(row["ending"]) if row["ending"] else None,
        sweeps=row["sweeps"],
        placement=Placement(
            bucket=row["bucket"],
            region=row["region"],
            mode=LinkMode(row["mode"]) if row["mode"] else None,
        ),
        completed_at=row["completed_at"],
        attempts=row["attempts"],
        error_code=row["error_code"],
    )
