"""Token buckets, driven by a `now` that the test passes in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.core.limits import Rate, TokenBucket

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
GROUP = Rate(count=20, period=timedelta(minutes=1), burst=5)


def at(seconds: float) -> datetime:
    """Return a time `seconds` after the start."""
    return START + timedelta(seconds=seconds)


def _empty() -> TokenBucket:
    """Return a bucket from which everything has been taken."""
    bucket = TokenBucket(GROUP)
    while bucket.take(START):
        pass
    return bucket


def test_interval_is_the_share_of_one_action() -> None:
    """20 a minute earn one every three seconds."""
    assert timedelta(seconds=3) == GROUP.interval


def test_bucket_starts_full_and_empties() -> None:
    """The burst is there at once, and not one more."""
    bucket = TokenBucket(GROUP)

    assert [bucket.take(START) for _ in range(6)] == [True] * 5 + [False]


def test_bucket_earns_one_token_per_interval_up_to_the_burst() -> None:
    """After three seconds there is one token; after an hour no more than the burst."""
    bucket = _empty()
    assert bucket.available(START) == 0.0
    assert bucket.available(at(3)) == 1.0

    assert bucket.available(at(3600)) == 5.0


def test_reserve_is_left_for_those_who_need_none() -> None:
    """Who must leave two tokens stops earlier than who must not."""
    bucket = TokenBucket(GROUP)
    modest = [bucket.take(START, reserve=2.0) for _ in range(4)]
    urgent = [bucket.take(START) for _ in range(3)]

    assert modest == [True, True, True, False]
    assert urgent == [True, True, False]


def test_clock_that_goes_back_earns_nothing() -> None:
    """Going back and forth does not fill the bucket."""
    bucket = _empty()
    for _ in range(100):
        bucket.available(at(2))
        bucket.available(at(0))

    assert bucket.available(at(2)) < 1.0


def test_empty_bucket_tells_when_it_is_ready() -> None:
    """The next token is one interval away."""
    bucket = TokenBucket(GROUP)
    assert bucket.ready_at(START) == START
    bucket = _empty()

    assert at(3) <= bucket.ready_at(START) <= at(3.1)


@given(
    rate=st.builds(
        Rate,
        count=st.integers(1, 100),
        period=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
        burst=st.integers(1, 20),
    ),
    taken=st.integers(0, 20),
    wait=st.floats(0, 100),
    share=st.floats(0, 1),
)
def test_take_succeeds_exactly_when_ready_at_says(
    rate: Rate, taken: int, wait: float, share: float
) -> None:
    """Taking at `ready_at` succeeds, after any number of takes before."""
    bucket = TokenBucket(rate)
    reserve = share * (rate.burst - 1)
    for _ in range(taken):
        bucket.take(START)
    now = at(wait)
    ready = bucket.ready_at(now, reserve=reserve)

    assert ready >= now
    assert (ready == now) == (bucket.available(now) >= 1.0 + reserve)
    assert bucket.take(ready, reserve=reserve)


@given(st.lists(st.floats(0, 60), min_size=1, max_size=200))
def test_no_minute_exceeds_burst_plus_count(seconds: list[float]) -> None:
    """However the calls fall, a minute sees at most what it earns and the burst."""
    bucket = TokenBucket(GROUP)
    taken = sum(bucket.take(at(second)) for second in sorted(seconds))

    assert taken <= GROUP.count + GROUP.burst
