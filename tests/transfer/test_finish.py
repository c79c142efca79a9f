"""Work that is finished even if its caller is cancelled."""

import asyncio

import pytest

from bot.transfer.pool import finish


async def test_result_is_returned() -> None:
    """Without a cancel the result of the work is returned."""

    async def work() -> int:
        return 7

    assert await finish(work()) == 7


async def test_error_is_raised() -> None:
    """An error of the work is raised to the caller."""

    async def work() -> None:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        await finish(work())


async def test_work_ends_however_often_it_is_cancelled() -> None:
    """The caller goes on with the result as if it had not been cancelled."""
    began, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        began.set()
        await may_end.wait()
        return "done"

    task = asyncio.create_task(finish(work()))
    await began.wait()
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()

    assert await task == "done"
