"""Calls to the store from the event loop: in pool threads, retried, stopped by the cancel flag."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bot.core.errors import Corrupted, StoreError, StoreThrottled, TransferCancelled, UploadGone
from bot.core.ports.store import ObjectStore
from bot.transfer.pool import CancelFlag, TransferPool

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently the calls of a transfer are repeated; times are seconds.

    Ten attempts with full jitter up to 20 s last half a minute on average and a little over a
    minute at most, which covers a restart of whatever stands between us and OSS. `longest_asked`
    bounds a delay that OSS asks for, so that a mad header cannot hold a transfer for a day.

    stamina, which the rest of the program uses, is not used here: it sleeps with `time.sleep`,
    which a raised flag cannot end, and a cancelled transfer would keep its thread for up to 20 s.
    """

    attempts: int = 10
    base: float = 0.2
    cap: float = 20.0
    longest_asked: float = 120.0
    draw: Callable[[], float] = random.random
    """Gives the jitter, from 0 to 1."""
    wait: Callable[[CancelFlag, float], bool] = CancelFlag.wait
    """Waits and says whether the flag was raised."""

    def delay(self, failures: int, error: StoreError) -> float:
        """Return the seconds to wait after the failure number `failures`, counted from 1."""
        asked = error.delay if isinstance(error, StoreThrottled) else 0.0
        jitter = self.draw() * min(self.cap, self.base * 2.0 ** (failures - 1))
        return max(jitter, min(asked, self.longest_asked))

    def pause(self, failures: int, error: StoreError, flag: CancelFlag) -> None:
        """Wait before the next attempt, or raise `error` if there is none left.

        Raises:
            TransferCancelled: the flag was raised before or while waiting.
        """
        if error.permanent or failures >= self.attempts:
            raise error
        if self.wait(flag, self.delay(failures, error)):
            raise TransferCancelled("stopped while waiting for the next attempt") from error


def call(
    attempt: Callable[[], T],
    *,
    policy: RetryPolicy,
    flag: CancelFlag,
    on_trouble: Callable[[StoreError], None] = lambda _: None,
) -> T:
    """Call `attempt` until it returns. Blocks; `on_trouble` hears of every failure.

    Permanent errors, and `UploadGone` (no repetition brings an upload back), are raised at once;
    transient ones when the attempts are used up.

    Raises:
        StoreError: as said above.
        TransferCancelled: the flag was raised; a wait ends at once.
    """
    failures = 0
    while True:
        flag.raise_if_set()
        try:
            return attempt()
        except UploadGone:
            raise
        except StoreError as error:
            failures += 1
            on_trouble(error)
            policy.pause(failures, error, flag)


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


async def abort_orphans(line: StoreCaller, key: str, *, known: str | None) -> int:
    """Abort every pending upload of exactly `key` but `known`; return how many there were.

    An `initiate` whose answer was lost leaves such an upload behind.
    """

    pending = await line.call(lambda: pending_of(line.store, key))
    orphans = [upload_id for upload_id in pending if upload_id != known]
    for orphan in orphans:
        await line.call(partial(line.store.abort, key, orphan))
    return len(orphans)


def pending_of(store: ObjectStore, key: str) -> list[str]:
    """Return the ids of the pending uploads of exactly `key`. Blocks; raises `StoreError`."""
    return [upload.upload_id for upload in store.list_uploads(key) if upload.key == key]
