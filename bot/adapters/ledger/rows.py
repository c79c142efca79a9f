"""Conversion between rows and values of the core, and the statements that several modules of
operations share.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    RowMapping,
    Select,
    Table,
    bindparam,
    func,
    select,
)

from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import (
    Ending,
    Job,
    JobState,
    ObjectState,
    Origin,
    Placement,
    StoredObject,
)
from bot.core.links import LinkMode

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert


def insert_for(connection: Connection, table: Table) -> "Insert":
    """Return an INSERT that supports ON CONFLICT, in the dialect of the connection.

    SQLAlchemy has no general one; those for SQLite and PostgreSQL take the same arguments.
    """
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    statement: Insert = dialect.insert(table)
    return statement


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
    )


def from_new_job(origin: Origin, file: IncomingFile, now: datetime) -> dict[str, Any]:
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
