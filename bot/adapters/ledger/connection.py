"""A connection to the ledger and its thread. Transactions that wait at the same moment share one
visit to the thread, one transaction of SQLite and so one synchronization of the disk.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters.ledger.file import LedgerFile, using
from bot.core.errors import LedgerUnusable
from bot.transfer.pool import to_the_end

T = TypeVar("T")
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


class ConnectionThread:
    """A connection and the only thread that uses it.

    A transaction is one call in the thread. An asynchronous driver makes ten calls for each
    transaction, and every one of them waits for the interpreter's lock while the event loop is
    busy.

    Callers that wait when the thread becomes free are served together, in the order of their
    calls: in one transaction, each with a savepoint of its own where it `writes`. An operation
    that raises undoes itself alone. If the transaction itself fails, nothing of it was stored and
    every caller gets that error. A lone caller waits for nobody.

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
        self._waiting.append(call)
        if self._idle.is_set():
            self._idle.clear()
            # At the end of this turn of the loop, so that all that is asked in it is one visit.
            asyncio.get_running_loop().call_soon(self._visit)
        return await call.outcome(self._waiting.remove)

    def _visit(self) -> None:
        """Hand all that waits to the thread."""
        count = min(len(self._waiting), LARGEST_GROUP)
        group = [self._waiting.popleft() for _ in range(count)]
        if not group:
            # All were cancelled before it began.
            self._idle.set()
            return
        for call in group:
            call.has_begun = True
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
