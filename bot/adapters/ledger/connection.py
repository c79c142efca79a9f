"""One connection to the ledger's file, in a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable, Result
from sqlalchemy.engine import MappingResult, Row, ScalarResult

from bot.transfer.pool import to_the_end

T = TypeVar("T")


class Rows:
    """What a statement brought, read to the last row; `rowcount` says how many it changed."""

    def __init__(self, result: CursorResult[*tuple[Any, ...]]) -> None:
        self.rowcount = result.rowcount
        # Frozen in the thread of the connection, because the cursor must not leave it.
        self._frozen = result.freeze() if result.returns_rows else None

    def _result(self) -> Result[*tuple[Any, ...]]:
        if self._frozen is None:
            raise TypeError("the statement returns no rows")
        result: Result[*tuple[Any, ...]] = self._frozen()
        return result

    def __iter__(self) -> Iterator[Row[*tuple[Any, ...]]]:
        return iter(self._result())

    def all(self) -> list[Row[*tuple[Any, ...]]]:
        """Return all rows."""
        return list(self._result().all())

    def mappings(self) -> MappingResult:
        """Return the rows as mappings from the names of columns."""
        return self._result().mappings()

    def scalars(self) -> ScalarResult[Any]:
        """Return the first column."""
        return self._result().scalars()

    def scalar_one(self) -> Any:
        """Return the one value of the one row; raises what SQLAlchemy raises without it."""
        return self._result().scalar_one()

    def one_or_none(self) -> Row[*tuple[Any, ...]] | None:
        """Return the one row, or `None`; raises what SQLAlchemy raises if there are more."""
        return self._result().one_or_none()


class ConnectionThread:
    """A connection and the only thread that uses it.

    A statement is one visit to the thread, and so is the end of a transaction. A driver that is
    asynchronous itself makes ten visits of each transaction, and every one of them waits for its
    turn with the interpreter while the event loop is busy.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Open a transaction: one after the other, committed at the end, taken back on an
        exception. It begins with its first statement.
        """
        async with self._lock:
            try:
                yield Transaction(self)
                await self.visit(self._commit)
            except BaseException:
                await self.visit(self._roll_back)
                raise

    async def once(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        """Execute a statement in a transaction of its own, all in one visit. A cancel goes on when
        it is committed.
        """
        async with self._lock:
            return await self.visit(self._once, statement, parameters)

    def _once(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        try:
            rows = self.execute(statement, parameters)
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        return rows

    async def visit(self, call: Callable[..., T], *args: object) -> T:
        """Run a call in the thread, to its end before a cancel of the caller goes on: whoever
        comes next must find the connection at rest.
        """
        return await to_the_end(self._run(call, *args))

    async def _run(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        """Execute a statement; inside the thread only."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return Rows(self._connection.execute(statement, parameters))

    def _commit(self) -> None:
        if self._connection is not None:
            self._connection.commit()

    def _roll_back(self) -> None:
        if self._connection is not None:
            self._connection.rollback()

    async def close(self) -> None:
        """Close the connection and let the thread end, after a transaction that is under way."""
        async with self._lock:
            await self.visit(self._close)
        self._executor.shutdown(wait=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


class Transaction:
    """The statements of one transaction."""

    def __init__(self, thread: ConnectionThread) -> None:
        self._thread = thread

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Rows:
        """Execute a statement and return its rows, all of them read; a cancel goes on when it has
        ended. `parameters` are the values of those that the statement leaves open by name.
        """
        return await self._thread.visit(self._thread.execute, statement, parameters)
