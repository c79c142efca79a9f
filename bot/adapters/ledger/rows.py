"""Rows of the ledger: types of columns, parts of statements that several operations share, the
conversion of rows, and the handling of those that cannot be read, because they are damaged or of
another version.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
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

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert

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


class ServerText(TypeDecorator[str]):
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


_PYTHON_TYPES: Final[Mapping[type[Any], type]] = {
    Instant: datetime, Payload: dict, Boolean: bool, Integer: int, String: str,
}  # fmt: skip
VALUES: Final = "values"
"""Key in `Column.info` of the `Enum` of the values that a column of names may have."""
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
    for column in table.columns:
        values = column.info.get(VALUES)
        if values and row[column.name] not in {None, "", *(v.value for v in values)}:
            wrong.add(column.name)
    return sorted(wrong)


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
