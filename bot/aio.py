"""Running loops and tasks until a stop event, and cancelling them within a bounded time."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import structlog

log = structlog.stdlib.get_logger(__name__)
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
