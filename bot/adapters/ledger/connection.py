"""A connection in a thread of its own, the interface of the databases behind it, and whether the
ledger works.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Concatenate, Final, Generic, NoReturn, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.core.errors import LedgerUnusable
from bot.core.ports.ledger import LedgerPlace
from bot.transfer.pool import ThreadPool, to_the_end

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")


class AccessKind(StrEnum):
    """A kind of access; reads may work where writes do not, as on a full disk."""

    READ = "read"
    WRITE = "write"


class LedgerState:
    """Whether the ledger works. The log has one line when it stops to work and one when it works
    again.
    """

    def __init__(self) -> None:
        self._troubles: dict[AccessKind, str] = {}
        self.in_trouble = asyncio.Event()
        """Set while there is trouble; only the thread of the event loop notes it."""

    @property
    def trouble(self) -> str:
        """What was wrong at the latest access, in words; empty if nothing."""
        return next(reversed(self._troubles.values()), "")

    def failed(self, access: AccessKind, error: LedgerUnusable) -> None:
        """Note that an access failed."""
        if not self._troubles:
            log.error("ledger cannot be used, nothing is taken in", why=error.reason)
        # As the latest one.
        self._troubles.pop(access, None)
        self._troubles[access] = error.reason
        self.in_trouble.set()

    def worked(self, access: AccessKind) -> None:
        """Note that an access worked."""
        if self._troubles.pop(access, None) is not None and not self._troubles:
            self.in_trouble.clear()
            log.info("ledger can be used again")


@dataclass(frozen=True, slots=True)
class Lease:
    """A right of this process on a server, as it was taken; see `leases`."""

    name: str
    fence: int


class Conflict(LedgerUnusable):
    """Another process changed the same rows at the same moment, or this one stood still in the
    middle: the operation was undone, and is to be run again.
    """


class Backend(ABC):
    """A database behind the ledger: how it is opened, and what its errors mean. Its methods are
    called in the threads of connections, unless they say otherwise.
    """

    cuts_off_after: ClassVar[float | None] = None
    """Seconds (real) after which `cut_off` is called for a visit that has made no step meanwhile,
    and again after as many more.
    """
    is_remote: ClassVar[bool] = False
    """Whether only reading it shows that it is there."""
    a_failure_ends_all: ClassVar[bool] = False
    """Whether a statement that fails ends its transaction, which can only be undone then."""

    place: LedgerPlace
    lease: Lease | None = None
    """What a writer needs, if it needs one."""
    why_not_renewed: Callable[[], str] = staticmethod(str)
    """Returns why that lease could not be renewed at the latest attempt, or nothing."""
    endures = False
    """Whether what waits in a thread for the database does so for as long as it takes."""

    @abstractmethod
    def engine(self, access: AccessKind) -> Engine:
        """Return the engine for connections of this kind."""

    @abstractmethod
    def translating(self) -> AbstractContextManager[None]:
        """Translate failures of the database itself. Errors of statements propagate unchanged,
        because they are defects and need their traceback.

        Raises:
            LedgerUnusable: the database cannot be used.
            Conflict: the operation is to be run again.
        """

    def transaction(self, connection: Connection) -> AbstractContextManager[object]:
        """Begin a transaction; commit it at the end of the block, or undo it."""
        return connection.begin()

    def require_in_place(self) -> None:  # noqa: B027 -- most have nothing to refuse.
        """Refuse a write that the next start would not find.

        Raises:
            LedgerUnusable: the database was deleted or replaced.
        """

    def may_reconnect(self) -> bool:
        """Return whether a connection that has failed is to be opened anew."""
        return True

    def is_of_one(self, error: LedgerUnusable) -> bool:  # noqa: ARG002 -- for those that can tell.
        """Return whether only one operation has failed, and others of its transaction go on."""
        return False

    def may_pass(self, error: LedgerUnusable) -> bool:
        """Return whether a command waits for a moment, because this failure passes within
        seconds.
        """
        return isinstance(error, Conflict)

    def is_away(self, error: LedgerUnusable) -> bool:  # noqa: ARG002 -- for those that can be.
        """Return whether the database cannot be reached, or starts or stops: it may come back by
        itself, where a refusal does not end.
        """
        return False

    def may_be_elsewhere(self, error: LedgerUnusable) -> bool:  # noqa: ARG002 -- see `is_away`.
        """Return whether another database may stand in the place of this one after the failure, so
        that all connections are to be opened anew: one to the former may go on to show what was.
        """
        return False

    def cut_off(self, connection: Connection) -> None:  # noqa: B027 -- see `cuts_off_after`.
        """End a visit that hangs; called in the thread of the event loop."""

    @abstractmethod
    def write_probe(self, connection: Connection) -> None:
        """Write something that changes nothing, and finds what would fail a write."""

    @abstractmethod
    def sends(self, connection: Connection) -> bool:
        """Return whether a command that sends files runs on the ledger."""

    def give_up(self) -> None:  # noqa: B027 -- most wait for nothing in a thread.
        """End what waits in a thread for the database; called in any thread."""


P = ParamSpec("P")

HURRIED: Final = 3.0
"""Seconds (real) that a visit may hang while the process ends, or where another one hangs."""
NO_ANSWER: Final = "it does not answer"
"""Why a visit failed that was cut off."""
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
    """

    def __init__(self, backend: Backend, access: AccessKind = AccessKind.WRITE) -> None:
        self._backend = backend
        self._engine = backend.engine(access)
        self._writes = access is AccessKind.WRITE
        self.cuts_off_after = backend.cuts_off_after
        """Seconds (real) that a visit may hang; see `Backend`."""
        self._cut_off: asyncio.TimerHandle | None = None
        self._steps = 0
        """Connections and operations begun: a visit that makes some is slow, and does not hang."""
        self.was_cut_off = False
        """Whether the latest visit was cut off."""
        self._executor = ThreadPool(1, thread_name_prefix="ledger")
        self._connection: Connection | None = None
        self._is_elsewhere = False
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
        if what not in self._shared:
            self._shared[what] = _Shared(what, operation)
            self._wait(self._shared[what])
        shared: _Shared[T] = self._shared[what]

        def withdraw(caller: _Call[T]) -> None:
            shared.callers.remove(caller)
            if not shared.callers:
                self._waiting.remove(shared)
                del self._shared[what]

        return await shared.join().outcome(withdraw)

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
        self.was_cut_off = False
        try:
            visit = self._executor.submit(self._transact, group)
        except (RuntimeError, MemoryError) as error:
            # Not raised: the event loop would log it, and the callers would wait for ever.
            loop.call_soon(self._visited, group, self._refusal(error))
            return
        self._limit_visit(loop, self.cuts_off_after)
        visit.add_done_callback(
            lambda done: loop.call_soon_threadsafe(self._visited, group, done.exception())
        )

    def _refusal(self, error: Exception) -> LedgerUnusable:
        """Return what callers get when there is no thread for them."""
        refusal = LedgerUnusable(self._backend.place, str(error) or type(error).__name__)
        refusal.__cause__ = error
        return refusal

    def _limit_visit(self, loop: asyncio.AbstractEventLoop, seconds: float | None) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
        if seconds is not None:
            self._cut_off = loop.call_later(seconds, self._end_visit, loop, self._steps)

    def _end_visit(self, loop: asyncio.AbstractEventLoop, steps: int) -> None:
        if self._connection is not None and self._steps == steps:
            self.was_cut_off = True
            self._backend.cut_off(self._connection)
        # Again: it may have been connecting, or at work, until now.
        self._limit_visit(loop, self.cuts_off_after)

    def _visited(self, group: Sequence[_Call[Any]], error: BaseException | None) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
        # First, so that the thread works while the callers of this group go on.
        if self._waiting:
            self._visit()
        else:
            self._idle.set()
        for call in group:
            call.settle(error)

    def _transact(self, group: Sequence[_Call[Any]]) -> None:
        try:
            with self._backend.translating():
                self._begin(group)
        except LedgerUnusable as error:
            if self._backend.may_reconnect():
                self._forget()
            if self.was_cut_off and error.__cause__ is not None:
                # The driver takes it for an end by the server.
                raise LedgerUnusable(self._backend.place, NO_ANSWER) from error.__cause__
            raise

    def _begin(self, group: Sequence[_Call[Any]]) -> None:
        if self._writes:
            self._backend.require_in_place()
        if self._connection is not None and (self._is_elsewhere or self._connection.invalidated):
            self._forget()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._steps += 1
            self._is_elsewhere = False
        if len(group) == 1:
            with self._transaction(self._connection):
                # Raises through the transaction, which undoes it.
                group[0].result = group[0].operation(self._connection)
            return
        rest = deque(group)
        while rest:
            with self._transaction(self._connection):
                self._several(self._connection, rest)

    def _several(self, connection: Connection, rest: deque[_Call[Any]]) -> None:
        """Run these one after the other, each as if alone; leave those that need another
        transaction.
        """
        while rest:
            call = rest.popleft()
            self._one_of_several(connection, call)
            if call.error is not None and not self._writes and self._backend.a_failure_ends_all:
                return

    def _transaction(self, connection: Connection) -> AbstractContextManager[object]:
        return self._backend.transaction(connection) if self._writes else connection.begin()

    def _one_of_several(self, connection: Connection, call: _Call[Any]) -> None:
        # By the driver: a savepoint of SQLAlchemy costs more than most operations. What only reads
        # has nothing to undo.
        cursor = connection.connection.cursor()
        self._steps += 1
        if self._writes:
            cursor.execute("SAVEPOINT one")
        try:
            with self._backend.translating():
                call.result = call.operation(connection)
        except Exception as error:
            if isinstance(error, LedgerUnusable) and not self._backend.is_of_one(error):
                # SQLite may have undone the whole transaction; a lost connection did.
                raise
            call.error = error
            if self._writes:
                cursor.execute("ROLLBACK TO one")
        if self._writes:
            cursor.execute("RELEASE one")
        cursor.close()

    def hurry(self) -> None:
        """From now on end each visit that hangs for longer than `HURRIED`, where one can be ended:
        a caller that is cancelled waits for its end.
        """
        if self.cuts_off_after is None:
            return
        self.cuts_off_after = HURRIED
        self._shorten()

    def reopen(self, *, hangs: bool = False) -> None:
        """Let the next visit have another connection: the database may be another one now. If one
        to it `hangs`, end the visit of now soon, because it probably hangs too.
        """
        self._is_elsewhere = True
        if hangs:
            self._shorten()

    def _shorten(self) -> None:
        """Leave `HURRIED` to the visit of now."""
        if not self._idle.is_set() and self._cut_off is not None:
            self._limit_visit(asyncio.get_running_loop(), HURRIED)

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
