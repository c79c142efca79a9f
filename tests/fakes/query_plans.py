"""Statements of the ledger as they are executed while tests run, and how SQLite would find their
rows: none may read a whole table that grows with every file.
"""

import re
import sqlite3
import sys
from functools import cache
from types import FrameType
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from bot.adapters.ledger.schema import metadata

GROWING: Final = frozenset(
    {"jobs", "objects", "answers", "cards", "outbox", "dead_updates", "pages", "page_files"}
)
HISTORIES: Final = frozenset(
    {"ix_jobs_owner (owner_id=?)", "ix_jobs_chat (chat_id=?)", "ix_jobs_finished ()"}
)
"""Searches that find all that a person, or a chat, ever sent."""
PARTIAL: Final = frozenset(
    str(index.name)
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
)
"""Indexes of what is left to do; these may be read from end to end."""

_SCAN: Final = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_SEARCH: Final = re.compile(r"SEARCH \w+ USING (?:COVERING )?INDEX (\w+ \(.*\))")
_SOME: Final = re.compile(r"\(\?(?:, \?)+\)")

_seen: dict[str, tuple[str, Any]] = {}
_new: list[str] = []


def install() -> None:
    """Note the statements of the ledger from now on; once in a process."""
    event.listen(Engine, "before_cursor_execute", _note)


def _note(
    connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object
) -> None:
    if connection.dialect.name != "sqlite":
        return
    name = _SOME.sub("(?, …)", statement)
    if name not in _seen and _is_of_the_ledger(sys._getframe(1)):
        _seen[name] = (statement, parameters)
        _new.append(name)


def _is_of_the_ledger(frame: FrameType | None) -> bool:
    while frame is not None and "/sqlalchemy/" in frame.f_code.co_filename:
        frame = frame.f_back
    place = "" if frame is None else frame.f_code.co_filename
    # These two read all on purpose, while no bot runs.
    reads_all = "/migration" in place or place.endswith("/backup.py")
    return "/bot/adapters/ledger/" in place and not reads_all


def offences() -> list[str]:
    """Return what is wrong with the statements that are new since the last call."""
    names, _new[:] = list(_new), []
    return [found for name in names for found in _offences(*_seen[name])]


def _offences(statement: str, parameters: Any) -> list[str]:
    if not statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
        return []
    if " WHERE " not in f" {statement} ".replace("\n", " ") and "LIMIT" in statement:
        return []  # The first rows in no order.
    given = parameters[0] if isinstance(parameters, list) else parameters
    try:
        plan = [row[3] for row in _empty().execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    except sqlite3.OperationalError:
        return []  # It fails for its test as well.
    bad = [step for step in plan if _is_long(step)]
    return [f"{step}\n  in {' '.join(statement.split())}" for step in bad]


def _is_long(step: str) -> bool:
    scan, search = _SCAN.match(step), _SEARCH.match(step)
    if scan is not None:
        return scan[1] in GROWING and scan[2] not in PARTIAL
    return search is not None and search[1] in HISTORIES


@cache
def _empty() -> sqlite3.Connection:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    connection = engine.raw_connection().driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection
