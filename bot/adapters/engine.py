"""The engine that carries runs to workers: Procrastinate, in the database of the ledger.

A job of the engine holds the id of a run and nothing else. The ledger decides about every run, so
it harms nothing when the engine runs a job twice, late, or loses it; and the engine never tries
one again. A fetched run is handled in a task of its own: the engine's worker ends whenever it
loses its connection, and what it has fetched goes on.
"""

import asyncio
import logging
import os
import re
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from hashlib import sha256
from socket import SHUT_RDWR, socket
from typing import Any, Final, LiteralString
from weakref import WeakSet

import psycopg
import structlog
from procrastinate import (
    App,
    JobContext,
    PsycopgConnector,
    SyncPsycopgConnector,
    __version__,
)
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager

from bot.core.errors import LedgerTooNew, LedgerUnusable
from bot.core.ports.ledger import LedgerServer

log = structlog.stdlib.get_logger(__name__)

TASK: Final = "relay"
CHANNEL: Final = "relay_runs"
"""Hears of every change of a run."""
FETCH_EVERY: Final = 0.5
"""Seconds (real) between two looks for work of an idle worker, where a notification is lost."""
ABORTS_EVERY: Final = 1.0
"""Seconds (real) between two looks for aborts, where a notification is lost."""
HEARTBEAT_EVERY: Final = 3.0
STALLED_AFTER: Final = 15.0
"""Seconds without a heartbeat after which a worker counts as dead: more than a lease of the ledger
lasts, so that the ledger knows it earlier.
"""
CONNECTIONS: Final = 4
"""Of a worker, and one more to listen."""
POOL_PATIENCE: Final = 2.0
"""Seconds (real) for which a statement of the engine waits for a connection that works."""
LONGEST_PAUSE: Final = 2.0
"""Seconds (real) between two tries while the database is away."""
ANSWERS_WITHIN: Final = 5.0
"""Seconds (real) for a statement that neither reads nor waits for anything."""
SILENCE: Final = 20.0
"""Seconds (real) after which a connection that hears nothing is asked whether it lives."""
HANGS_AFTER: Final = 25.0
"""Seconds (real) for a statement with all that it waits for, more than the server gives it: a
proxy keeps connections open, and answers for them, when its server is gone.
"""
_SET_UP: Final = (
    "SET statement_timeout = 15000; SET lock_timeout = 15000;"
    " SET idle_in_transaction_session_timeout = 5000; SET idle_session_timeout = 0;"
    " SET default_transaction_isolation = 'read committed';"
    " SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10;"
    " SET tcp_keepalives_count = 3; SET tcp_user_timeout = 30000;"
    " DO $$ BEGIN IF pg_is_in_recovery() THEN"
    " RAISE 'it is a standby, and what it shows may be old' USING ERRCODE = '57P03';"
    " END IF; END $$"
)
"""In the place of what the host has set for the login or the database; as the ledger does it."""

# Three lines for each job, and one for each try to connect.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

_OFFLINE: Final = JobManager(SyncPsycopgConnector())
"""Works on connections that it is given, and has none."""


def has_tables(raw: "psycopg.Connection[Any]") -> bool:
    """Return whether the engine has its tables, as this version of it needs them.

    Raises:
        LedgerTooNew: they are of a newer version.
    """
    found, made = _tables(raw)
    if made is None or made["schema"] == _fingerprint():
        # Without our comment they are another program's, and as they are.
        return found
    if _numbers(made["version"]) > _numbers(__version__):
        raise LedgerTooNew(
            f"the engine's tables were made by Procrastinate {made['version']}, this program"
            f" has {__version__}: install that version or a newer one"
        )
    return False


def make_tables(raw: "psycopg.Connection[Any]") -> None:
    """Create the engine's tables where there are none, as a part of the connection's transaction;
    make those of an older version of it anew, because the ledger has all that was in them. Only
    under the lock for changes of the schema: two processes at once would both fail.

    Raises:
        LedgerTooNew: they are of a newer version.
    """
    if has_tables(raw):
        return
    if _tables(raw)[0]:
        raw.execute(_DROP)
    raw.execute(SchemaManager.get_schema())
    said = f"relay-bot, Procrastinate {__version__}, {_fingerprint()}"
    raw.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{said}'")


def _tables(raw: "psycopg.Connection[Any]") -> tuple[bool, re.Match[str] | None]:
    """Return whether there are tables, and what we said of them when we made them."""
    row = raw.execute(
        "SELECT oid IS NOT NULL, obj_description(oid, 'pg_class')"
        " FROM (SELECT to_regclass('procrastinate_jobs')::oid AS oid) AS found"
    ).fetchone()
    found, said = row or (False, None)
    return found, _MADE.fullmatch(said or "")


