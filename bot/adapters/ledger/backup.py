"""Read-only inspections of a ledger, in a file or on a server; backups, which are files, and their
way back; and copies of all rows, from a file to a server and back.
"""

import asyncio
import errno
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, RowMapping, Table, create_engine, func, select
from sqlalchemy.exc import DatabaseError

from bot.adapters.ledger.connection import AccessKind
from bot.adapters.ledger.database import Database, migrate
from bot.adapters.ledger.migration import (
    known_versions,
    refuse_foreign_tables,
    require_known,
    require_tables,
    version_of,
)
from bot.adapters.ledger.rows import damaged_columns
from bot.adapters.ledger.schema import OF_PROCESSES, VERSION, jobs, metadata, objects, runs, state
from bot.adapters.ledger.sqlite import is_damage, opening
from bot.core.errors import LedgerTooNew, LedgerUnusable
from bot.core.jobs import ObjectState
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.core.ports.runs import LiveWorker

if TYPE_CHECKING:
    import psycopg

MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LedgerInspection:
    """What a ledger's file says of itself. `version` is that of its schema, "" where there is
    none; `damage` what SQLite finds wrong with it, `unusable` why it could not be read although
    nothing is known to be wrong with it, such as a full disk; "" if nothing.
    """

    version: str
    is_known: bool
    is_newest: bool
    damage: str
    unusable: str = ""


def examine_ledger(path: Path) -> LedgerInspection:
    """Read the whole file once. Blocks; about a second for each gigabyte.

    Works beside a running bot. Raises nothing of SQLite's.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))
    unread = LedgerInspection("", is_known=False, is_newest=False, damage="")
    try:
        with engine.connect() as connection:
            return _examine(connection, path)
    except DatabaseError as error:
        reason = str(error.orig)
        if is_damage(error):
            return replace(unread, damage=reason)
        return replace(unread, unusable=reason)
    except LedgerUnusable as error:
        return replace(unread, unusable=error.reason)
    finally:
        engine.dispose()


def _examine(connection: Connection, path: Path) -> LedgerInspection:
    connection.exec_driver_sql("PRAGMA query_only=ON")
    found = connection.exec_driver_sql(f"PRAGMA quick_check({MOST_SHOWN})").scalars().all()
    damage = "" if list(found) == ["ok"] else "; ".join(str(line) for line in found)
    if not damage:
        refuse_foreign_tables(connection, path)
    version = version_of(connection)
    if not damage and version == VERSION:
        require_tables(connection, path)
    return LedgerInspection(
        version, is_known=_is_known(version), is_newest=version == VERSION, damage=damage
    )


@dataclass(frozen=True, slots=True)
class ServerInspection:
    """What a server says of itself and of the ledger in it. `version` is that of the ledger's
    schema, "" where there is none; `missing` are rights that this login lacks, at most
    `MOST_SHOWN`; `latency` is one round trip, `ahead` how much the server's clock is ahead of ours
    (negative: behind); `free` is how many more connections it takes.
    """

    version: str
    is_known: bool
    server: str
    missing: tuple[str, ...]
    latency: timedelta
    ahead: timedelta
    free: int
    is_private: bool
    """Whether the connection is encrypted, or leaves this machine not at all."""
    bot_runs: bool
    workers: tuple[LiveWorker, ...] = ()


SAMPLES: Final = 5
"""Round trips that are measured."""
_READ_ONLY: Final = "SELECT 'writes' WHERE current_setting('transaction_read_only') = 'on'"
_RIGHTS: Final = """
SELECT wanted || ' on ' || relname FROM pg_class
  CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted
  WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND NOT has_table_privilege(pg_class.oid, wanted)
UNION ALL
SELECT 'USAGE on ' || relname FROM pg_class
  WHERE relnamespace = current_schema()::regnamespace
  AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(pg_class.oid, 'USAGE') END
"""
"""Rights that a running bot needs and this login lacks."""
_RIGHTS_TO_CHANGE: Final = """
SELECT 'CREATE on schema ' || coalesce(current_schema(), 'public')
  WHERE NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
UNION ALL
SELECT 'ownership of ' || relname FROM pg_class
  WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND NOT pg_has_role(relowner, 'USAGE')
"""
"""The same for the next start, if that has to make or change tables."""
_FREE: Final = """
SELECT least(
  current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) - count(*),
  CASE WHEN rolconnlimit < 0 THEN NULL
    ELSE rolconnlimit - count(*) FILTER (WHERE usename = current_user) END
) FROM pg_roles LEFT JOIN pg_stat_activity ON backend_type = 'client backend'
  -- Of the sessions of other logins an ordinary one sees no type, only that they have a user.
  OR (backend_type IS NULL AND usesysid IS NOT NULL)
