"""A ledger: opening, migrating, reading and writing it, by a connection for each of both.
Operations are functions of a connection, in the modules of their tables.
"""

import asyncio
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters.ledger import sqlite
from bot.adapters.ledger.connection import (
    AccessKind,
    Backend,
    Conflict,
    ConnectionThread,
    Lease,
    LedgerState,
)
from bot.adapters.ledger.migration import version_of
from bot.adapters.ledger.recovery import UNITS, repair
from bot.adapters.ledger.rows import UnreadableRows
from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerClosed, LedgerLocked, LedgerTooNew, LedgerUnusable
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.core.ports.metrics import Metrics, NoMetrics

if TYPE_CHECKING:
    from bot.adapters.ledger.leases import LeaseKeeper

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


PATIENCE: Final = 30.0
"""Seconds (real) that a command waits for a ledger that is locked."""
LONGEST_PAUSE: Final = 2.0
"""Seconds (real) between two tries on a ledger that does not work."""
LOOK_EVERY: Final = 2.0
"""Seconds (real) between two looks at a ledger that no process writes to."""


class Database:
    """Reads beside writes, each in the order of their calls.

    An operation is a function of a connection. It returns values of the core, never a result that
    still needs the connection. It may be run again after the ledger has failed it, because nothing
    of it was committed then.
    """

    def __init__(self, place: LedgerPlace) -> None:
        self.place = place
        self.state = LedgerState()
        self.metrics: Metrics = NoMetrics()
        self._unreadable = UnreadableRows()
        self._backend = _backend(place, self._unreadable)
        self._writer = ConnectionThread(self._backend)
        self._reader = ConnectionThread(self._backend, AccessKind.READ)
        self.lease: Lease | None = None
        """The right to write that this process holds, where it needs one."""
        self.lost = asyncio.Event()
        """Set when another process has taken the right to run jobs from this one."""
        self.seen_since = 0.0
        """Since when (monotonic) the server was seen while this process waited for a lease."""
        self._endures = False
        self._closing = False
        self._waiting = 0
        self._waits: dict[object, str] = {}
        """Why operations wait, but for those that only failed by themselves."""

    @property
    def is_waited_for(self) -> bool:
        """Whether an operation waits for the ledger to work again."""
        return self._waiting > 0

    @property
    def waits_for(self) -> str:
        """What was wrong with the ledger for an operation that waits, also while others work, as
        those do on a full disk that take no room; empty if there is none.
        """
        return next(iter(self._waits.values()), "")

    def endure(self) -> None:
        """From now on wait for a ledger that does not work for as long as it takes: a full disk, a
        lock, a file that was deleted, or a server that is away is an operator's to cure, and costs
        no work.
        """
        self._endures = self._backend.endures = True

    def hurry(self) -> None:
        """From now on wait for no answer of a server for long: the process ends."""
        self._reader.hurry()
        self._writer.hurry()

    def fence_by(self, keeper: "LeaseKeeper") -> None:
        """From now on write only while this lease is held."""
        self.lost, self.seen_since = keeper.lost, keeper.seen_since
        self.lease = self._backend.lease = keeper.lease
        self._backend.why_not_renewed = lambda: keeper.failure
        keeper.lost_server = lambda hangs: self._reopen(hangs=hangs)

    async def write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation that may change something; see `ConnectionThread.run`.

        Raises:
            LedgerUnusable: the ledger does not work, and is not to be waited for (any more).
        """
        call = _bind(operation, *args, **kwargs)
        try:
            return await self._use(AccessKind.WRITE, self._writer, call)
        except LedgerUnusable as error:
            return await self._until_it_works(AccessKind.WRITE, self._writer, call, error)

    async def try_write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as `write` does, and wait for nothing.

        Raises:
            LedgerUnusable: the ledger does not work.
        """
        return await self._use(AccessKind.WRITE, self._writer, _bind(operation, *args, **kwargs))

    async def read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation that changes nothing in a read transaction: it sees one moment of
        the ledger, which later writes do not change.

        Raises:
            LedgerUnusable: see `write`.
        """
        call = _bind(operation, *args, **kwargs)
        try:
            return await self._use(AccessKind.READ, self._reader, call)
        except LedgerUnusable as error:
            return await self._until_it_works(AccessKind.READ, self._reader, call, error)

    async def try_read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as `read` does, and wait for nothing.

        Raises:
            LedgerUnusable: the ledger does not work.
        """
        return await self._use(AccessKind.READ, self._reader, _bind(operation, *args, **kwargs))

    async def read_together(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> T:
        """Do as `read` does, once for all callers that wait for `what`: `operation` gets their
        number, and returns a result for each.
        """
        return await self._together(AccessKind.READ, self._reader, what, operation)

    async def write_together(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> T:
        """Do as `write` does, once for all callers that wait for `what`."""
        return await self._together(AccessKind.WRITE, self._writer, what, operation)

    async def _together(
        self,
        access: AccessKind,
        thread: ConnectionThread,
        what: Hashable,
        operation: Callable[[Connection, int], Sequence[T]],
    ) -> T:
        try:
            return await self._used(access, thread.run_together(what, operation))
        except LedgerUnusable as error:
            return await self._until_it_works(
                access, thread, lambda connection: operation(connection, 1)[0], error
            )

    async def _use(
        self, access: AccessKind, thread: ConnectionThread, call: Callable[[Connection], T]
    ) -> T:
        return await self._used(access, thread.run(call))

    async def _used(self, access: AccessKind, run: Coroutine[Any, Any, T]) -> T:
        if self._closing:
            run.close()
            raise LedgerClosed(self.place, "it was closed")
        try:
            result = await run
        except Conflict:
            raise
        except LedgerUnusable as error:
            self.state.failed(access, error)
            if self._backend.may_be_elsewhere(error):
                self._reopen(hangs=False)
            raise
        self.state.worked(access)
        if found := self._unreadable.take():
            await self._repair(found)
        return result

    def _reopen(self, *, hangs: bool) -> None:
        self._reader.reopen(hangs=hangs)
        self._writer.reopen(hangs=hangs)

    async def _repair(self, found: Mapping[tuple[str, Any], Sequence[str]]) -> None:
        """Take care of rows that cannot be read. Where that fails, they are found again."""
        for name, _ in found:
            self.metrics.unexpected_error(UNITS.get(name, name), "UnreadableRow")
        try:
            await self._writer.run(repair, found, datetime.now(UTC))
        except (LedgerUnusable, SQLAlchemyError) as error:
            self._unreadable.forget(found)
            log.error(  # noqa: TRY400 -- the ledger says what is wrong with the file.
                "cannot set rows aside", count=len(found), why=type(error).__name__
            )

    async def _until_it_works(
        self,
        access: AccessKind,
        thread: ConnectionThread,
        call: Callable[[Connection], T],
        error: LedgerUnusable,
    ) -> T:
        began, pause = time.monotonic(), 0.05
        self._waiting += 1
        try:
            while True:
                waited = time.monotonic() - began
                passes = waited < PATIENCE and self._backend.may_pass(error)
                if self._closing:
                    raise LedgerClosed(self.place, error.reason) from error
                if not (self._endures or passes):
                    raise error
                if self._backend.is_of_one(error):
                    self._waits.pop(call, None)
                else:
                    self._waits[call] = error.reason
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                try:
                    return await self._use(access, thread, call)
                except LedgerUnusable as again:
                    error = again
        finally:
            self._waits.pop(call, None)
            self._waiting -= 1

    @contextmanager
    def apart(self, access: AccessKind) -> Iterator[Connection]:
        """Open a connection of its own for one long transaction, in the thread that calls this. It
        is not cut off, and nothing of it is tried again.

        Raises:
            LedgerUnusable: the ledger does not work.
        """
        backend = self._backend
        with backend.translating(), backend.engine(access).connect() as connection:
            writes = access is AccessKind.WRITE
            with backend.transaction(connection) if writes else connection.begin():
                yield connection

    async def watch(self) -> None:
        """Look now and then whether the ledger is in place and works, also while it is not used;
        until cancelled.

        Raises:
            LedgerLocked: another process runs on the ledger now.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self.lost.is_set():
                raise LedgerLocked(f"another process has the lease on the ledger {self.place} now")
            with suppress(LedgerUnusable):
                if not self.state.trouble:
                    await self._look()
                elif not self.is_waited_for:
                    await self.try_read(version_of)
                    await self.probe()

    async def probe(self) -> None:
        """Write something that changes nothing.

        Raises:
            LedgerUnusable: the ledger cannot be written.
        """
        await self.try_write(self._backend.write_probe)

    async def sends(self) -> bool:
        """Return whether a command that sends files runs on this ledger."""
        return await self.read(self._backend.sends)

    async def _look(self) -> None:
        if self._backend.is_remote:
            await self.try_read(version_of)
            return
        try:
            await asyncio.to_thread(self._backend.require_in_place)
        except LedgerUnusable as error:
            self.state.failed(AccessKind.WRITE, error)

    async def close(self) -> None:
        """Close both connections; afterwards the write-ahead log is folded into the file.
        Operations that wait for the file fail. A second call does nothing.
        """
        if self._closing:
            return
        self._closing = True
        self._backend.give_up()
        await self._reader.close()
        await self._writer.close()


def _bind(
    operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> Callable[[Connection], T]:
    return lambda connection: operation(connection, *args, **kwargs)


def _backend(place: LedgerPlace, unreadable: UnreadableRows) -> Backend:
    if isinstance(place, Path):
        return sqlite.SqliteBackend(place, unreadable)
    # Here, because most installations have no driver for it, and it takes time to import.
    from bot.adapters.ledger.postgresql import PostgresBackend

    return PostgresBackend(place, unreadable)


class SqlPart:
    """One port of the ledger. Its methods run operations of a module, by `writes` and `reads`."""

    def __init__(self, database: Database) -> None:
        self._database = database


def writes(
    operation: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[SqlPart, P], Coroutine[Any, Any, T]]:
    """Make a method of a port that runs `operation` in one write transaction."""

    @wraps(operation)
    async def method(self: SqlPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(operation, *args, **kwargs)

    return method


def reads(
    operation: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[SqlPart, P], Coroutine[Any, Any, T]]:
    """Make a method of a port that runs `operation` in one read transaction."""

    @wraps(operation)
    async def method(self: SqlPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(operation, *args, **kwargs)

    return method


def migrate(place: LedgerPlace, *, alone: bool = False, create: bool = True) -> None:
    """Create the ledger, or bring an older one up to date. Blocks.

    `alone` says that no other process can run on it; `create` that one may be made.

    Raises:
        LedgerLocked: it is older, and a bot runs on it.
        LedgerTooNew: the ledger was written by a newer version of this program.
        LedgerUnusable: it cannot be opened, or is no ledger.
    """
    if isinstance(place, Path):
        sqlite.migrate(place)
        return
    from bot.adapters.ledger import postgresql

    postgresql.migrate(place, alone=alone, create=create)


@asynccontextmanager
async def open_database(place: LedgerPlace, *, create: bool = True) -> AsyncIterator[Database]:
    """Migrate and open the ledger; close it at the end.

    Raises:
        LedgerError: see `migrate`.
    """
    await asyncio.to_thread(migrate, place, create=create)
    async with _opened(place) as database:
        yield database


Waits = Callable[[str], None]
"""Is told what a process waits for, again and again."""


@asynccontextmanager
async def open_alone(place: LedgerPlace, *, waits: Waits | None = None) -> AsyncIterator[Database]:
    """Do as `open_database` does, for the only process that runs jobs on the ledger, or has them
    run. With `waits`, on a server, wait for others and for another version as long as it takes.

    Raises:
        LedgerLocked: another process does.
        LedgerError: see `migrate`.
    """
    if isinstance(place, Path):
        with sqlite.process_lock(place):
            async with open_database(place) as database:
                yield database
        return
    from bot.adapters.ledger import leases, postgresql

    async def make(keeper: leases.LeaseKeeper) -> None:
        if not await keeper.run(postgresql.is_current, place):
            await _patiently(waits, postgresql.make, place)

    backend = _backend(place, UnreadableRows())
    async with leases.keeping(backend, leases.BOT, waits=waits, first=make) as keeper:
        # A bot of another version may have held the lease meanwhile.
        if await keeper.run(version_of) != VERSION:
            await _patiently(waits, postgresql.migrate, place, alone=True)
        async with _opened(place) as database:
            database.fence_by(keeper)
            yield database


@asynccontextmanager
async def open_as_worker(
    place: LedgerServer, name: str, *, waits: Waits
) -> AsyncIterator[Database]:
    """Open a ledger on a server for the worker with this name. Wait for another one of this name,
    and while the ledger is of another version, as long as it takes.

    Raises:
        LedgerUnusable: the server cannot be used.
    """
    from bot.adapters.ledger import leases, postgresql

    async def make(keeper: leases.LeaseKeeper) -> None:
        while not await keeper.run(postgresql.is_current, place):
            await _patiently(waits, postgresql.make, place)
            if (version := await keeper.run(version_of)) != VERSION:
                waits(
                    f"the ledger has version {version}, this worker {VERSION}: a front migrates it"
                )
                await asyncio.sleep(LOOK_EVERY)

    backend = _backend(place, UnreadableRows())
    lease = f"{leases.WORKER}{name}"
    async with (
        leases.keeping(backend, lease, waits=waits, first=make) as keeper,
        _opened(place) as database,
    ):
        database.fence_by(keeper)
        yield database


async def _patiently(
    waits: Waits | None, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Change the schema in a thread; where something is to be waited for, wait while others run
    that have another version.
    """
    while True:
        try:
            return await asyncio.to_thread(change, *args, **kwargs)
        except (LedgerLocked, LedgerTooNew) as error:
            if waits is None:
                raise
            waits(str(error))
            await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def _opened(place: LedgerPlace) -> AsyncIterator[Database]:
    database = Database(place)
    try:
        yield database
    finally:
        await database.close()


async def bot_runs(place: LedgerPlace) -> bool:
    """Return whether a bot runs on the ledger.

    Raises:
        LedgerUnusable: the ledger cannot be used.
    """
    if isinstance(place, Path):
        return sqlite.bot_runs(place)
    from bot.adapters.ledger import leases

    async with _opened(place) as database:
        return bool(await database.read(leases.live, leases.BOT))


class SendingMark:
    """Marks this process as one that sends files, from `share` on."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack

    async def take_alone(self) -> bool:
        """Keep all other commands from beginning to send, if none sends now."""
        place = self._database.place
        if isinstance(place, Path):
            self._lock = sqlite.SendingLock(place)
            self._stack.callback(self._lock.close)
            return self._lock.take_alone()
        from bot.adapters.ledger import leases

        gate = leases.keeping(_backend(place, UnreadableRows()), leases.GATE)
        self._gate = AsyncExitStack()
        self._stack.push_async_exit(self._gate)
        keeper = await self._gate.enter_async_context(gate)
        return not await keeper.others(leases.SENDS)

    async def share(self) -> None:
        """Send together with all other commands."""
        place = self._database.place
        if isinstance(place, Path):
            self._lock.share()
            return
        from bot.adapters.ledger import leases

        name = f"{leases.SENDS}{uuid4().hex}"
        keeping = leases.keeping(_backend(place, UnreadableRows()), name)
        self._database.fence_by(await self._stack.enter_async_context(keeping))
        await self._gate.aclose()


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[SendingMark]:
    """Offer the mark of a command that sends files; remove it at the end of the block."""
    async with AsyncExitStack() as stack:
        yield SendingMark(database, stack)
