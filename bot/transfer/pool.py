"""The thread pool of transfers, the flag that stops the threads of one transfer, and store calls
that are retried and can be stopped by the flag.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from bot.core.errors import Corrupted, StoreError, TransferCancelled, UploadGone
from bot.core.ports.store import ObjectStore

P = ParamSpec("P")
T = TypeVar("T")

_running = threading.local()


class CancelFlag:
    """A flag that stops the threads of one transfer; set once, never cleared. Thread-safe.

    It acts in three ways: bodies check it at every block, waits between attempts end when it is
    set, and a callback closes hanging sockets.
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
        """Set the flag and run the callbacks in this thread; they must neither block nor raise."""
        self._event.set()
        with self._lock:
            for callback in list(self._callbacks):
                callback()

    def raise_if_set(self) -> None:
        """Raise `TransferCancelled` if the transfer must stop."""
        if self.is_set:
            raise TransferCancelled("the transfer must stop")

    def wait(self, seconds: float) -> bool:
        """Block for `seconds`, or until the flag is set; return whether it is."""
        return self._event.wait(seconds)

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Run `callback` when the flag is set inside the block, at once if it is set already.

        After the block the callback neither runs nor will run, so a socket that was returned to
        the pool is never closed for a former user.
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
    """Set the flag that code inside the block checks in this thread.

    `None` hides an outer one, for a request that must not be interrupted.
    """
    outer = current_flag()
    _running.flag = flag
    try:
        yield
    finally:
        _running.flag = outer


class ThreadPool(ThreadPoolExecutor):
    """A thread pool that never runs a call which it has refused.

    The standard one puts a call into its queue before it starts a thread for it. If that fails
    ("can't start new thread"), the caller gets the error, and a later thread runs the call all the
    same (source: CPython `concurrent/futures/thread.py`, `ThreadPoolExecutor.submit`).
    """

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `call` in a thread.

        Raises:
            RuntimeError: no thread can be started, or the pool is closed.
        """
        future: Future[T] = Future()
        try:
            super().submit(_settle, future, lambda: call(*args, **kwargs))
        except Exception:
            # One that another thread has begun meanwhile is not refused.
            if future.cancel():
                raise
        return future


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 -- the caller gets it, as from the standard pool.
        future.set_exception(error)
    else:
        future.set_result(result)


class TransferPool:
    """Runs blocking calls in at most `threads` threads; further calls wait in order of arrival.

    Guarantee: when `run` returns or raises, its thread is done. A cancelled await does not stop a
    thread, so a cancel sets the flag of the call and waits until the thread has ended, also where
    the flag has no effect (a socket in the middle of connecting). A caller that must not wait
    longer checks `running` and ends the process with `os._exit`, because the interpreter itself
    would join the threads.

    Memory: a thread costs about 50 KB, without the memory of its call.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPool(threads, thread_name_prefix="transfer")
        # Calls wait here and not in the executor's queue: a call that has not started can be
        # cancelled at once, and can leave from the middle of the queue.
        self._permits = asyncio.Semaphore(threads)
        self._running = 0
        self._closed = False

    @property
    def running(self) -> int:
        """Number of calls that are in a thread at this moment."""
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
        """Refuse new calls; idle threads end now, busy ones after their call. Does not wait."""
        self._closed = True
        self._executor.shutdown(wait=False)

    async def run(
        self, call: Callable[[], T], flag: CancelFlag, *, result_wins: bool = False
    ) -> T:
        """Run `call` in a thread that works for `flag`, and return what it returns.

        On cancel the flag is set; once the thread has ended, `CancelledError` is raised, also
        after several cancels. With `result_wins` a value that the thread returned nevertheless is
        returned, and the cancel is ignored.

        Raises:
            RuntimeError: the pool is closed, or no thread can be started; `call` never runs.
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

    For cleanup that a second cancel must not skip. If the work fails and a cancel came too,
    `CancelledError` is raised with the failure as its cause.
    """
    task = asyncio.ensure_future(work)
    return _result(task, await _wait_out(task, on_cancel=lambda: None))


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end and return its result, however often the caller is cancelled
    meanwhile; the caller's code does not see the cancellations, though its task counts them.

    Only for the end of a task with an outcome that is already decided.
    """
    task = asyncio.ensure_future(work)
    await _wait_out(task, on_cancel=lambda: None)
    return task.result()


async def in_own_task(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` in a task of its own; pass a cancel on to it, and re-raise once it has ended.

    Keeps a `TaskGroup` from cancelling its caller: in Python 3.11 and 3.12 a task stays marked as
    cancelled if its group fails while the task waits in the group's exit.
    """
    task = asyncio.ensure_future(work)
    return _result(task, await _wait_out(task, on_cancel=task.cancel))


