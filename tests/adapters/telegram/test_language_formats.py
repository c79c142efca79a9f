"""Sizes, durations, times and bars."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.telegram import languages
from bot.adapters.telegram.languages import load_languages
from bot.core.files import SIZE_UNITS, shown_size

LANGUAGES = load_languages()
EN, ZH = LANGUAGES["en"], LANGUAGES["zh-Hans"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (1536, "1.5 KB"),
        (102_348, "99.9 KB"),
        (102_400, "100 KB"),
        (1_047_552, "1023 KB"),
        (1_048_000, "1023 KB"),
        (1_048_500, "1 MB"),
        (1_048_576, "1 MB"),
        (13_002_342, "12.4 MB"),
        (20_971_520, "20 MB"),
        (209_715_200, "200 MB"),
        (4 << 30, "4 GB"),
        (5 << 40, "5 TB"),
        (5000 << 40, "5000 TB"),
    ],
)
def test_size_table(count: int, expected: str) -> None:
    """Sizes are written as Telegram's apps write them, without needless zeros."""
    assert expected == shown_size(count)


@given(st.integers(0, 1 << 60))
def test_size_is_short_and_near(count: int) -> None:
    """At most four digits, and never more than 5 % beside the truth."""
    digits, unit = shown_size(count).split()
    assert len(digits) <= 4 or unit == "TB"

    told = float(digits) * 1024 ** SIZE_UNITS.index(unit)
    assert abs(told - count) <= 0.05 * count + 1e-9


def test_sizes_that_look_alike_are_written_in_full() -> None:
    """One byte over the limit is not "20 MB, limit 20 MB"."""
    over = languages.sizes(EN, {"size": 20_971_521, "limit": 20_971_520})
    clear = languages.sizes(EN, {"size": 30_000_000, "limit": 20_971_520})
    same = languages.sizes(EN, {"size": 5, "limit": 5})

    assert over == {"size": "20,971,521 bytes", "limit": "20,971,520 bytes"}
    assert clear == {"size": "28.6 MB", "limit": "20 MB"}
    assert same == {"size": "5 B", "limit": "5 B"}


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-5, "0 s", "0 秒"),
        (0.9, "0 s", "0 秒"),
        (40, "40 s", "40 秒"),
        (59.9, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (3599, "59 min", "59 分钟"),
        (3600, "1 h", "1 小时"),
        (86_040, "23 h 54 min", "23 小时 54 分钟"),
        (86_400, "24 h", "24 小时"),
    ],
)
def test_duration_table(seconds: float, english: str, chinese: str) -> None:
    """Durations are rounded down, in at most two units, in each language."""
    time = timedelta(seconds=seconds)

    assert (english, chinese) == (languages.duration(EN, time), languages.duration(ZH, time))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "less than a minute"), (59, "less than a minute"), (61, "1 min"), (7199, "1 h 59 min")],
)
def test_remaining_never_promises_more(seconds: int, expected: str) -> None:
    """The time of a link is told to the minute, never more than is left."""
    assert expected == languages.remaining(EN, timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "5 s"),
        (0, "5 s"),
        (0.5, "5 s"),
        (5.1, "10 s"),
        (55, "55 s"),
        (56, "1 min"),
        (61, "2 min"),
        (3541, "1 h"),
    ],
)
def test_estimate_is_coarse_and_rounded_up(seconds: float, expected: str) -> None:
    """An estimate jumps in steps that can be read, and does not reach zero before the end."""
    assert expected == languages.estimate(EN, timedelta(seconds=seconds))


def test_moment_has_a_zone() -> None:
    """Points in time carry their offset, which no reader can mistake."""
    at = datetime(2026, 11, 25, 14, 20, 59, tzinfo=UTC)

    assert languages.moment(at, UTC) == "2026-11-25 14:20 UTC"
    assert languages.moment(at, ZoneInfo("Asia/Shanghai")) == "2026-11-25 22:20 UTC+8"
    assert languages.moment(at, ZoneInfo("Asia/Kolkata")) == "2026-11-25 19:50 UTC+5:30"
    assert (
        languages.moment(at, timezone(-timedelta(hours=3, minutes=30)))
        == "2026-11-25 10:50 UTC-3:30"
    )


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (-1.0, "░░░░░░░░░░ 0%"),
        (0.0, "░░░░░░░░░░ 0%"),
        (0.1, "█░░░░░░░░░ 10%"),
        (0.57, "█████░░░░░ 57%"),
        (0.999, "█████████░ 99%"),
        (1.0, "██████████ 100%"),
        (2.0, "██████████ 100%"),
    ],
)
def test_bar_and_percent_table(fraction: float, expected: str) -> None:
    """A bar is full, and a percentage 100, only when everything is done."""
    assert expected == f"{languages.bar(fraction)} {languages.percent(fraction)}"


@given(st.floats(0, 1), st.integers(1, 20))
def test_bar_always_has_its_width(fraction: float, cells: int) -> None:
    """The bar does not change its length while it fills."""
    assert cells == len(languages.bar(fraction, cells))