WHERE rolname = current_user GROUP BY rolconnlimit
"""


def examine_server(place: LedgerServer) -> ServerInspection:
    """Ask the server about itself and the ledger; change nothing. Blocks. Works beside a bot.

    Raises:
        LedgerUnusable: it cannot be reached, refuses the login, or is not suitable; or the
            database is that of another program, or lacks tables.
    """
    # Here, because most installations have no driver for it.
    from bot.adapters.ledger import postgresql

    version, runs = postgresql.look(place)
    with closing(postgresql.connect(place)) as raw, postgresql.using(place):
        asked = [_READ_ONLY, _RIGHTS, *([] if version == VERSION else [_RIGHTS_TO_CHANGE])]
        missing = [str(row[0]) for query in asked for row in raw.execute(query).fetchall()]
        free = raw.execute(_FREE).fetchone()
        latency, ahead = min(_round_trip(raw) for _ in range(SAMPLES))
        return ServerInspection(
            version=version,
            is_known=_is_known(version),
            server=str(raw.execute("SHOW server_version").fetchone()[0]),  # type: ignore[index] # Always a row.
            missing=tuple(missing[:MOST_SHOWN]),
            latency=latency,
            ahead=ahead,
            free=int(free[0]) if free else 0,
            is_private=raw.pgconn.ssl_in_use or _is_local(raw),
            bot_runs=runs,
            workers=_workers(place) if version == VERSION else (),
        )


def _workers(place: LedgerServer) -> tuple[LiveWorker, ...]:
    from bot.adapters.ledger import postgresql
    from bot.adapters.ledger.runs import list_workers

    with postgresql.schema_of(place) as connection:
        return tuple(list_workers(connection))


def _round_trip(raw: "psycopg.Connection[Any]") -> tuple[timedelta, timedelta]:
    """Return how long one takes, and how much the clock of the server is ahead."""
    begun, clock = datetime.now(UTC), time.perf_counter()
    row = raw.execute("SELECT clock_timestamp()").fetchone()
    took = timedelta(seconds=time.perf_counter() - clock)
    return took, (row[0] - begun - took / 2 if row else timedelta())


def _is_local(raw: "psycopg.Connection[Any]") -> bool:
    # Empty for a socket in the file system.
    address = raw.info.hostaddr
    return not address or ip_address(address).is_loopback


def _is_known(version: str) -> bool:
    if version == VERSION:
        return True
    return version in known_versions()


BESIDE: Final = ("-wal", "-shm")
"""Ends of the names of the files that SQLite keeps beside a database in use."""
BEGUN: Final = ".relay-backup-"
"""Begins the name of a folder in which a copy is made; one that stays behind is of a process that
was killed.
"""
MOST_PATIENCE: Final = 30.0
"""Seconds (real) that a copy waits for a ledger that is locked against reading."""


def back_up(place: LedgerPlace, to: Path, *, patience: float = MOST_PATIENCE) -> None:
    """Copy a ledger to a new file, as of one moment, and check the copy. Blocks. One in a file may
    be of any version, one on a server is of the newest.

    Works beside a running bot and holds up none of its writes. The copy is one file of mode 0600;
    it is complete and on the disk when it appears. It tells nothing of processes.

    Raises:
        FileExistsError: there is something at `to` already.
        LedgerTooNew: a newer version of this program has written the ledger on the server.
        LedgerUnusable: the ledger cannot be read, is damaged, or on a server of an older version.
        OSError: the copy cannot be written.
    """
    if to.exists():
        raise FileExistsError
    with TemporaryDirectory(prefix=BEGUN, dir=to.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        if isinstance(place, Path):
            os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with _sqlite_errors(place):
                _copy(place, copy, patience)
            require_sound(copy, named=place)
        else:
            _fetch(place, copy)
            require_sound(copy, named=to)
        _put(copy, to)


def _fetch(server: LedgerServer, copy: Path) -> None:
    """Copy all rows of a ledger on a server to a new file."""
    try:
        migrate(copy)
        move_rows(Database(server), Database(copy))
        with _sqlite_errors(copy), closing(sqlite3.connect(copy)) as connection:
            # One file, as `_copy` makes it.
            connection.execute("PRAGMA journal_mode=DELETE")
    except LedgerUnusable as error:
        if error.place != copy:
            raise
        # Its name tells an operator nothing.
        raise OSError(errno.EIO, error.reason) from error


def _copy(path: Path, copy: Path, patience: float) -> None:
    deadline = time.monotonic() + patience

    def waited(status: int, _remaining: int, _total: int) -> None:
        # Without this the driver waits for ever.
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            raise LedgerUnusable(path, "database is locked")

    source = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw", timeout=patience, uri=True
    )
    with closing(source), closing(sqlite3.connect(copy)) as target:
        # In one step, which is one read transaction: after a write of another process, a copy in
        # several steps begins anew, and beside a busy bot never ends (source: sqlite.org/backup).
        source.backup(target, pages=-1, progress=waited)
        # One file without others beside it; the first start makes it WAL again.
        target.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            # Of the copy: reading needs no room.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise LedgerUnusable(path, str(error)) from error


def require_sound(file: Path, *, named: Path | None = None) -> str:
    """Check every page, index and reference of a backup, and return its version; change nothing.
    Blocks. `named` is the path for messages.

    Raises:
        LedgerTooNew: a newer version of this program has written it.
        LedgerUnusable: it is damaged, no ledger, or no finished backup.
    """
    named = named or file
    with opening(named):
        if any(Path(f"{file}{end}").exists() for end in BESIDE):
            raise LedgerUnusable(
                named, f"{file}-wal is beside it, so that it was copied while in use"
            )
        # Otherwise SQLite would make a file that is missing.
        file.stat()
    url = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
    with _sqlite_errors(named), closing(sqlite3.connect(url, uri=True)) as connection:
        # Unlike quick_check it compares indexes with their tables.
        found = connection.execute(f"PRAGMA integrity_check({MOST_SHOWN})").fetchall()
        if found != [("ok",)]:
            raise LedgerUnusable(named, "; ".join(str(line) for (line,) in found))
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise LedgerUnusable(named, "a row refers to one that is missing")
    inspection = examine_ledger(file)
    if reason := inspection.damage or inspection.unusable:
        raise LedgerUnusable(named, reason)
    if not inspection.version:
        raise LedgerUnusable(named, "it has no tables")
    if not inspection.is_known:
        raise LedgerTooNew(
            f"{named} (schema {inspection.version}) was written by a newer version of this program"
        )
    return inspection.version


def _put(file: Path, to: Path) -> None:
    """Bring a file to the disk, and to a name that must be free."""
    _sync(file)
    try:
        # Unlike a rename it replaces nothing.
        os.link(file, to)
    except FileExistsError:
        raise
    except OSError:
        # A disk without links.
        if to.exists():
            raise FileExistsError from None
        file.rename(to)
    _sync(to.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_back(backup: Path, path: Path, kept: Path) -> None:
    """Put a copy of a backup in the place of the ledger at `path`, which moves to `kept` with what
    is beside it. Blocks. Only for the process that holds all locks of the ledger.

    Raises:
        FileExistsError: there is something at `kept` already.
        LedgerTooNew, LedgerUnusable: see `back_up` and `require_sound`; nothing has changed.
    """
    require_sound(backup)
    if kept.exists():
        raise FileExistsError
    copy = path.with_name(f"{path.name}.restoring")
    with opening(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        back_up(backup, copy)
        _give_to_owner_of(path if path.exists() else path.parent, copy)
        # The log first: SQLite would replay it into another file that bears its name.
        for end in (*BESIDE, ""):
            with suppress(FileNotFoundError):
                Path(f"{path}{end}").rename(f"{kept}{end}")
        copy.rename(path)
        _sync(path.parent)


def put_rows_back(backup: Path, target: Database) -> None:
    """Copy the rows of a backup, of any version, into an empty ledger as `move_rows` does. Blocks.
    The backup stays as it is.

    Raises:
        LedgerTooNew, LedgerUnusable: see `require_sound` and `move_rows`; `target` is as before.
        OSError: there is no room for a temporary copy.
    """
    with TemporaryDirectory(prefix=BEGUN) as folder:
        copy = Path(folder) / "copy.sqlite3"
        back_up(backup, copy)
        try:
            # The copy, because it changes the version, and because opening it for use writes.
            migrate(copy)
            move_rows(Database(copy), target)
        except LedgerUnusable as error:
            if error.place != copy:
                raise
            raise LedgerUnusable(backup, error.reason) from error


def _give_to_owner_of(model: Path, file: Path) -> None:
    # Root may restore; the bot is another user.
    if os.geteuid() == 0:
        found = model.stat()
        os.chown(file, found.st_uid, found.st_gid)


BATCH: Final = 500
"""Rows of one statement, which a server has to end within seconds."""
_PROBE: Final = state.c.name == "probe"
"""The row that a look at the ledger writes."""


class _Sum:
    """Count and checksum of the rows of a table in any order: databases sort texts differently."""

    def __init__(self) -> None:
        self.count = self.total = 0

    def add(self, row: RowMapping) -> None:
        """Include a row."""
        # As a server stores them, which has no NUL.
        values = [v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row.values()]
        text = json.dumps(values, default=str, sort_keys=True)
        self.count += 1
        self.total += int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sum) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # It changes.


def move_rows(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows into an empty ledger in one transaction, and compare what arrived; return the
    number of rows of each table. Blocks. `source` is only read, as of one moment; if this raises,
    `target` is empty as before. Both are of the newest version, and no other process uses
    `target`.

    Raises:
        LedgerTooNew: a newer version of this program has written `source`.
        LedgerUnusable: one of them does not work, `source` is of another version, `target` has
            rows, a row of `source` is damaged, or other rows arrived.
    """
    with target.apart(AccessKind.WRITE) as new:
        _require_empty(new, target.place)
        with source.apart(AccessKind.READ) as old:
            _be_patient(old)
            _require_newest(old, source.place)
            # Those that others refer to come first; without those of processes that run, or have
            # run, there.
            sent = {
                table: _copy_rows(old, new, table, source.place)
                for table in metadata.sorted_tables
                if table not in OF_PROCESSES
            }
        # Afterwards, because a server does not wait for ever while its rows are compared.
        for table, rows in sent.items():
            arrived = _Sum()
            for row in _rows(new, table):
                arrived.add(row)
            if arrived != rows:
                raise LedgerUnusable(target.place, f"other rows arrived in {table.name}")
            _count_on(new, table)
    return {table.name: rows.count for table, rows in sent.items()}


