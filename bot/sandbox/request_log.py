"""The requests that a stand-in got, in order, and waiting for the next one."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class LoggedRequest:
    """One request: `operation` as its documentation spells it, decoded `params`, and the HTTP
    status it got.

    `status` is 0 while no answer has been sent (or none ever was, because a fault broke the
    connection).
    """

    at: datetime
    operation: str
    params: dict[str, object] = field(default_factory=dict)
    status: int = 0


class RequestLog:
    """Every request, oldest first. Use it from the event loop of its server."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._changed = asyncio.Condition()

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, operation: str) -> list[LoggedRequest]:
        """Return the requests of one operation, oldest first."""
        return [entry for entry in self._entries if entry.operation == operation]

    async def add(self, entry: LoggedRequest) -> None:
        """Append a request at its beginning."""
        self._entries.append(entry)
        await self.touch()

    async def touch(self) -> None:
        """Wake all waiters; called when an entry got its status or the state behind it changed."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_for(self, condition: Callable[[], bool], *, timeout: float = 20.0) -> None:
        """Wait until `condition` holds; it is checked after every request and change.

        Raises:
            TimeoutError: it did not hold in time (real seconds).
        """
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(condition)
