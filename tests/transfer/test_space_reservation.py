"""Space is reserved first come, first served, and always given back."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import SpoolQuotaTooSmall
from bot.transfer.spool import SpaceReservation


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Holder:
    """A task that reserves, holds until it is told, and gives back."""

    def __init__(self, quota: SpaceReservation, size: int) -> None:
        self.got = False
        self._release = asyncio.Event()
        self.task = asyncio.create_task(self._run(quota, size))

    async def _run(self, quota: SpaceReservation, size: int) -> None:
        async with quota.reserve(size):
            self.got = True
            await self._release.wait()

    async def release(self) -> None:
        """Give the space back."""
        self._release.set()
        await self.task
        await settle()

    async def cancel(self) -> None:
        """Stop waiting or holding."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await settle()


async def holders(quota: SpaceReservation, *sizes: int) -> list[Holder]:
    """Let tasks reserve space in this order."""
    made = []
    for size in sizes:
        made.append(Holder(quota, size))
        await settle()
    return made


async def test_at_once() -> None:
    """A reservation that fits is given without waiting, down to the last byte."""
    quota = SpaceReservation(10)
    async with quota.reserve(4), quota.reserve(6):
        assert quota.reserved == 10
    assert quota.reserved == 0


async def test_too_large() -> None:
    """A reservation that can never fit is refused at once."""
    with pytest.raises(SpoolQuotaTooSmall):
        async with SpaceReservation(10).reserve(11):
            pass


async def test_order() -> None:
    """A small reservation does not overtake a large one that came first."""
    quota = SpaceReservation(10)
    first, large, small = await holders(quota, 5, 8, 1)
    assert (first.got, large.got, small.got) == (True, False, False)
    assert quota.waiting == 2

    await first.release()

    assert (large.got, small.got) == (True, True)
    await large.release()
    await small.release()
    assert (quota.reserved, quota.waiting) == (0, 0)


async def test_cancel_while_waiting() -> None:
    """A waiter that is cancelled lets those behind it through."""
    quota = SpaceReservation(10)
    first, large, small = await holders(quota, 5, 8, 1)

    await large.cancel()

    assert small.got
    assert quota.reserved == 6
    await first.release()
    await small.release()
    assert quota.reserved == 0


async def test_cancel_in_the_moment_of_the_grant() -> None:
    """Space that is granted in the same moment as a cancel is not lost."""
    quota = SpaceReservation(10)
    first, second = await holders(quota, 10, 10)

    first._release.set()
    await first.task
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)

    assert (quota.reserved, quota.waiting) == (0, 0)


async def test_error_inside() -> None:
    """Space is given back when the work inside fails."""
    quota = SpaceReservation(10)
    with pytest.raises(ZeroDivisionError):
        async with quota.reserve(3):
            _ = 1 // 0

    assert quota.reserved == 0


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 10), min_size=1, max_size=12),
    steps=st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=24),
)
def test_never_too_much_never_lost(sizes: list[int], steps: list[tuple[int, bool]]) -> None:
    """In any order of releases and cancels no more than the total is held, and all comes back."""

    async def play() -> None:
        quota = SpaceReservation(10)
        everyone = await holders(quota, *sizes)
        for index, is_cancel in steps:
            holder = everyone[index % len(everyone)]
            if not holder.task.done():
                await (holder.cancel() if is_cancel or not holder.got else holder.release())
            held = sum(
                size
                for size, holder in zip(sizes, everyone, strict=True)
                if holder.got and not holder.task.done()
            )
            assert held == quota.reserved <= 10
        async with AsyncExitStack() as stack:
            for holder in everyone:
                stack.push_async_callback(holder.cancel)
        assert (quota.reserved, quota.waiting) == (0, 0)

    asyncio.run(play())
