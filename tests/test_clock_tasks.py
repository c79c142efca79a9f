"""Loops run until they are stopped, and never much longer."""

import asyncio
import threading
import time

import pytest

from bot.clock import STUCK_AFTER, briefly, end, unless_stopped, until_stopped
from bot.transfer.pool import to_the_end


class Deaf:
    """Work that no cancel ends, as that of a thread in the middle of connecting."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self._over = threading.Event()

    async def work(self) -> bool:
        """Wait for a thread, also when cancelled."""
        self.began.set()
        return await to_the_end(asyncio.to_thread(self._over.wait))

    def finish(self) -> None:
        """Let the thread end, so that the test does."""
        self._over.set()


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ZeroDivisionError


async def test_work_that_is_done() -> None:
    """The result of the work is returned when there is no stop."""

    async def work() -> int:
        return 7

    assert await unless_stopped(asyncio.Event(), work()) == 7


async def test_work_that_is_given_up() -> None:
    """Stop ends the work, and there is no result."""
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        stop.set()
        try:
            await _forever()
        finally:
            cancelled.set()
        return 7

    assert await unless_stopped(stop, work()) is None
    assert cancelled.is_set()


async def test_work_that_fails() -> None:
    """An error of the work comes out."""
    with pytest.raises(ZeroDivisionError):
        await unless_stopped(asyncio.Event(), _fail())


async def test_deaf_work_is_left_behind() -> None:
    """Work that ignores its cancel delays the caller for a short time only."""
    stop, deaf = asyncio.Event(), Deaf()
    waiting = asyncio.ensure_future(unless_stopped(stop, deaf.work()))
    await deaf.began.wait()
    asked = time.monotonic()
    stop.set()
    result = await waiting
    seconds = time.monotonic() - asked
    deaf.finish()

    assert result is None
    assert seconds < STUCK_AFTER.total_seconds() + 1


async def test_deaf_work_is_done_briefly() -> None:
    """Work at the end of the process is left behind if it ignores its cancel; its errors come
    out.
    """
    deaf, asked = Deaf(), time.monotonic()
    async with asyncio.timeout(STUCK_AFTER.total_seconds() + 5):
        await briefly(deaf.work())
    seconds = time.monotonic() - asked
    deaf.finish()
    with pytest.raises(ZeroDivisionError):
        await briefly(_fail())

    assert seconds < STUCK_AFTER.total_seconds() + 1


async def test_cancel_goes_on_to_the_work() -> None:
    """Cancelling the caller cancels the work too."""
    cancelled = asyncio.Event()
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await _forever()
        finally:
            cancelled.set()

    task = asyncio.ensure_future(unless_stopped(asyncio.Event(), work()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert cancelled.is_set()


async def test_loops_run_until_stop() -> None:
    """Nothing is raised when stop comes first; the loops are left to the caller."""
    stop = asyncio.Event()
    loop = asyncio.create_task(_forever())
    stop.set()
    await until_stopped(stop, [loop])
    ended = loop.done()
    await end([loop])

    assert not ended
    assert loop.cancelled()


async def test_loop_that_fails() -> None:
    """An error of a loop comes out at once, without a stop."""
    loops = [asyncio.create_task(_forever()), asyncio.create_task(_fail())]
    with pytest.raises(ZeroDivisionError):
        await until_stopped(asyncio.Event(), loops)
    await end(loops)
