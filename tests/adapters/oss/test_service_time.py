"""OSS's clock, as far as its answers tell."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.oss.client import OssTime
from bot.sandbox.clock import SandboxClock

START = datetime(2026, 11, 23, 16, 0, 0, 400_000, tzinfo=UTC)


def header(at: datetime) -> str:
    """Write a Date header as HTTP does: whole seconds, rounded down."""
    return format_datetime(at.replace(microsecond=0), usegmt=True)


def make() -> tuple[OssTime, SandboxClock]:
    """Make a service time on a clock that stands."""
    clock = SandboxClock(START, running=False)
    return OssTime(clock), clock


@given(st.integers(-3600, 3600), st.floats(0, 5), st.floats(0, 5))
def test_never_ahead_of_oss(skew: int, before: float, after: float) -> None:
    """For all delays the learned time is not later than the true one, or needs no change."""
    time, clock = make()
    asked_at = time.local()
    clock.advance(timedelta(seconds=before))
    truth = clock.now() + timedelta(seconds=skew)
    written = header(truth)
    clock.advance(timedelta(seconds=after))
    time.learn(written, asked_at)
    error = time.offset - timedelta(seconds=skew)

    assert abs(error) <= timedelta(seconds=1 + before + after)
    assert time.offset == timedelta(0) or error <= timedelta(0)


def test_equal_clocks_stay_equal() -> None:
    """Rounding and delays alone change nothing."""
    time, clock = make()
    asked_at = time.local()
    clock.advance(timedelta(seconds=0.7))
    time.learn(header(START), asked_at)

    assert timedelta(0) == time.offset
    assert clock.now() == time.now()


def test_clock_moved_during_a_request() -> None:
    """A day that passes between question and answer does not make the time wrong."""
    time, clock = make()
    asked_at = time.local()
    clock.advance(timedelta(days=1))
    time.learn(header(START), asked_at)

    assert timedelta(0) == time.offset


def test_skew_is_learned_and_unlearned() -> None:
    """The offset follows the answers both ways."""
    time, _ = make()
    time.learn(header(START + timedelta(minutes=20)), time.local())
    ahead = time.offset
    time.learn(header(START), time.local())

    assert timedelta(minutes=19, seconds=59) <= ahead <= timedelta(minutes=20)
    assert timedelta(seconds=-1) <= time.offset <= timedelta(0)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Nov 2026 16:00:00 GMT"])
def test_unreadable_dates_teach_nothing(date: str | None) -> None:
    """An answer without a proper date is no reason to change the time."""
    time, _ = make()
    time.learn(date, time.local())

    assert timedelta(0) == time.offset
