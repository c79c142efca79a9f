"""Room that is taken before it is used, first come, first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.core.errors import SpoolQuotaTooSmall


class SpaceReservation:
    """So many bytes for all together. Lives in one event loop.

    The order is strict: a small file does not overtake a large one that waits, or the large one
    might wait for ever.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._reserved = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def reserved(self) -> int:
        """Bytes that are taken at this moment."""
        return self._reserved

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return len(self._waiting)

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes are free, and hold them inside the block.

        A cancel while waiting leaves the line at once.

        Raises:
            SpoolQuotaTooSmall: they would not be free if nobody else were there.
        """
        if size > self.total:
            raise SpoolQuotaTooSmall(f"{size} bytes, the spool may have {self.total}")
        await self._take(size)
        try:
            yield
        finally:
            self._give_back(size)

    async def _take(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._reserved += size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((size, turn))
                # Whoever stood behind may fit where this one did not.
                self._admit()
            else:
                # The room came in the same moment as the cancel.
                self._give_back(size)
            raise

    def _give_back(self, size: int) -> None:
        self._reserved -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting[0]
            if turn.cancelled():
                # Its task has not run yet; it will remove itself and come back here.
                return
            self._waiting.popleft()
            self._reserved += size
            turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._reserved + size <= self.total
