"""The thread pool of transfers, and the flag that stops the threads of one transfer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from bot.core.errors import TransferCancelled

T = TypeVar("T")

_running = threading.local()


class CancelFlag:
    """Raised once, never lowered. Everything here is thread-safe.

    Three kinds of code hear it: bodies look at it at every block, waits between attempts end with
    it, and sockets that hang are cut by a callback.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        # Reentrant, because a callback may end up in code that unregisters another one.
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the transfer must stop."""
        return self._event.is_set()

    def set(self) -> None:
        """Raise the flag and run the callbacks in this thread; they must neither block nor
        raise.
        """
        self._event.set()
        with self._lock:
            for callback in list(self._callbacks):
                callback()

    def raise_if_set(self) -> None:
        """Raise `TransferCancelled` if the transfer must stop."""
        if self.is_set:
            raise TransferCancelled("the transfer was told to stop")

    def wait(self, seconds: float) -> bool:
        """Block for `seconds`, or until the flag is raised; return whether it is."""
        return self._event.wait(seconds)

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Run `callback` when the flag is raised inside the block, at once if it is already.

        When the block has been left, the callback neither runs nor will run: a socket that went
        back to the pool is never cut on behalf of its former user.
        """
        with self._lock:
            self._callbacks.append(callback)
            if self.is_set:
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)


def current_flag() -> CancelFlag | None:
    """Return the flag of the transfer that this thread works for, `None` outside of one."""
    flag: CancelFlag | None = getattr(_running, "flag", None)
    return flag


@contextmanager
def working_for(flag: CancelFlag | None) -> Iterator[None]:
    """Name the flag that everything below in this thread hears.

    `None` hides an outer one, for a request that must run to its answer whatever happens.
    """
    outer = current_flag()
    _running.flag = flag
    try:
        yield
    finally:
        _running.flag = outer


class TransferPool:
    """Runs blocking calls in at most `threads` threads; everybody else waits in line, first come,
    first served.

    The promise: when `run` returns or raises, its thread is done. A cancelled await does not stop
    a thread, so cancelling raises the flag of the call and waits until the thread has heard it.
    What cannot hear it (a socket in the middle of connecting) is waited for; whoever must not wait
    any longer looks at `running` and leaves the process with `os._exit`, because the interpreter
    itself would join the threads.

    Memory: a thread costs about 50 KB, besides what its call holds.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="transfer")
        # Waiting happens here and not in the executor's queue: what has not begun can be
        # cancelled at once, and the line can be left from the middle.
        self._permits = asyncio.Semaphore(threads)
        self._running = 0
        self._closed = False

    @property
    def running(self) -> int:
        """How many calls are in a thread at this moment."""
        return self._running

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Refuse new calls; idle threads end, busy ones after their call. Does not wait."""
        self._closed = True
        self._executor.shutdown(wait=False)

    async def run(
        self, call: Callable[[], T], flag: CancelFlag, *, result_wins: bool = False
    ) -> T:
        """Run `call` in a thread that works for `flag`, and return what it returns.

        On cancel the flag is raised; as soon as the thread has ended, `CancelledError` goes on,
        however often it was sent meanwhile. With `result_wins` a value that the thread returned
        in spite of it is returned, and the cancel is forgotten.

        Raises:
            RuntimeError: the pool is closed.
        """
        async with self._permits:
            if self._closed:
                raise RuntimeError("the pool is closed")
            return await self._until_done(call, flag, result_wins=result_wins)

    async def _until_done(
        self, call: Callable[[], T], flag: CancelFlag, *, result_wins: bool
    ) -> T:
        self._running += 1
        try:
            future = asyncio.wrap_future(self._executor.submit(_work, call, flag))
            cancels = await _wait_out(future, on_cancel=flag.set)
        finally:
            self._running -= 1
        if result_wins and future.exception() is None:
            _forget(cancels)
            return future.result()
        return _result(future, cancels)


def _work(call: Callable[[], T], flag: CancelFlag) -> T:
    with working_for(flag):
        return call()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, however often the caller is cancelled meanwhile; then re-raise.

    For undoing things, which a second, impatient cancel must not skip. If the work fails and a
    cancel came too, `CancelledError` is raised with the failure as its cause.
    """
    task = asyncio.ensure_future(work)
    return _result(task, await _wait_out(task, on_cancel=lambda: None))


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end and return its result, however often the caller is cancelled
    meanwhile; the cancellations are forgotten by the caller's code, though not by its task.

    Only for the end of a task that has decided already how it ends.
    """
    task = asyncio.ensure_future(work)
    await _wait_out(task, on_cancel=lambda: None)
    return task.result()


async def in_own_task(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` in a task of its own; a cancel is passed on to it, and goes on once it has
    ended.

    Keeps a `TaskGroup` from cancelling its caller: in Python 3.11 and 3.12 a task whose group
    failed while it was waiting in the group's exit looks cancelled ever after.
    """
    task = asyncio.ensure_future(work)
    return _result(task, await _wait_out(task, on_cancel=task.cancel))


async def _wait_out(
    future: asyncio.Future[Any], *, on_cancel: Callable[[], object]
) -> list[asyncio.CancelledError]:
    # asyncio.wait neither cancels what it waits for nor raises what that raised.
    cancels = []
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as cancel:
            cancels.append(cancel)
            on_cancel()
    return cancels


def _forget(cancels: list[asyncio.CancelledError]) -> None:
    # The task goes on living, so it must not look cancelled to time-outs and groups around it.
    task = asyncio.current_task()
    for _ in cancels:
        if task:
            task.uncancel()


def _result(future: asyncio.Future[T], cancels: list[asyncio.CancelledError]) -> T:
    if cancels:
        raise cancels[0] from None if future.cancelled() else future.exception()
    return future.result()
