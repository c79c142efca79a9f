"""Sizes and durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings.types import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8MiB", 8 << 20),
        ("20MB", 20_000_000),
        ("10 GiB", 10 << 30),
        ("1.5KiB", 1536),
        ("512", 512),
        ("7b", 7),
        (" 2 tib ", 2 << 40),
        (4096, 4096),
    ],
)
def test_size(text: object, size: int) -> None:
    """Decimal and binary units, in any case, and bare bytes are sizes."""
    assert size == parse_size(text)


@pytest.mark.parametrize("bad", ["", "MiB", "-1", "8 MiB/s", "1.5", "8MX", True, 1.5, None, []])
def test_bad_size(bad: object) -> None:
    """Everything else is refused, a part of a byte too."""
    with pytest.raises(ValueError, match="not a"):
        parse_size(bad)


@given(st.integers(min_value=0, max_value=1 << 62))
def test_size_is_exact(size: int) -> None:
    """No size is rounded, however large."""
    assert size == parse_size(f"{size}B")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("23h55m", timedelta(hours=23, minutes=55)),
        ("1d", timedelta(days=1)),
        ("1h 30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("0s", timedelta(0)),
        ("1.5m", timedelta(seconds=90)),
        (timedelta(seconds=3), timedelta(seconds=3)),
    ],
)
def test_duration(text: object, duration: timedelta) -> None:
    """Numbers with units add up."""
    assert duration == parse_duration(text)


@pytest.mark.parametrize("bad", ["", "90", "h", "-5s", "1h x", "9" * 40 + "d", 90, None])
def test_bad_duration(bad: object) -> None:
    """A bare number is refused: it could be seconds or hours."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(bad)