def _fingerprint() -> str:
    return sha256(SchemaManager.get_schema().encode()).hexdigest()[:16]


_MADE: Final = re.compile(
    r"relay-bot, Procrastinate (?P<version>[0-9][0-9a-z.]*), (?P<schema>[0-9a-f]{16})"
)
"""The comment of the table by which tables are known that this program has made."""
_DROP: Final = r"""
DO $$
DECLARE
    place oid := (SELECT relnamespace FROM pg_class WHERE oid = 'procrastinate_jobs'::regclass);
    one record;
BEGIN
    FOR one IN SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = place AND relkind = 'r' AND relname LIKE 'procrastinate\_%'
    LOOP EXECUTE format('DROP TABLE %s CASCADE', one.name); END LOOP;
    FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = place AND proname LIKE 'procrastinate\_%'
    LOOP EXECUTE format('DROP FUNCTION %s CASCADE', one.name); END LOOP;
    FOR one IN SELECT oid::regtype AS name FROM pg_type
        WHERE typnamespace = place AND typname LIKE 'procrastinate\_%'
    LOOP EXECUTE format('DROP TYPE %s CASCADE', one.name); END LOOP;
END $$
"""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version)[:3])


def defer(raw: "psycopg.Connection[Any]", run_id: int, place: str) -> int:
    """Give a run to the engine, as a part of the connection's transaction; return its number."""
    job = Job(
        id=None,
        queue=place,
        lock=None,
        # Dedupes only what waits; the ledger refuses what runs.
        queueing_lock=f"run:{run_id}",
        task_name=TASK,
        task_kwargs={"run": run_id},
    )
    with _errors_of_driver():
        deferred = _OFFLINE.defer_job(job, connection=raw)
    assert deferred.id is not None  # noqa: S101 -- for the type checker.
    return deferred.id


def withdraw(raw: "psycopg.Connection[Any]", number: int) -> None:
    """Take back what waits, and abort what is handled, as a part of the connection's
    transaction.
    """
    with _errors_of_driver():
        _OFFLINE.cancel_job_by_id(number, abort=True, delete_job=True, connection=raw)


@contextmanager
def _errors_of_driver() -> Iterator[None]:
    """Raise what the driver has raised: the ledger knows what it means for its transaction."""
    try:
        yield
    except ProcrastinateException as error:
        if isinstance(error.__cause__, psycopg.Error):
            raise error.__cause__ from error
        raise


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


