"""A connection in a thread of its own, whether the file behind it is in place, and what errors of
SQLite mean."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Concatenate, Final, Generic, NoReturn, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from bot.core.errors import LedgerUnusable
from bot.transfer.pool import to_the_end

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FILE_FAULTS: Final = _DAMAGE | {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
"""Result codes of faults of the file or its disk; all others are defects of a statement."""
_PRIMARY: Final = 0xFF
"""The part of an extended result code that is the primary one (source: sqlite.org/rescode)."""


def is_damage(error: DatabaseError) -> bool:
    """Return whether an error says that the file is damaged or no ledger. A full disk, a lock or a
    missing right say nothing about the file.
    """
    return _primary_code(error) in _DAMAGE


def is_lock(error: DatabaseError) -> bool:
    """Return whether an error says that another process has locked the file."""
    return _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _primary_code(error: DatabaseError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & _PRIMARY


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Translate every failure to open or migrate the ledger at `path`, or a lock beside it.

    Raises:
        LedgerUnusable: the system or SQLite refuses it.
    """
    try:
        yield
    except OSError as error:
        place = "" if error.filename in {None, str(path)} else f" ({error.filename})"
        raise LedgerUnusable(path, f"{error.strerror or error}{place}") from error
    except DatabaseError as error:
        raise LedgerUnusable(path, str(error.orig)) from error


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Translate failures of the file itself while the ledger at `path` is open. Errors of
    statements propagate unchanged, because they are defects and need their traceback.

    Raises:
        LedgerUnusable: the file is damaged, or the disk cannot read or write it.
    """
    try:
        yield
    except DatabaseError as error:
        if _primary_code(error) not in _FILE_FAULTS:
            raise
        raise LedgerUnusable(path, str(error.orig)) from error


_MOVED: Final = "the file was deleted or replaced while it was open; put it back"


class FileUse(StrEnum):
    """A kind of access; reads may work where writes do not, as on a full disk."""

    READ = "read"
    WRITE = "write"


class LedgerFile:
    """The file at `path` as it was when this was made. The log has one line when it stops to work
    and one when it works again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _identify(path)
        self._troubles: dict[FileUse, str] = {}
        self.in_trouble = asyncio.Event()
        """Set while there is trouble; only the thread of the event loop notes it."""

    @property
    def trouble(self) -> str:
        """What was wrong at the latest access, in words; empty if nothing."""
        return next(iter(self._troubles.values()), "")

    def is_in_place(self) -> bool:
        """Return whether the path leads to the file that was opened. May be called from any
        thread.
        """
        return _identify(self.path) == self._identity

    def require_in_place(self) -> None:
        """Refuse a write that the next start would not find.

        Raises:
            LedgerUnusable: the file was deleted or replaced.
        """
        if not self.is_in_place():
            raise LedgerUnusable(self.path, _MOVED)

    def failed(self, access: FileUse, error: LedgerUnusable) -> None:
        """Note that an access failed."""
        if not self._troubles:
            log.error("ledger cannot be used, nothing is taken in", why=error.reason)
        self._troubles[access] = error.reason
        self.in_trouble.set()

    def worked(self, access: FileUse) -> None:
        """Note that an access worked."""
        if self._troubles.pop(access, None) is not None and not self._troubles:
            self.in_trouble.clear()
            log.info("ledger can be used again")


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one, `None` where there is none."""
    with opening(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_dev, found.st_ino


P = ParamSpec("P")

LARGEST_GROUP: Final = 64
"""Operations of one visit: the first of a long line do not wait for the last one."""


class _Call(Generic[T]):
    """An operation that waits for the thread, and its outcome."""

    def __init__(self, operation: Callable[[Connection], T]) -> None:
        self.operation = operation
        self.has_begun = self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self._waiter = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Note that it is handed to the thread."""
        self.has_begun = True

    def settle(self, error: BaseException | None) -> None:
        """Wake the caller; `error` is that of the whole group."""
        self.error = error or self.error
        self.is_done = True
        if not self._waiter.done():
            self._waiter.set_result(None)

    async def outcome(self, withdraw: Callable[["_Call[T]"], None]) -> T:
        """Wait for the end. On cancel, `withdraw` the call if it has not begun, otherwise wait for
        its end before re-raising, so that the caller finds everything as it stays.
        """
        cancel: asyncio.CancelledError | None = None
        while not self.is_done:
            try:
                await self._waiter
            except asyncio.CancelledError as error:
                if not self.has_begun:
                    withdraw(self)
                    raise
                cancel = error
                self._waiter = asyncio.get_running_loop().create_future()
        if cancel is not None:
            raise cancel from self.error
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value] # Done without an error.


def _not_run(_: Connection) -> NoReturn:
    """Stand for the operation of a caller that another call serves."""
    raise AssertionError


