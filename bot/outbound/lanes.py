"""One call at a time for each key; different keys side by side."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any


class InFlightCalls:
    """Owns the tasks of calls to the chat service, so that a slow chat delays nobody else.

    A lane that is taken stays taken until its call has returned, which Telegram may delay by a
    minute (silent flood waits), and then until the next round: whoever looked at the ledger in
    this one may still see it as it was before the call ended, and would say the same thing again.
    `freed` is called when there is reason for another round.
    """

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._ended: set[Hashable] = set()
        self._defect: BaseException | None = None

    def begin_round(self) -> None:
        """Free the lanes whose calls have returned; to be called before anybody looks at
        the ledger.

        Raises what a call let out: expected errors are handled there, so this is a defect or a
        broken ledger.
        """
        self._ended.clear()
        if self._defect is not None:
            raise self._defect

    def is_free(self, key: Hashable) -> bool:
        """Whether nothing is, or was in this round, under way on this lane."""
        return key not in self._tasks and key not in self._ended

    def start(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        """Begin a call on a free lane."""
        self._tasks[key] = asyncio.create_task(self._run(key, call))

    async def _run(self, key: Hashable, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 -- it is raised again where somebody listens.
            self._defect = error
        finally:
            del self._tasks[key]
            self._ended.add(key)
            self._freed()

    @property
    def is_idle(self) -> bool:
        """Whether no call is, or was in this round, under way."""
        return not (self._tasks or self._ended)

    async def wait_for_one(self, timeout: float) -> None:
        """Wait until one of the calls under way has returned, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(
                self._tasks.values(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )

    async def drain(self, timeout: float) -> None:
        """Wait until the calls under way have returned, at most `timeout` seconds; cancel the
        rest. Begins a round.
        """
        if tasks := list(self._tasks.values()):
            _, pending = await asyncio.wait(tasks, timeout=timeout)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._ended.clear()