class _Manager(JobManager):
    def __init__(self, connector: BaseConnector, works: Callable[[], None]) -> None:
        super().__init__(connector)
        self._works = works

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Fetch a job, and note that this works."""
        job = await super().fetch_job(queues, worker_id)
        self._works()
        return job

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 -- the library's signature.
        """Finish a job, if it is still there. One that cannot be finished is forgotten later, by
        `known`; the ledger has its outcome.
        """
        with suppress(ProcrastinateException):
            await super().finish_job(job, status, delete_job)


class _Connector(PsycopgConnector):
    """Cuts its connections off when one of them does not answer: the library would wait for ever,
    also when it is cancelled.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(configure=self._configure, **options)
        self._open = WeakSet[psycopg.AsyncConnection[Any]]()

    async def _configure(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._open.add(connection)
        await _execute(connection, _SET_UP)
        if not connection.autocommit:
            await connection.commit()

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        with self._limited():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        with self._limited():
            found: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
            return found

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        with self._limited():
            found: list[dict[str, Any]] = await super().execute_query_all_async(query, **arguments)
            return found

    @contextmanager
    def _limited(self) -> Iterator[None]:
        timer = asyncio.get_running_loop().call_later(HANGS_AFTER, self._cut_off)
        try:
            yield
        finally:
            timer.cancel()

    def _cut_off(self) -> None:
        log.warning("the database does not answer the engine: its connections are closed")
        for connection in list(self._open):
            _cut(connection)


class ProcrastinateEngine:
    """Implements `Engine`. `parameters` are those of connections, beside the URL; `place` is that
    of the runs to be known, without which those of all places are.
    """

    def __init__(
        self, server: LedgerServer, parameters: Mapping[str, str], place: str | None = None
    ) -> None:
        self._server = server
        self._place = place
        self._parameters = dict(parameters)
        self._handled: set[asyncio.Task[None]] = set()
        self._trouble = ""

    def _connector(self, connections: int) -> PsycopgConnector:
        return _Connector(
            conninfo=self._server.url,
            kwargs=self._parameters,
            min_size=1,
            max_size=connections,
            timeout=POOL_PATIENCE,
        )

    async def known(self) -> Collection[int]:
        """Remove what has stalled; return the numbers of the rest. What waits at another place is
        not among them: settings have changed since, and no worker may ever come for it.
        """
        async with self._opened(App(connector=self._connector(1))) as app:
            manager = app.job_manager
            stalled = await manager.get_stalled_jobs(
                task_name=TASK, seconds_since_heartbeat=STALLED_AFTER
            )
            for number in [job.id for job in stalled if job.id is not None]:
                # A worker that was only slow may have ended it meanwhile.
                with suppress(ProcrastinateException):
                    await manager.finish_job_by_id_async(number, Status.FAILED, delete_job=True)
            known = await manager.list_jobs_async(task=TASK, queue=self._place)
            alive = {Status.TODO.value, Status.DOING.value}
            return {job.id for job in known if job.id is not None and job.status in alive}

    @asynccontextmanager
    async def _opened(self, app: App) -> AsyncIterator[App]:
        try:
            # A pool waits longer before each try, and would be late when the database is back.
            await (await self._connect()).close()
            async with app.open_async():
                yield app
        except (ProcrastinateException, psycopg.Error) as error:
            raise LedgerUnusable(self._server, f"its engine: {_reason(error)}") from error

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` whenever a run has changed, and when it could have been missed."""
        while True:
            with suppress(psycopg.Error, OSError):
                await self._hear(heard)
            await asyncio.sleep(LONGEST_PAUSE / 2)

    async def _connect(self) -> "psycopg.AsyncConnection[Any]":
        parameters: dict[str, Any] = self._parameters
        return await psycopg.AsyncConnection.connect(
            self._server.url, autocommit=True, **parameters
        )

    async def _hear(self, heard: Callable[[str], None]) -> None:
        async with await self._connect() as connection:
            await _execute(connection, f"{_SET_UP}; LISTEN {CHANNEL}")
            heard("")
            while True:
                async for notification in connection.notifies(timeout=SILENCE):
                    heard(notification.payload)
                await _execute(connection, "SELECT 1")

    async def work(
        self,
        slots: int,
        place: str,
        handle: Callable[[int], Awaitable[None]],
        aborted: Callable[[], None],
    ) -> None:
        """Fetch runs and handle them, until cancelled."""
        pause, is_away = 0.1, False
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._work_once(slots, place, handle, aborted)
                # It ends so when it has lost its connection for notifications.
                log.warning("the engine has lost its connection to the database, and starts again")
                is_away = False
            except LedgerUnusable as error:
                self._trouble = error.reason
                # One line for each outage.
                if not is_away or asyncio.get_running_loop().time() - began > SILENCE:
                    log.warning("the engine cannot use its database", why=error.reason)
                is_away = True
            lasted = asyncio.get_running_loop().time() - began
            pause = 0.1 if lasted > SILENCE else min(LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(pause)

    async def _work_once(
        self,
        slots: int,
        place: str,
        handle: Callable[[int], Awaitable[None]],
        aborted: Callable[[], None],
    ) -> None:
        # A new one each time: a pool that could not be opened counts as open.
        app = App(connector=self._connector(CONNECTIONS))
        app.job_manager = _Manager(app.connector, self._works)

        @app.task(name=TASK, pass_context=True)
        async def relay(context: JobContext, run: int) -> None:
            await self._handle(context, handle(run), aborted)

        async with self._opened(app):
            await app.run_worker_async(
                queues=[place],
                concurrency=slots,
                fetch_job_polling_interval=FETCH_EVERY,
                abort_job_polling_interval=ABORTS_EVERY,
                # What is handled goes on without the engine's worker.
                shutdown_graceful_timeout=0.0,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_EVERY,
                stalled_worker_timeout=2 * STALLED_AFTER,
            )

    def _works(self) -> None:
        self._trouble = ""

    async def trouble(self) -> str:
        """Return why no run is fetched, or nothing."""
        return self._trouble

    async def _handle(
        self, context: JobContext, work: Awaitable[None], aborted: Callable[[], None]
    ) -> None:
        task = asyncio.ensure_future(work)
        self._handled.add(task)
        task.add_done_callback(self._handled.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if context.abort_reason() is not AbortReason.USER_REQUEST:
                raise
            # The ledger says what is to be stopped.
            aborted()
            await asyncio.shield(task)


async def _execute(connection: "psycopg.AsyncConnection[Any]", statement: LiteralString) -> None:
    """Execute a statement that takes no time; end a connection that does not answer."""
    timer = asyncio.get_running_loop().call_later(ANSWERS_WITHIN, _cut, connection)
    try:
        await connection.execute(statement)
    finally:
        timer.cancel()


def _cut(connection: "psycopg.AsyncConnection[Any]") -> None:
    """End what waits on a connection: libpq sees the end of the stream."""
    with suppress(OSError, psycopg.Error), socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(SHUT_RDWR)
