"""How long loops run: until somebody says stop, and never much longer."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import structlog

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

STUCK_AFTER = timedelta(seconds=1.5)
"""How long a cancelled task may take. What takes longer waits for a thread that cannot hear, such
as one in the middle of connecting.
"""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do `work` and return its result; give it up when `stop` is set, and return `None`.

    Returns a moment after `stop` at most, even if the work does not: whoever called must then
    leave by `os._exit`. Raises what the work raises.
    """
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end([task, stopped])


async def until_stopped(stop: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    """Return when `stop` is set. Raises what a loop raises before that: loops have no end."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({stopped, *loops}, return_when=asyncio.FIRST_COMPLETED)
        for loop in loops:
            if loop.done() and not loop.cancelled():
                loop.result()
    finally:
        stopped.cancel()


async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait for their end, a moment at most; those that need longer are left
    behind. Raises nothing of theirs.
    """
    for task in tasks:
        task.cancel()
    done, stuck = await asyncio.wait(tasks, timeout=STUCK_AFTER.total_seconds())
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("ended with an error", why=repr(error))
    if stuck:
        log.warning("threads did not stop in time", count=len(stuck))