class _Shared(_Call[Sequence[T]]):
    """One operation for several callers, of which each gets one of its results."""

    def __init__(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> None:
        super().__init__(lambda connection: operation(connection, len(self.callers)))
        self.what = what
        self.callers: list[_Call[T]] = []

    def join(self) -> _Call[T]:
        """Add a caller."""
        caller = _Call[T](_not_run)
        self.callers.append(caller)
        return caller

    def begin(self) -> None:
        """Note it for all callers, of whom none is added or leaves any more."""
        super().begin()
        for caller in self.callers:
            caller.begin()

    def settle(self, error: BaseException | None) -> None:
        """Wake all callers."""
        super().settle(error)
        for number, caller in enumerate(self.callers):
            if self.result is not None and self.error is None:
                caller.result = self.result[number]
            caller.settle(self.error)


class ConnectionThread:
    """A connection and the only thread that uses it.

    A transaction is one call in the thread. An asynchronous driver makes ten calls for each
    transaction, and every one of them waits for the interpreter's lock while the event loop is
    busy.

    Callers that wait when the thread becomes free are served together, in the order of their
    calls: in one transaction, each with a savepoint of its own where it `writes`. An operation
    that raises undoes itself alone. If the transaction itself fails, nothing of it was stored and
    every caller gets that error. A lone caller waits for no other.

    `check` is called in the thread before each transaction.
    """

    def __init__(
        self,
        engine: Engine,
        file: LedgerFile | None = None,
        *,
        writes: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._file = file
        self._writes = writes
        self._check = check
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: Connection | None = None
        self._waiting: deque[_Call[Any]] = deque()
        self._shared: dict[Hashable, _Shared[Any]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `operation` on the connection: what it did is committed when this returns, and
        undone when this raises. Operations run in the order of the calls.

        If the caller is cancelled, an operation that has not begun never runs; wait for the end of
        one that has before re-raising.
        """
        call = _Call(lambda connection: operation(connection, *args, **kwargs))
        self._wait(call)
        return await call.outcome(self._waiting.remove)

    async def run_together(
        self, what: Hashable, operation: Callable[[Connection, int], Sequence[T]]
    ) -> T:
        """Do as `run` does, once for all callers that wait for `what` when it begins: `operation`
        gets their number, and returns a result for each.
        """
        shared = self._shared.get(what)
        if shared is None:
            shared = self._shared[what] = _Shared(what, operation)
            self._wait(shared)
        call = shared.join()

        def withdraw(caller: _Call[T]) -> None:
            shared.callers.remove(caller)
            if not shared.callers:
                self._waiting.remove(shared)
                del self._shared[what]

        return await call.outcome(withdraw)

    def _wait(self, call: _Call[Any]) -> None:
        self._waiting.append(call)
        if self._idle.is_set():
            self._idle.clear()
            # At the end of this turn of the loop, so that all that is asked in it is one visit.
            asyncio.get_running_loop().call_soon(self._visit)

    def _visit(self) -> None:
        """Hand all that waits to the thread."""
        count = min(len(self._waiting), LARGEST_GROUP)
        group = [self._waiting.popleft() for _ in range(count)]
        if not group:
            # All were cancelled before it began.
            self._idle.set()
            return
        for call in group:
            call.begin()
            if isinstance(call, _Shared):
                del self._shared[call.what]
        loop = asyncio.get_running_loop()
        visit = self._executor.submit(self._transact, group)
        visit.add_done_callback(lambda done: loop.call_soon_threadsafe(self._visited, group, done))

    def _visited(self, group: Sequence[_Call[Any]], visit: "Future[None]") -> None:
        # First, so that the thread works while the callers of this group go on.
        if self._waiting:
            self._visit()
        else:
            self._idle.set()
        for call in group:
            call.settle(visit.exception())

    def _transact(self, group: Sequence[_Call[Any]]) -> None:
        try:
            with self._translating():
                self._begin(group)
        except LedgerUnusable:
            # The next try opens the file anew, unless the path leads to another one: what was
            # deleted can still be read by the connection.
            if self._file is not None and self._file.is_in_place():
                self._forget()
            raise

    def _translating(self) -> AbstractContextManager[None]:
        return nullcontext() if self._file is None else using(self._file.path)

    def _begin(self, group: Sequence[_Call[Any]]) -> None:
        self._check()
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            if len(group) == 1:
                # Raises through the transaction, which undoes it.
                group[0].result = group[0].operation(self._connection)
                return
            for call in group:
                self._one_of_several(self._connection, call)

    def _one_of_several(self, connection: Connection, call: _Call[Any]) -> None:
        # By the driver: a savepoint of SQLAlchemy costs more than most operations.
        cursor = connection.connection.cursor()
        if self._writes:
            cursor.execute("SAVEPOINT one")
        try:
            with self._translating():
                call.result = call.operation(connection)
        except LedgerUnusable:
            # Of the file: SQLite may have undone the whole transaction.
            raise
        except Exception as error:  # noqa: BLE001 -- re-raised to its caller.
            call.error = error
            if self._writes:
                cursor.execute("ROLLBACK TO one")
        if self._writes:
            cursor.execute("RELEASE one")
        cursor.close()

    async def close(self) -> None:
        """Close the connection and end the thread, after all that waits."""
        while not self._idle.is_set():
            await self._idle.wait()
        await to_the_end(self._end())

    async def _end(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)

    def _close(self) -> None:
        self._forget()
        self._engine.dispose()

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()
