"""Positions, fractions, speed and the time that is left."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.jobs import Phase, ProgressMeter, Snapshot, Speed

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return a time `seconds` after the start."""
    return START + timedelta(seconds=seconds)


def moving(downloaded: int, uploaded: int, total: int | None = 1000) -> Snapshot:
    """Return a snapshot in the middle of a transfer."""
    return Snapshot(downloaded, uploaded, total, Phase.MOVING)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (moving(0, 0), 0.0),
        (moving(1000, 0), 0.5),
        (moving(500, 500), 0.5),
        (moving(1000, 1000), 1.0),
        (moving(3000, 3000), 1.0),
        (moving(10, 10, total=None), None),
        (moving(0, 0, total=0), None),
    ],
)
def test_fraction_covers_both_halves(snapshot: Snapshot, expected: float | None) -> None:
    """Both halves count alike, never above 1, and nothing is made up without a total."""
    assert expected == snapshot.fraction


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 1 << 20))))
def test_meter_sums_the_last_position_of_each_part(writes: list[tuple[int, int]]) -> None:
    """Positions are absolute: a part that starts again sets its own entry back, without drift."""
    meter = ProgressMeter(total=1 << 30)
    for number, position in writes:
        meter.set_part(number, position)

    assert sum(dict(writes).values()) == meter.snapshot().uploaded


def test_meter_forgets_parts_of_an_upload_that_is_gone() -> None:
    """A new upload begins at 0, while what was downloaded stays."""
    meter = ProgressMeter(total=100)
    meter.downloaded = 100
    meter.phase = Phase.MOVING
    meter.set_part(1, 60)
    meter.restart_parts()

    assert Snapshot(100, 0, 100, Phase.MOVING) == meter.snapshot()


def test_what_oss_has() -> None:
    """Bytes count as stored when OSS has confirmed their part, and a new upload has none."""
    meter = ProgressMeter(100)
    meter.set_part(1, 60)
    sent = meter.snapshot()
    meter.store_part(1, 60)
    stored = meter.snapshot()
    meter.restart_parts()

    assert (sent.uploaded, sent.stored, stored.stored) == (60, 0, 60)
    assert meter.snapshot().stored == 0


def test_meter_may_be_read_while_threads_write() -> None:
    """Eight threads add parts while the loop looks; no look fails and the end is exact."""
    meter = ProgressMeter(total=8 * 500)

    def write(first: int) -> None:
        for number in range(first, first + 500):
            meter.set_part(number, 1)

    threads = [threading.Thread(target=write, args=(n * 500,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert 0 <= meter.snapshot().uploaded <= 4000
    for thread in threads:
        thread.join()

    assert meter.snapshot().uploaded == 4000


def test_speed_is_unknown_before_two_samples() -> None:
    """One sample tells no speed, and two at the same time do not either."""
    speed = Speed()
    assert speed.rate() is None
    speed.add(at(0), moving(0, 0))
    assert speed.rate() is None
    speed.add(at(0), moving(100, 0))

    assert speed.rate() is None


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (moving(0, 0), moving(400, 200), 100.0),
        (moving(0, 0), moving(400, 0), 200.0),
        (moving(1000, 0), moving(1000, 300), 150.0),
        (moving(1000, 300), moving(1000, 0), 0.0),
    ],
)
def test_speed_is_that_of_the_slower_half(
    first: Snapshot, last: Snapshot, expected: float
) -> None:
    """Once the upload has begun its speed counts, before that of the download; never below 0."""
    speed = Speed()
    speed.add(at(0), first)
    speed.add(at(2), last)

    assert expected == speed.rate()


def test_speed_forgets_what_is_older_than_its_window() -> None:
    """A stall that ended more than ten seconds ago does not count any more."""
    speed = Speed()
    speed.add(at(0), moving(0, 0))
    for second in range(100, 111):
        speed.add(at(second), moving(1000, (second - 100) * 10))

    assert speed.rate() == 10.0


@pytest.mark.parametrize(
    ("total", "expected"),
    [(1000, timedelta(seconds=8)), (200, timedelta(0)), (100, timedelta(0)), (None, None)],
)
def test_time_left_is_what_is_missing_by_the_rate(
    total: int | None, expected: timedelta | None
) -> None:
    """The bytes that are not uploaded yet, divided by the rate; nothing where there
    is no total.
    """
    speed = Speed()
    speed.add(at(0), moving(0, 0, total))
    now = moving(500, 200, total)
    speed.add(at(2), now)

    assert expected == speed.time_left(now)


def test_time_left_is_unknown_when_nothing_moves() -> None:
    """A stalled transfer has no estimate."""
    speed = Speed()
    speed.add(at(0), moving(500, 200))
    speed.add(at(5), moving(500, 200))

    assert speed.time_left(moving(500, 200)) is None
