"""The store's blocking calls as one upload makes them: in pool threads, repeated, stopped
together.
"""

from collections.abc import Callable
from typing import TypeVar

from bot.core.errors import Corrupted, StoreError
from bot.core.ports.store import ObjectStore
from bot.transfer.flag import CancelFlag
from bot.transfer.pool import TransferPool
from bot.transfer.retry import RetryPolicy, call

T = TypeVar("T")


class StoreCaller:
    """Everything that one upload needs in order to talk to the store; `flag` stops all of it."""

    def __init__(self, store: ObjectStore, pool: TransferPool, policy: RetryPolicy) -> None:
        self.store = store
        self.pool = pool
        self.policy = policy
        self.flag = CancelFlag()

    async def call(
        self,
        attempt: Callable[[], T],
        *,
        on_trouble: Callable[[StoreError], None] = lambda _: None,
    ) -> T:
        """Run `attempt` in a thread until it succeeds, as `RetryPolicy` says.

        On cancel its thread has ended before `CancelledError` goes on. Raises what
        `bot.transfer.retry.call` raises; `on_trouble` is called in the thread.
        """
        return await self.pool.run(
            lambda: call(attempt, policy=self.policy, flag=self.flag, on_trouble=on_trouble),
            self.flag,
        )


def check_crc64(told: int | None, ours: int | None, what: str) -> int:
    """Compare what OSS says that it received with what was read from disk; return it.

    Raises:
        Corrupted: they differ, or one of them is missing; unchecked bytes are never trusted.
    """
    if told is None or ours is None or told != ours:
        raise Corrupted(f"CRC-64 of {what}: OSS has {told}, the file on disk {ours}")
    return ours
