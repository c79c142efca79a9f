"""Time zones by the names that people give them."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import find_zone, read_zone

MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Asia/Hong_Kong", "Asia/Hong_Kong"),
        ("asia/hong_kong", "Asia/Hong_Kong"),
        ("hong kong", "Asia/Hong_Kong"),
        ("  Hong   Kong ", "Asia/Hong_Kong"),
        ("shanghai", "Asia/Shanghai"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
        ("+8", "UTC+8"),
        ("utc+8", "UTC+8"),
        ("UTC +8", "UTC+8"),
        ("GMT-3:30", "UTC-3:30"),
        ("+0545", "UTC+5:45"),
        ("+0", "UTC"),
        ("-0:30", "UTC-0:30"),
        ("+14", "UTC+14"),
        ("-12", "UTC-12"),
    ],
)
def test_what_people_write(text: str, name: str) -> None:
    """A name, a city, an offset, in any case, is found, and the result can be used."""
    assert name == read_zone(text)
    assert find_zone(name).utcoffset(MOMENT) is not None


@pytest.mark.parametrize(
    "text",
    ["", "atlantis", "+15", "-12:30", "+8:60", "8", "+", "../UTC", "/etc/passwd", "asia", "香港"],
)
def test_what_is_no_zone(text: str) -> None:
    """A continent is a folder of zones and no zone."""
    assert read_zone(text) is None


@pytest.mark.parametrize(
    "name", ["Atlantis/Center", "Asia", "../UTC", "/etc/passwd", "", "UTC+15"]
)
def test_unknown_name(name: str) -> None:
    """Unknown names, folders of zones and paths that lead out of the folder are refused."""
    with pytest.raises(ValueError, match="no such time zone"):
        find_zone(name)


@pytest.mark.parametrize(
    ("name", "hours"),
    [("UTC", 0), ("UTC+8", 8), ("UTC-3:30", -3.5), ("Asia/Shanghai", 8), ("Asia/Kolkata", 5.5)],
)
def test_offset(name: str, hours: float) -> None:
    """East of Greenwich is plus, as people write it."""
    assert timedelta(hours=hours) == find_zone(name).utcoffset(MOMENT)
