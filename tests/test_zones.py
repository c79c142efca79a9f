"""Time zones by the names that people give them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest

from bot.clock import _OTHER_CITIES, find_zone, read_zone

ODD = ["localtime", "Factory", "posixrules", "Etc/GMT+8", "EST5EDT", "posix/Asia/Tokyo", "x" * 500]
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
    ("text", "language", "name"),
    [
        ("Beijing", "en", "Asia/Shanghai"),
        ("北京", "zh-hans", "Asia/Shanghai"),
        ("北京", "en", "Asia/Shanghai"),
        ("香港", "zh-hans", "Asia/Hong_Kong"),
        ("São Paulo", "pt-br", "America/Sao_Paulo"),
        ("sao-paulo", "en", "America/Sao_Paulo"),
        ("new-york", "en", "America/New_York"),
        ("UTC\N{MINUS SIGN}5", "en", "UTC-5"),
        ("Mumbai", "en", "Asia/Kolkata"),
        ("कोलकाता", "hi", "Asia/Kolkata"),
        ("تهران", "fa", "Asia/Tehran"),
        ("Москва", "ru", "Europe/Moscow"),
        ("Zürich", "de", "Europe/Zurich"),
        ("Xi’an", "", "Asia/Shanghai"),
        ("Kyiv", "no such language", "Europe/Kyiv"),
    ],
)
def test_cities_by_the_names_that_people_use(text: str, language: str, name: str) -> None:
    """Cities are known in the user's language, and large ones that name no zone."""
    assert name == read_zone(text, language)
    assert find_zone(name).utcoffset(MOMENT) is not None


def test_list_of_further_cities() -> None:
    """It is short, and each of its zones exists."""
    cities = [city for names in _OTHER_CITIES.values() for city in names.split(";")]

    assert len(cities) <= 50
    assert set(_OTHER_CITIES) <= available_timezones()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "atlantis",
        "+15",
        "-12:30",
        "+8:60",
        "8",
        "+",
        "../UTC",
        "/etc/passwd",
        "asia",
        "香",
        *ODD,
    ],
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
