"""Rolling limits: exact, and truthful about when they free."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.core.limits import WINDOW, Limit, LimitRefusal, TransferLimits
from bot.core.ports.ledger import Accepted
from tests.fakes.samples import NOW

TICK = timedelta(microseconds=1)
HISTORY = st.lists(
    st.builds(
        Accepted,
        st.integers(0, 30 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        st.integers(0, 50),
    ),
    max_size=30,
)
ALLOWANCES = st.builds(
    TransferLimits, files=st.integers(0, 12), bytes=st.integers(0, 300), largest=st.integers(0, 60)
)


def spread(count: int, size: int = 10) -> list[Accepted]:
    """Return files that were accepted an hour apart, the last one an hour ago."""
    return [Accepted(NOW - timedelta(hours=hours), size) for hours in range(count, 0, -1)]


@given(ALLOWANCES, HISTORY, st.integers(0, 60))
def test_what_is_accepted_keeps_every_limit(
    allowance: TransferLimits, before: list[Accepted], size: int
) -> None:
    """Accepting is right exactly when no limit is broken afterwards; 0 is no limit."""
    counted = [a for a in before if now_counts(a)]
    keeps = (
        (not allowance.files or len(counted) + 1 <= allowance.files)
        and (not allowance.bytes or sum(a.size for a in counted) + size <= allowance.bytes)
        and (not allowance.largest or size <= allowance.largest)
    )

    assert keeps == (allowance.check(size, before, NOW) is None)


def now_counts(accepted: Accepted) -> bool:
    """Say whether a file was accepted less than 24 hours ago."""
    return NOW - accepted.at < timedelta(hours=24)


@given(ALLOWANCES, HISTORY, st.integers(0, 60))
def test_wait_is_exact(allowance: TransferLimits, before: list[Accepted], size: int) -> None:
    """After the time that was told the file is accepted, and a moment earlier it is not."""
    refusal = allowance.check(size, before, NOW)
    if refusal is None or refusal.frees_in is None:
        return
    free_at = NOW + refusal.frees_in

    assert refusal.frees_in > timedelta(0)
    assert allowance.check(size, before, free_at) is None
    assert allowance.check(size, before, free_at - TICK) is not None


@given(ALLOWANCES, HISTORY, st.integers(0, 60))
def test_never_means_never(allowance: TransferLimits, before: list[Accepted], size: int) -> None:
    """Where no time is told the file would not even be accepted first thing."""
    refusal = allowance.check(size, before, NOW)
    if refusal is None or refusal.frees_in is not None:
        return

    assert allowance.check(size, [], NOW) is not None


@given(HISTORY, st.integers(0, 60))
def test_without_limits_everything_is_accepted(before: list[Accepted], size: int) -> None:
    """The default is no limit at all."""
    assert TransferLimits().check(size, before, NOW) is None
    assert not TransferLimits().is_rolling
    assert not TransferLimits(largest=5).is_rolling
    assert TransferLimits(files=1).is_rolling

    assert TransferLimits(bytes=1).is_rolling


def test_refusal_tells_files() -> None:
    """Which limit, how much is used, and when the oldest of them ceases to count."""
    refusal = TransferLimits(files=3).check(5, spread(3), NOW)

    assert LimitRefusal(Limit.FILES, 3, 3, 5, timedelta(hours=21)) == refusal


def test_refusal_tells_bytes() -> None:
    """So many of the oldest must leave that the file fits."""
    refusal = TransferLimits(bytes=40).check(25, spread(3), NOW)

    assert LimitRefusal(Limit.BYTES, 40, 30, 25, timedelta(hours=22)) == refusal


def test_refusal_of_a_file_that_never_fits() -> None:
    """A file that is larger than the limit never fits."""
    assert LimitRefusal(Limit.BYTES, 40, 10, 41) == TransferLimits(bytes=40).check(
        41, spread(1), NOW
    )

    assert LimitRefusal(Limit.LARGEST, 40, 0, 41) == TransferLimits(largest=40).check(
        41, spread(1), NOW
    )


def test_longest_wait_is_told() -> None:
    """Of two limits the one that holds longer counts, or the user would come back in vain."""
    refusal = TransferLimits(files=3, bytes=40).check(25, spread(3), NOW)
    assert refusal is not None

    assert (Limit.BYTES, timedelta(hours=22)) == (refusal.limit, refusal.frees_in)


def test_window_is_a_day() -> None:
    """What was accepted exactly 24 hours ago does not count any more."""
    before = [Accepted(NOW - WINDOW, 10)]

    assert TransferLimits(files=1).check(1, before, NOW) is None
    assert TransferLimits(files=1).check(1, before, NOW - TICK) is not None