async def _wait_out(
    future: asyncio.Future[Any], *, on_cancel: Callable[[], object]
) -> list[asyncio.CancelledError]:
    # asyncio.wait neither cancels the tasks that it waits for nor raises their errors.
    cancels = []
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as cancel:
            cancels.append(cancel)
            on_cancel()
    return cancels


def _forget(cancels: list[asyncio.CancelledError]) -> None:
    # The task continues, so it must not look cancelled to time-outs and groups around it.
    task = asyncio.current_task()
    for _ in cancels:
        if task:
            task.uncancel()


def _result(future: asyncio.Future[T], cancels: list[asyncio.CancelledError]) -> T:
    if cancels:
        raise cancels[0] from None if future.cancelled() else future.exception()
    return future.result()


@dataclass(frozen=True)
class RetryPolicy:
    """Attempts and delays of the calls of a transfer; times are seconds.

    Ten attempts with full jitter up to 20 s last half a minute on average and a little over a
    minute at most, which covers a restart of a router or proxy in between. `longest_asked` bounds
    a delay that OSS asks for, so that an absurd header cannot hold a transfer for a day.

    stamina, which the rest of the program uses, is not used here: it sleeps with `time.sleep`,
    which a flag cannot interrupt, so a cancelled transfer would keep its thread for up to 20 s.
    """

    attempts: int = 10
    base: float = 0.2
    cap: float = 20.0
    longest_asked: float = 120.0
    draw: Callable[[], float] = random.random
    """Returns the jitter, from 0 to 1."""
    wait: Callable[[CancelFlag, float], bool] = CancelFlag.wait
    """Waits and returns whether the flag was set."""

    def delay(self, failures: int, error: StoreError) -> float:
        """Return the seconds to wait after the failure number `failures`, counted from 1."""
        jitter = self.draw() * min(self.cap, self.base * 2.0 ** (failures - 1))
        return max(jitter, min(error.delay, self.longest_asked))

    def pause(self, failures: int, error: StoreError, flag: CancelFlag) -> None:
        """Wait before the next attempt, or raise `error` if there is none left.

        Raises:
            TransferCancelled: the flag was set before or during the wait.
        """
        if error.permanent or failures >= self.attempts:
            raise error
        if self.wait(flag, self.delay(failures, error)):
            raise TransferCancelled("stopped while waiting for the next attempt") from error


def call(
    attempt: Callable[[], T],
    *,
    policy: RetryPolicy,
    flag: CancelFlag,
    on_trouble: Callable[[StoreError], None] = lambda _: None,
) -> T:
    """Call `attempt` until it returns. Blocks; every failure is passed to `on_trouble`.

    Permanent errors, and `UploadGone` (no retry restores an upload), are raised at once; transient
    ones when the attempts are used up.

    Raises:
        StoreError: see above.
        TransferCancelled: the flag was set; a wait ends at once.
    """
    failures = 0
    while True:
        flag.raise_if_set()
        try:
            return attempt()
        except UploadGone:
            raise
        except StoreError as error:
            failures += 1
            on_trouble(error)
            policy.pause(failures, error, flag)


class StoreCaller:
    """The dependencies of one upload's store calls; `flag` stops all of them."""

    def __init__(self, store: ObjectStore, pool: TransferPool, policy: RetryPolicy) -> None:
        self.store = store
        self.pool = pool
        self.policy = policy
        self.flag = CancelFlag()

    async def call(
        self,
        attempt: Callable[[], T],
        *,
        on_trouble: Callable[[StoreError], None] = lambda _: None,
    ) -> T:
        """Run `attempt` in a thread and retry it as `RetryPolicy` defines.

        On cancel its thread has ended before `CancelledError` is raised. Raises the errors of the
        function `call`; `on_trouble` is called in the thread.
        """
        return await self.pool.run(
            lambda: call(attempt, policy=self.policy, flag=self.flag, on_trouble=on_trouble),
            self.flag,
        )


def check_crc64(told: int | None, ours: int | None, what: str) -> int:
    """Compare the CRC-64 that OSS reports with that of the bytes read from disk; return it.

    Raises:
        Corrupted: they differ, or one of them is missing; unchecked bytes are never trusted.
    """
    if told is None or ours is None or told != ours:
        raise Corrupted(f"CRC-64 of {what}: OSS has {told}, the file on disk {ours}")
    return ours


async def abort_orphans(line: StoreCaller, key: str, *, known: str | None) -> int:
    """Abort every pending upload of exactly `key` but `known`; return how many there were.

    Such an upload is left behind if the answer to `initiate` was lost.
    """

    pending = await line.call(lambda: pending_of(line.store, key))
    orphans = [upload_id for upload_id in pending if upload_id != known]
    for orphan in orphans:
        await line.call(partial(line.store.abort, key, orphan))
    return len(orphans)


def pending_of(store: ObjectStore, key: str) -> list[str]:
    """Return the ids of the pending uploads of exactly `key`. Blocks; raises `StoreError`."""
    return [upload.upload_id for upload in store.list_uploads(key) if upload.key == key]
