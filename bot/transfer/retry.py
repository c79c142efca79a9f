"""Second and later attempts at a blocking call to the store."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.core.errors import StoreError, StoreThrottled, TransferCancelled, UploadGone
from bot.transfer.flag import CancelFlag

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
