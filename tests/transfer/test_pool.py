"""Threads and the loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bot.core.errors import StoreUnavailable, TransferCancelled
from bot.transfer.pool import CancelFlag, ThreadPool, TransferPool, current_flag, to_the_end
from tests.fakes.gate import Gate
from tests.fakes.refused_threads import no_new_threads


@pytest.fixture
async def pool() -> AsyncIterator[TransferPool]:
    """A pool of two threads."""
    async with TransferPool(2) as pool:
        yield pool


async def test_returns_and_raises(pool: TransferPool) -> None:
    """The result or the error of a call comes out unchanged; the thread knows its flag."""
    flag = CancelFlag()

    def fail() -> None:
        raise StoreUnavailable("down")

    assert flag is await pool.run(current_flag, flag)
    with pytest.raises(StoreUnavailable, match="down"):
        await pool.run(fail, flag)
    assert pool.running == 0


async def test_call_without_a_thread_never_runs(pool: TransferPool) -> None:
    """A call that was refused for want of a thread does not run later, when its files may be
    closed and its upload given up.
    """
    ran: list[str] = []
    with no_new_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
        await pool.run(lambda: ran.append("refused"), CancelFlag())
    await pool.run(lambda: ran.append("next"), CancelFlag())

    assert (ran, pool.running) == (["next"], 0)


async def test_cancel_waits_for_the_thread(pool: TransferPool) -> None:
    """A cancelled call raises its flag and ends only when its thread has, however often it is
    cancelled.
    """
    gate, flag = Gate(), CancelFlag()
    task = asyncio.create_task(pool.run(gate, flag))
    await gate.reached.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    waited, running = not task.done(), pool.running
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert flag.is_set
    assert waited
    assert running == 1
    assert pool.running == 0


async def test_thread_that_hears_the_flag_ends_at_once(pool: TransferPool) -> None:
    """`TransferCancelled` in the thread is `CancelledError` outside."""
    gate = Gate(hears_flag=True)
    task = asyncio.create_task(pool.run(gate, CancelFlag()))
    await gate.reached.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_waiting_in_line_is_cancelled_at_once(pool: TransferPool) -> None:
    """A call that has not begun needs no thread to end, and leaves no permit behind."""
    gate, ran = Gate(), []
    busy = [asyncio.create_task(pool.run(gate, CancelFlag())) for _ in range(2)]
    await gate.reached.wait()
    waiting = asyncio.create_task(pool.run(lambda: ran.append(1), CancelFlag()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.open()
    await asyncio.gather(*busy)
    after = await asyncio.gather(*(pool.run(lambda: 7, CancelFlag()) for _ in range(4)))

    assert ran == []
    assert after == [7, 7, 7, 7]


async def test_bounded(pool: TransferPool) -> None:
    """There are never more threads than the size of the pool."""
    lock, counts, now = threading.Lock(), [], 0

    def call() -> None:
        nonlocal now
        with lock:
            now += 1
            counts.append(now)
        with lock:
            now -= 1

    await asyncio.gather(*(pool.run(call, CancelFlag()) for _ in range(50)))

    assert max(counts) <= 2


async def test_result_can_win_over_cancel(pool: TransferPool) -> None:
    """Where a result wins, a late cancel is forgotten, and the task does not look cancelled."""
    gate = Gate()

    def call() -> str:
        gate()
        return "done"

    async def run() -> tuple[str, int]:
        result = await pool.run(call, CancelFlag(), result_wins=True)
        task = asyncio.current_task()
        return result, task.cancelling() if task else -1

    task = asyncio.create_task(run())
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.open()

    assert await task == ("done", 0)


async def test_cancel_wins_over_failure(pool: TransferPool) -> None:
    """Where a result would win, a failure does not; it becomes the cause of the cancel."""
    gate = Gate(hears_flag=True)
    task = asyncio.create_task(pool.run(gate, CancelFlag(), result_wins=True))
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert isinstance(caught.value.__cause__, TransferCancelled)


async def test_closed_pool_refuses() -> None:
    """A closed pool raises an error and takes nothing."""
    pool = TransferPool(1)
    pool.close()

    with pytest.raises(RuntimeError, match="closed"):
        await pool.run(lambda: None, CancelFlag())


async def test_undoing_survives_impatience() -> None:
    """Work in `finish` is done to its end before the cancel goes on."""
    begun, may_end, done = asyncio.Event(), asyncio.Event(), []

    async def undo() -> None:
        begun.set()
        await may_end.wait()
        done.append("undone")

    task = asyncio.create_task(to_the_end(undo()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert done == ["undone"]


async def test_failure_while_undoing_is_not_lost() -> None:
    """Without a cancel the failure itself comes out; with one it is its cause."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        await to_the_end(fail())
    task = asyncio.create_task(to_the_end(fail()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert isinstance(caught.value.__cause__, StoreUnavailable)


def test_call_that_was_refused_never_runs() -> None:
    """A call for which no thread could be started does not run in a later thread."""
    ran: list[str] = []
    with ThreadPool(2) as pool:
        with no_new_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
            pool.submit(ran.append, "refused")
        pool.submit(ran.append, "taken").result()

    assert ran == ["taken"]


def test_call_that_another_thread_has_taken_counts() -> None:
    """A pool with a free thread needs no other one."""
    with ThreadPool(2) as pool:
        pool.submit(int).result()
        with no_new_threads():
            assert pool.submit(int, "7").result() == 7


def test_error_of_a_call() -> None:
    """An error of the call is that of its future."""

    def fail() -> None:
        raise ZeroDivisionError

    with ThreadPool(1) as pool:
        assert isinstance(pool.submit(fail).exception(), ZeroDivisionError)