def _be_patient(reader: Connection) -> None:
    """Let a server wait for a disk that is slow to take its rows: a reader holds none of them."""
    if reader.dialect.name != "sqlite":
        reader.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")


def _require_newest(connection: Connection, place: LedgerPlace) -> None:
    refuse_foreign_tables(connection, place)
    require_known(connection, place)
    version = version_of(connection)
    if not version:
        raise LedgerUnusable(place, "there is no ledger in it; has the bot ever run here?")
    if version != VERSION:
        raise LedgerUnusable(
            place,
            f"it has schema {version}, and this version of the bot {VERSION}; take the version"
            " that wrote it, or start the bot on it once",
        )
    require_tables(connection, place)


def _require_empty(connection: Connection, place: LedgerPlace) -> None:
    connection.execute(state.delete().where(_PROBE))
    for table in metadata.sorted_tables:
        # A run would be taken for one of the job that gets its number.
        if table in OF_PROCESSES and table is not runs:
            continue
        if connection.execute(select(table).limit(1)).first() is not None:
            remedy = "; make a new database" if isinstance(place, LedgerServer) else ""
            raise LedgerUnusable(place, f"it is not empty: there are rows in {table.name}{remedy}")


async def require_nothing_left(database: Database, path: Path) -> None:
    """Refuse a ledger on a server that is new while the file that was the ledger before still has
    work: its links would never end, and its senders hear nothing. A file that is none is ignored.

    Raises:
        LedgerUnusable: `path` has unfinished jobs, or objects that are to be removed.
    """
    if await database.read(_is_used):
        return
    unfinished, kept = await asyncio.to_thread(_left_in, path)
    if unfinished or kept:
        raise LedgerUnusable(
            database.place,
            f"it is new, and {path} has {unfinished} unfinished jobs and {kept} files whose links"
            " have to end: copy them with relay-bot ledger move --to server, or move that file"
            " away",
        )


