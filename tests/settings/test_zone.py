"""The time zone in which times are shown to users."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.settings import SettingsError, load
from tests.test_settings import MINIMAL


def test_default_needs_no_data() -> None:
    """UTC is known on every machine."""
    assert load(None, MINIMAL).telegram.timezone is UTC


def test_zone_by_name() -> None:
    """An IANA name is what the system knows by it."""
    zone = load(None, MINIMAL | {"RELAY_TELEGRAM__ZONE": "Asia/Shanghai"}).telegram.timezone

    assert timedelta(hours=8) == datetime(2026, 11, 24, tzinfo=zone).utcoffset()


@pytest.mark.parametrize("name", ["Asia", "Nowhere/City", "../etc/passwd", "/etc/passwd", "CST8x"])
def test_unknown_zone_is_refused(name: str) -> None:
    """Unknown names, folders of zones and paths that lead out of the folder are refused."""
    with pytest.raises(SettingsError, match=r"telegram\.zone: .* is not allowed"):
        load(None, MINIMAL | {"RELAY_TELEGRAM__ZONE": name})
