"""The ledger in a database on a PostgreSQL server: how it is opened and made, and what the errors
of the server mean. Imported only where `ledger.url` is set.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from bot.adapters.ledger.connection import AccessKind, Backend, Conflict
from bot.adapters.ledger.leases import BOT, SENDS, WORKER, fence_of, held_by_another, live
from bot.adapters.ledger.migration import (
    change_alone,
    create_tables,
    refuse_foreign_tables,
    require_known,
    require_tables,
    upgrade,
    version_of,
)
from bot.adapters.ledger.rows import NOTES, UnreadableRows, insert_for
from bot.adapters.ledger.schema import VERSION, make_indexes_partial, state
from bot.core.errors import LedgerLocked, LedgerUnusable
from bot.core.ports.ledger import LedgerServer

log = structlog.stdlib.get_logger(__name__)

make_indexes_partial()

FIRST_WITH_WORKERS: Final = "0007"
OLDEST: Final = 140000
"""The oldest version of the server that is supported, as libpq numbers it."""
STATEMENT_TIMEOUT: Final = 15.0
"""Seconds (real) for which the server works on a statement, or waits for a lock in it."""
IDLE_TIMEOUT: Final = 5.0
"""Seconds (real) for which the server waits for the next statement of a transaction: a process
that was stopped must not hold rows, nor commit much later what it has begun.
"""
CUT_OFF: Final = 25.0
"""Seconds (real) after which a server that does not answer, not even with a timeout, is left."""
SET_UP_HANGS_AFTER: Final = 5.0
"""The same for the first statement after a login, which takes no time: a lease ends soon."""
PATIENCE: Final = 30.0
"""Seconds (real) for which a command waits to learn whether its last change was stored."""
_DEFAULTS: Final = {
    "connect_timeout": "5",
    "application_name": "relay-bot",
    # A host that is gone is noticed within half a minute (source: PostgreSQL manual, "Parameter
    # Key Words").
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "client_encoding": "UTF8",
}
"""Parameters of a connection; the URL may have others."""
FIRST_WITH_TRANSACTION_TIMEOUT: Final = 170000


def _settings(version: int) -> dict[str, str]:
    """Return what a session needs, in the place of what the host has set for the login or the
    database. `version` is that of the server.
    """
    statement, idle = f"{STATEMENT_TIMEOUT * 1000:.0f}", f"{IDLE_TIMEOUT * 1000:.0f}"
    found = {
        "statement_timeout": statement,
        "lock_timeout": statement,
        "idle_in_transaction_session_timeout": idle,
        # A connection waits for its next use as long as it takes.
        "idle_session_timeout": "0",
        # Each operation is written for it; a stricter one fails those that meet.
        "default_transaction_isolation": "read committed",
        # Sessions of clients that vanished would count for hours (source: PostgreSQL manual, "TCP
        # Settings": the default is that of the system, two hours), until no login is left.
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "30000",
    }
    if version >= FIRST_WITH_TRANSACTION_TIMEOUT:
        # Backups and migrations are long transactions.
        found["transaction_timeout"] = "0"
    return found


_DURABLE: Final = (
    "set_config('synchronous_commit',"
    " coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false)"
)
"""What was committed is stored, or a crash of the server would lose accepted files."""
_NOTICES_AN_END: Final = (
    "CASE WHEN version() LIKE '%linux%'"
    " THEN set_config('client_connection_check_interval', '2000', false) END"
)
"""A statement that waits for a lock ends soon after its client. On other systems a server may
refuse the setting (source: PostgreSQL manual, "client_connection_check_interval").
"""
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""All that a reader asks sees one moment."""
_BEGIN_WRITE: Final = "BEGIN; SELECT pg_current_xact_id()"
"""Tells the number of the transaction, and with a lease its fence, in one round trip."""
_XACT: Final = "relay_xact"
"""Key of the number of the running transaction in `Connection.info`."""
# SQLSTATE classes and codes of faults of the server (source: PostgreSQL manual, appendix A); all
# others are defects of a statement.
_FAULTS: Final = re.compile(
    r"08...|28...|53...|57...|58...|F0...|XX00[12]|25006|25P0[34]|3[DF]000|42501|55P03|55006"
)
_READ_ONLY: Final = "25006"
_AWAY: Final = frozenset({"57P01", "57P02", "57P03"})
"""Those of a server that stops or starts."""
_COMES: Final = re.compile("starting up|shutting down|recovery|not yet accepting")
"""The same, refused at a login, of which libpq passes only the words on (source: `postmaster.c`).
In another language (`lc_messages`) they are not known, and count as a refusal.
"""
_CONFLICTS: Final = frozenset({"40001", "40P01", "25P03"})
"""Those after which the same transaction may succeed. 25P03: this process stood still for longer
than `IDLE_TIMEOUT`.
"""
_UNKNOWN_YET: Final = "22023"
"""`pg_xact_status` of a transaction that is not known yet, on a server that replaced the one that
began it.
"""


