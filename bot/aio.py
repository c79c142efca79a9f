"""Running loops and tasks until a stop event, cancelling them within a bounded time, and threads
that run a call or refuse it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import structlog

log = structlog.stdlib.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

STUCK_AFTER = timedelta(seconds=1.5)
"""Longest wait for a cancelled task. A task that takes longer waits for a thread that cannot be
interrupted, such as one in the middle of connecting.
"""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do `work` and return its result, or cancel it when `stop` is set and return `None`.

    Returns within `STUCK_AFTER` of `stop`, even if the work does not: the caller must then end the
    process with `os._exit`. Raises the errors of the work.
    """
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end([task, stopped])


async def until_stopped(stop: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    """Return when `stop` is set. Raise the error of a loop that fails before: loops do not end."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({stopped, *loops}, return_when=asyncio.FIRST_COMPLETED)
        for loop in loops:
            if loop.done() and not loop.cancelled():
                loop.result()
    finally:
        stopped.cancel()


def is_asked_to_end() -> bool:
    """Return whether the current task has been cancelled. A `CancelledError` in one that has not
    comes out of a library, from a future that was cancelled there, and is an error like others.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait for their end, at most `STUCK_AFTER`; those that need longer are
    abandoned. Raises no error of the tasks.
    """
    for task in tasks:
        task.cancel()
    done, stuck = await asyncio.wait(tasks, timeout=STUCK_AFTER.total_seconds())
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("ended with an error", why=repr(error))
    if stuck:
        log.warning("threads did not stop in time", count=len(stuck))


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
