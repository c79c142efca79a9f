"""Count the steps of the tasks of a loop, so that a test can act at each of them."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import coroutine
from typing import Any


class Steps:
    """What the tasks that were begun meanwhile have done: `taken` counts how often one of them was
    let go on, `reached` is set when that was `until` times.
    """

    def __init__(self, until: int | None) -> None:
        self.taken = 0
        self.reached = asyncio.Event()
        self._until = until

    def make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        **kwargs: Any,
    ) -> "asyncio.Task[Any]":
        """Return a task that counts its steps; the loop's factory."""
        return asyncio.Task(self._run(work), loop=loop, **kwargs)

    async def _run(self, work: Coroutine[Any, Any, Any] | Generator[Any, None, Any]) -> Any:
        return await self._drive(work)

    @coroutine
    def _drive(
        self, work: Coroutine[Any, Any, Any] | Generator[Any, None, Any]
    ) -> Generator[Any, Any, Any]:
        go_on: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            self.taken += 1
            if self.taken == self._until:
                self.reached.set()
            try:
                wanted = go_on(given)
            except StopIteration as end:
                return end.value
            try:
                given = yield wanted
                go_on = work.send
            except BaseException as error:  # noqa: BLE001 -- it is the coroutine's to handle.
                given, go_on = error, work.throw


@contextmanager
def counted_steps(*, until: int | None = None) -> Iterator[Steps]:
    """Count the steps of all tasks that are made inside the block."""
    loop = asyncio.get_running_loop()
    steps = Steps(until)
    before = loop.get_task_factory()
    loop.set_task_factory(steps.make_task)
    try:
        yield steps
    finally:
        loop.set_task_factory(before)
