"""What must be finished even if somebody is impatient."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, however often the caller is cancelled meanwhile; return what it
    returns.

    The cancellations are swallowed: only for the undo at the very end of a task that has decided
    already how it ends.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            # asyncio.wait neither cancels what it waits for nor raises what that raised.
            await asyncio.wait((task,))
    return task.result()
