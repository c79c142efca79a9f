"""The number of parts in flight."""

import asyncio
from contextlib import suppress

import pytest

from bot.transfer.multipart import ConcurrencyWindow


async def succeed(window: ConcurrencyWindow, times: int) -> None:
    """Let `times` parts pass, one after the other."""
    for _ in range(times):
        await window.enter()
        with window.leaving():
            pass


async def test_admits_as_many_as_its_size() -> None:
    """A full window admits the next task only when another has left."""
    window = ConcurrencyWindow(2)
    await window.enter()
    await window.enter()
    third = asyncio.create_task(window.enter())
    await asyncio.sleep(0)
    waited = not third.done()
    with window.leaving():
        pass

    assert waited
    assert await third == 3


async def test_trouble_halves_it_once_per_moment() -> None:
    """Eight parts that are throttled together halve it once; a later one halves it again."""
    window = ConcurrencyWindow(8)
    tickets = [await window.enter() for _ in range(8)]
    for ticket in tickets:
        window.shrink(ticket)
    after_first = window.size
    for _ in tickets:
        with window.leaving():
            pass
    window.shrink(await window.enter())

    assert after_first == 4
    assert window.size == 2


async def test_never_below_one() -> None:
    """The window never shrinks below one part."""
    window = ConcurrencyWindow(2)
    for _ in range(5):
        window.shrink(await window.enter())
        with suppress(ZeroDivisionError), window.leaving():
            raise ZeroDivisionError

    assert window.size == 1


async def test_grows_by_one_per_full_window() -> None:
    """Four successes widen a window of four to five; it never exceeds its initial size."""
    window = ConcurrencyWindow(8)
    window.shrink(await window.enter())
    with window.leaving():
        pass
    await succeed(window, 3)
    grown = window.size
    await succeed(window, 100)

    assert grown == 5
    assert window.size == 8


async def test_failure_frees_the_place_without_growing() -> None:
    """A part that failed gives its place back."""
    window = ConcurrencyWindow(1)
    await window.enter()
    with pytest.raises(ZeroDivisionError), window.leaving():
        raise ZeroDivisionError

    assert await window.enter() == 2
