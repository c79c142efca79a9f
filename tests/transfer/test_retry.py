"""Further attempts."""

from collections.abc import Callable

import pytest

from bot.core.errors import (
    StoreError,
    StoreForbidden,
    StoreThrottled,
    StoreUnavailable,
    TransferCancelled,
    UploadGone,
)
from bot.transfer.pool import CancelFlag, RetryPolicy, call


class Waits:
    """Remembers how long it was asked to wait, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, flag: CancelFlag, seconds: float) -> bool:
        """Note the wait."""
        self.seconds.append(seconds)
        return flag.is_set


def failing(*errors: StoreError) -> Callable[[], str]:
    """Make a call that raises `errors` one after the other and then returns."""
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


def policy(waits: Waits, *, attempts: int = 10, jitter: float = 1.0) -> RetryPolicy:
    """Make a policy with fixed jitter."""
    return RetryPolicy(attempts=attempts, draw=lambda: jitter, wait=waits)


def test_backoff_doubles_up_to_its_cap() -> None:
    """Ten attempts wait nine times, doubling from 0.2 s to 20 s."""
    waits = Waits()
    errors = [StoreUnavailable("down") for _ in range(9)]

    assert call(failing(*errors), policy=policy(waits), flag=CancelFlag()) == "done"
    assert pytest.approx(waits.seconds) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]


def test_jitter_is_full() -> None:
    """The wait lies anywhere between nothing and the backoff."""
    waits = Waits()
    call(failing(StoreUnavailable("down")), policy=policy(waits, jitter=0.0), flag=CancelFlag())

    assert waits.seconds == [0.0]


def test_attempts_run_out() -> None:
    """The last error is raised, without a wait after it."""
    waits = Waits()
    errors = [StoreUnavailable(str(number)) for number in range(5)]

    with pytest.raises(StoreUnavailable, match="2"):
        call(failing(*errors), policy=policy(waits, attempts=3), flag=CancelFlag())
    assert len(waits.seconds) == 2


@pytest.mark.parametrize("error", [StoreForbidden("no"), UploadGone("gone")])
def test_hopeless_errors_are_raised_at_once(error: StoreError) -> None:
    """Neither a refusal nor a missing upload is repeated."""
    waits = Waits()

    with pytest.raises(type(error)):
        call(failing(error), policy=policy(waits), flag=CancelFlag())
    assert waits.seconds == []


@pytest.mark.parametrize(("asked", "expected"), [(7.0, 7.0), (0.0, 0.2), (99_999.0, 120.0)])
def test_asked_delay_is_honoured(asked: float, expected: float) -> None:
    """OSS gets the pause that it asks for, up to a limit, and never less than the backoff."""
    waits = Waits()
    call(failing(StoreThrottled("slow", asked)), policy=policy(waits), flag=CancelFlag())

    assert [expected] == waits.seconds


def test_trouble_is_told() -> None:
    """Every failure is reported, the last one included."""
    heard: list[StoreError] = []
    errors = [StoreUnavailable("one"), StoreThrottled("two")]

    with pytest.raises(StoreThrottled):
        call(
            failing(*errors),
            policy=policy(Waits(), attempts=2),
            flag=CancelFlag(),
            on_trouble=heard.append,
        )
    assert errors == heard


def test_flag_ends_the_wait() -> None:
    """A flag that is raised while waiting ends it, and no further attempt is made."""
    flag, attempts = CancelFlag(), []

    def attempt() -> None:
        attempts.append(1)
        flag.set()  # As if the caller was cancelled during the wait that follows.
        raise StoreUnavailable("down")

    with pytest.raises(TransferCancelled):
        call(attempt, policy=RetryPolicy(base=60.0, cap=60.0), flag=flag)
    assert attempts == [1]


def test_raised_flag_prevents_the_first_attempt() -> None:
    """A transfer that was cancelled before its turn sends nothing."""
    flag = CancelFlag()
    flag.set()

    with pytest.raises(TransferCancelled):
        call(failing(), policy=RetryPolicy(), flag=flag)