def reason_of(server: LedgerServer, error: psycopg.Error) -> str:
    """Return the message of the server or of libpq in one line, without the password."""
    text = error.diag.message_primary or str(error)
    line = " ".join(text.split())[:300] or type(error).__name__
    with suppress(psycopg.ProgrammingError):
        secret = conninfo_to_dict(server.url).get("password")
        if secret:
            line = line.replace(str(secret), "…")
    return line


@contextmanager
def using(server: LedgerServer) -> Iterator[None]:
    """Translate failures of the server and of the way to it.

    Raises:
        Conflict: the transaction was undone, and is to be run again.
        LedgerUnusable: the server is out of reach, refuses the login, or cannot write.
    """
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, psycopg.Error):
            raise
        if cause.sqlstate in _CONFLICTS:
            raise Conflict(server, reason_of(server, cause)) from error
        if not _is_fault(cause):
            raise
        raise LedgerUnusable(server, reason_of(server, cause)) from error


def _is_fault(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        # Of libpq: the connection broke, or could not be made.
        return isinstance(error, psycopg.OperationalError)
    return _FAULTS.fullmatch(error.sqlstate) is not None


def connect(server: LedgerServer, *, autocommit: bool = True) -> "psycopg.Connection[Any]":
    """Open a connection. Blocks.

    Raises:
        LedgerUnusable: the server is out of reach, refuses the login, or is not suitable.
    """
    with using(server):
        try:
            # Only what the URL leaves open, by its own parameters or those of the environment.
            wanted = parameters_of(server)
        except psycopg.ProgrammingError:
            # Its message repeats the URL.
            raise LedgerUnusable(server, "ledger.url is no URL of PostgreSQL") from None
        raw = psycopg.connect(server.url, autocommit=True, **wanted)  # type: ignore[arg-type] # Keywords of libpq.
    try:
        with using(server):
            _require_suitable(server, raw)
            _set_up(server, raw)
            raw.autocommit = autocommit
    except BaseException:
        raw.close()
        raise
    return raw


def _require_suitable(server: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    info = raw.info
    if info.server_version < OLDEST:
        wanted, found = OLDEST // 10000, info.server_version // 10000
        raise LedgerUnusable(server, f"PostgreSQL {wanted} or newer is needed, this is {found}")
    encoding = info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise LedgerUnusable(server, f"its encoding is {encoding}, UTF8 is needed")


def _set_up(server: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    """Limit what the session may take, in one round trip unless a pooler is between."""
    settings = _settings(raw.info.server_version).items()
    each = (f"set_config('{name}', '{value}', false)" for name, value in settings)
    set_all = f"SELECT {', '.join(each)}, {_DURABLE}, {_NOTICES_AN_END}, pg_is_in_recovery()"
    is_direct = f" WHERE pg_backend_pid() = {raw.info.backend_pid}"
    with limited(server, raw, SET_UP_HANGS_AFTER):
        found = raw.execute((set_all + is_direct).encode(), prepare=False).fetchone()
    if found is None:
        _require_session(server, raw)
        with limited(server, raw, SET_UP_HANGS_AFTER):
            found = raw.execute(set_all.encode(), prepare=False).fetchone()
    # Asked and not left to `target_session_attrs`: a pooler may repeat what the server was when it
    # was asked first.
    if found is not None and found[-1]:
        raise psycopg.OperationalError("it is a standby, and what it shows may be old")


def _require_session(server: LedgerServer, raw: "psycopg.Connection[Any]") -> None:
    """Refuse a pooler that gives each transaction a session of the server that others use too:
    the limits that are set for a session would be lost, and hold for other programs.

    One announces another process of the server than the one that answers, in every mode; so
    compare what answers with a second connection.
    """
    with limited(server, raw, SET_UP_HANGS_AFTER):
        found = {_session_of(raw)}
    with (
        closing(psycopg.connect(server.url, autocommit=True, connect_timeout=5)) as second,
        limited(server, second, CUT_OFF),
        limited(server, raw, CUT_OFF),
    ):
        second.execute("BEGIN", prepare=False)
        other = _session_of(second)
        # In a transaction the second one keeps the session that the first one has used.
        found.add(_session_of(raw))
        second.rollback()
    if len(found) > 1 or other in found:
        raise LedgerUnusable(
            server, "a pooler in transaction mode is between; use session mode, or the server"
        )


def _session_of(raw: "psycopg.Connection[Any]") -> int:
    """Return the process of the server that answers."""
    row = raw.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return int(row[0]) if row else 0


class PostgresBackend(Backend):
    """A database on a server. A writer and a reader have a connection each.

    Transactions begin by a statement of this class and not by the driver, because the number of
    the transaction has to be known before the commit: where the answer to a commit is lost, the
    server tells afterwards whether it was done.
    """

    cuts_off_after = CUT_OFF
    is_remote = True
    a_failure_ends_all = True

    def __init__(self, server: LedgerServer, unreadable: UnreadableRows) -> None:
        self.place = self._server = server
        self._given_up = threading.Event()
        self._engines = {access: self._engine(access, unreadable) for access in AccessKind}

    def _engine(self, access: AccessKind, unreadable: UnreadableRows) -> Engine:
        engine = _plain_engine(self._server, autocommit=True).execution_options(access=access)

        @event.listens_for(engine, "engine_connect")
        def note(connection: Connection) -> None:
            connection.info[NOTES] = unreadable

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            raw = connection.connection.dbapi_connection
            if access is AccessKind.READ:
                raw.execute(_BEGIN_READ, prepare=False)  # type: ignore[union-attr] # Of psycopg.
            else:
                connection.info[_XACT] = self._begin_write(raw)

        return engine

    def _begin_write(self, raw: Any) -> str:
        lease = self.lease
        asked = _BEGIN_WRITE if lease is None else f"{_BEGIN_WRITE}, {fence_of(lease.name)}"
        with raw.cursor() as cursor:
            cursor.execute(asked, prepare=False)
            cursor.nextset()
            xact, *fence = cursor.fetchone()
        if lease is not None and fence != [lease.fence]:
            raw.rollback()
            if fence == [None]:
                why = self.why_not_renewed()
                said = "the lease of this process was not renewed"
                raise LedgerUnusable(self._server, f"{said}: {why}" if why else said)
            raise LedgerLocked(f"{held_by_another(lease.name)} the ledger {self._server}")
        return str(xact)

    def engine(self, access: AccessKind) -> Engine:
        """Return the engine for connections of this kind."""
        return self._engines[access]

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Translate failures of the server and of the way to it."""
        with using(self._server):
            yield

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Begin a transaction, and commit it at the end of the block. Where the answer to the
        commit is lost, ask the server until it tells the outcome.
        """
        running = connection.begin()
        try:
            yield
        except BaseException:
            with suppress(SQLAlchemyError, psycopg.Error):
                running.rollback()
            raise
        xact = connection.info[_XACT]
        try:
            running.commit()
        except DBAPIError as error:
            # An error of a connection that lives is the refusal of the server.
            if not error.connection_invalidated or not self._was_committed(xact):
                raise

    def _was_committed(self, xact: str) -> bool:
        """Return whether a transaction was stored; wait for the server as long as it takes.

        Raises:
            LedgerUnusable: nothing is to be waited for any more.
        """
        began, pause = time.monotonic(), 0.1
        while True:
            with suppress(LedgerUnusable):
                status = self._status_of(xact)
                if status != "in progress":
                    return status == "committed"
            waits = self.endures or time.monotonic() - began < PATIENCE
            if self._given_up.wait(pause) or not waits:
                raise LedgerUnusable(
                    self._server, "it is not known whether the last change was stored"
                )
            pause = min(1.0, pause * 2)

    def _status_of(self, xact: str) -> str | None:
        with closing(connect(self._server)) as raw:
            try:
                with using(self._server), limited(self._server, raw, CUT_OFF):
                    found = raw.execute("SELECT pg_xact_status(%s::xid8)", (xact,)).fetchone()
            except psycopg.Error as error:
                if error.sqlstate == _UNKNOWN_YET:
                    return None
                raise
        return None if found is None else found[0]

    def is_of_one(self, error: LedgerUnusable) -> bool:
        """Return whether the connection lives: the server undid one statement."""
        cause = error.__cause__
        if isinstance(cause, DBAPIError):
            return not cause.connection_invalidated and getattr(cause.orig, "sqlstate", None) in {
                "57014",
                "55P03",
                *_CONFLICTS,
            }
        return False

    def is_away(self, error: LedgerUnusable) -> bool:
        """Return whether the server cannot be reached, or starts or stops."""
        cause = error.__cause__
        if isinstance(cause, DBAPIError):
            cause = cause.orig
        if not isinstance(cause, psycopg.Error):
            return False
        if cause.sqlstate is not None:
            return cause.sqlstate in _AWAY
        # From libpq: it found no server, or one that refused the login.
        return "FATAL" not in str(cause) or _COMES.search(str(cause)) is not None

    def may_be_elsewhere(self, error: LedgerUnusable) -> bool:
        """Return whether a connection was lost or refused, or takes no writes any more."""
        cause = error.__cause__
        if isinstance(cause, DBAPIError):
            is_read_only = getattr(cause.orig, "sqlstate", None) == _READ_ONLY
            return cause.connection_invalidated or is_read_only
        return isinstance(cause, psycopg.Error)

    def cut_off(self, connection: Connection) -> None:
        """End a visit of a server that does not answer, by its socket."""
        with suppress(SQLAlchemyError):
            raw = connection.connection.dbapi_connection
            if isinstance(raw, psycopg.Connection):
                cut_off(raw)

    def write_probe(self, connection: Connection) -> None:
        """Write one row, which says nothing."""
        values = {"name": "probe", "value": ""}
        statement = insert_for(connection, state).values(values)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": ""})
        )

    def sends(self, connection: Connection) -> bool:
        """Return whether a command that sends files holds a lease."""
        return bool(live(connection, SENDS))

    def give_up(self) -> None:
        """Wait no more for the outcome of a commit."""
        self._given_up.set()


def cut_off(raw: "psycopg.Connection[Any]") -> None:
    """End what waits on this connection in another thread: libpq sees the end of the stream."""
    with suppress(OSError, psycopg.Error):
        duplicate = os.dup(raw.fileno())
        with socket.socket(fileno=duplicate) as wire:
            wire.shutdown(socket.SHUT_RDWR)


@contextmanager
def limited(
    server: LedgerServer, raw: "psycopg.Connection[Any]", seconds: float
) -> Iterator[None]:
    """Cut a connection off on which the block waits for longer (real time)."""
    timer = threading.Timer(seconds, cut_off, (raw,))
    try:
        timer.start()
    except RuntimeError as error:
        # No thread can be started.
        raise LedgerUnusable(server, str(error)) from error
    try:
        yield
    finally:
        timer.cancel()


@lru_cache(maxsize=4)
def _plain_engine(server: LedgerServer, *, autocommit: bool) -> Engine:
    """Return the engine of this process for a server. It keeps no connections, but what it learned
    of the server and the statements that were compiled.
    """
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(server, autocommit=autocommit),
        poolclass=NullPool,
        # The server undoes what a closed connection has left.
        pool_reset_on_return=None,
        hide_parameters=True,
        use_native_hstore=False,
    )


def is_current(connection: Connection, server: LedgerServer) -> bool:
    """Return whether the tables are those of this version.

    Raises:
        LedgerUnusable: tables are missing.
    """
    if version_of(connection) != VERSION:
        return False
    require_tables(connection, server)
    return True


def make(server: LedgerServer) -> None:
    """Create the tables where there are none, and change no older ones. Blocks.

    Raises:
        LedgerTooNew: the ledger was written by a newer version of this program.
        LedgerUnusable: the server cannot be used, or the database belongs to another program.
    """
    with schema_of(server) as connection:
        if not version_of(connection):
            _change(connection, server)
        require_known(connection, server)


def migrate(server: LedgerServer, *, alone: bool = False, create: bool = True) -> None:
    """Create the tables, or bring older ones up to date. Blocks.

    `alone` says that this process holds the lease of the bot; `create` that tables may be made.

    Raises:
        LedgerLocked: the tables are older, and a bot runs on them.
        LedgerTooNew: the ledger was written by a newer version of this program.
        LedgerUnusable: the server cannot be used, or the database belongs to another program.
    """
    with schema_of(server) as connection:
        version = version_of(connection)
        if not version and not create:
            raise LedgerUnusable(server, "there is no ledger in it; has the bot ever run here?")
        if version != VERSION:
            require_known(connection, server)
            if version and not alone and live(connection, BOT):
                raise LedgerLocked(f"a bot of another version runs on the ledger {server}")
            # Earlier versions have no workers, and perhaps no leases.
            if version >= FIRST_WITH_WORKERS and live(connection, WORKER):
                raise LedgerLocked(f"workers of another version run on the ledger {server}")
            _change(connection, server)
        require_tables(connection, server)


def change(server: LedgerServer, what: "Callable[[psycopg.Connection[Any]], None]") -> None:
    """Change what else is in the database, while no other process changes its tables. Blocks.

    Raises:
        LedgerUnusable: the server cannot be used.
    """
    with schema_of(server) as connection:
        connection.rollback()
        change_alone(connection)
        what(connection.connection.dbapi_connection)  # type: ignore[arg-type] # Of psycopg.
        connection.commit()


def parameters_of(server: LedgerServer) -> dict[str, str]:
    """Return what a connection of another library has to be opened with, beside the URL."""
    given = conninfo_to_dict(server.url)
    # Of several hosts the one that can write now: after a failover it is another one.
    several = {"target_session_attrs": "read-write"} if "," in str(given.get("host")) else {}
    return {key: value for key, value in {**_DEFAULTS, **several}.items() if key not in given}


def look(server: LedgerServer) -> tuple[str, bool]:
    """Return the version of the tables, "" without any, and whether a bot runs on them; change
    nothing. Blocks.

    Raises:
        LedgerUnusable: the server cannot be used, the database belongs to another program, or
            tables are missing.
    """
    with schema_of(server) as connection:
        refuse_foreign_tables(connection, server)
        version = version_of(connection)
        if version != VERSION:
            # Older ones may have no leases.
            return version, False
        require_tables(connection, server)
        return version, bool(live(connection, BOT))


@contextmanager
def schema_of(server: LedgerServer) -> Iterator[Connection]:
    """Open a connection of its own; what is not committed at the end is undone. Blocks.

    Raises:
        LedgerUnusable: the server cannot be used.
    """
    engine = _plain_engine(server, autocommit=False)
    with using(server), engine.connect() as connection:
        yield connection
        connection.rollback()


def _change(connection: Connection, server: LedgerServer) -> None:
    connection.rollback()
    # Indexes of a large ledger take longer to build than any other statement.
    for timeout in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {timeout} = 0")
    change_alone(connection)
    refuse_foreign_tables(connection, server)
    version = version_of(connection)
    if not version:
        create_tables(connection)
    elif version != VERSION:
        upgrade(connection, server)
