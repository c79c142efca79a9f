"""Sizes and durations as people write them: "8MiB", "20MB", "90s", "23h55m"."""

import re
from datetime import timedelta
from typing import Final

_SIZE_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_size(value: object) -> int:
    """Return a size in bytes: a whole number of bytes, or text with a unit, decimal (MB) or
    binary (MiB), in any case.

    Raises:
        ValueError: it is neither, or not a whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = _SIZE_UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError("not a size")
    size = float(match[1]) * unit
    if not size.is_integer():
        raise ValueError("not a whole number of bytes")
    # Floats are exact only to 2^53; whole numbers go around them.
    return int(match[1]) * unit if match[1].isdecimal() else int(size)


def parse_duration(value: object) -> timedelta:
    """Return a duration: text made of numbers with units, largest first or not ("1h30m", "90s").

    A bare number is refused, because nobody can tell whether it means seconds or hours.

    Raises:
        ValueError: it is not such text, or too long for the type.
    """
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not text or _DURATION.sub("", text):
        raise ValueError("not a duration")
    seconds = sum(
        float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION.findall(text)
    )
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("not a duration of this world") from error