def _is_used(connection: Connection) -> bool:
    return any(
        connection.execute(select(table.c.id).limit(1)).first() is not None
        for table in (jobs, objects)
    )


def _left_in(path: Path) -> tuple[int, int]:
    """Return how many jobs of a file are unfinished, and how many objects are not gone."""
    with suppress(sqlite3.Error), closing(_read_only(path)) as raw:
        found: tuple[int, int] = raw.execute(
            "SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL),"
            " (SELECT count(*) FROM objects WHERE state != ?)",
            (ObjectState.GONE.value,),
        ).fetchone()
        return found
    return 0, 0


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _rows(connection: Connection, table: Table) -> Iterator[RowMapping]:
    streaming = select(table).execution_options(yield_per=BATCH)
    with connection.execute(streaming) as result:
        yield from result.mappings()


def _copy_rows(old: Connection, new: Connection, table: Table, place: LedgerPlace) -> _Sum:
    sent = _Sum()
    batch: list[dict[str, Any]] = []
    for row in _rows(old, table):
        if damaged := damaged_columns(table, row):
            key = row[next(iter(table.primary_key.columns)).name]
            where = f"{table.name} {key}: {', '.join(damaged)}"
            raise LedgerUnusable(place, f"a row cannot be read, start the bot once ({where})")
        sent.add(row)
        batch.append(dict(row))
        if len(batch) == BATCH:
            new.execute(table.insert(), batch)
            batch = []
    if batch:
        new.execute(table.insert(), batch)
    return sent


def _count_on(connection: Connection, table: Table) -> None:
    """Let a server number new rows from the largest one on, as SQLite does by itself."""
    if connection.dialect.name == "sqlite" or table.autoincrement_column is None:
        return
    largest = connection.execute(select(func.max(table.c.id))).scalar()
    if largest is not None:
        sequence = func.pg_get_serial_sequence(table.name, "id")
        connection.execute(select(func.setval(sequence, largest)))
