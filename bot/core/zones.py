"""Time zones by the names that people give them.

The zones are those of the machine or of the package `tzdata` (Python's `zoneinfo`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

_OFFSET: Final = re.compile(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_LEAST, _MOST = timedelta(hours=-12), timedelta(hours=14)


def find_zone(name: str) -> tzinfo:
    """Return the time zone of this name: an IANA name, "UTC", or an offset such as "UTC+8".

    Raises:
        ValueError: there is no such zone here.
    """
    # Known everywhere, also where no time zones are installed.
    if name == "UTC":
        return UTC
    offset = _offset(name)
    if offset is not None:
        return timezone(offset)
    try:
        return ZoneInfo(name)
    # A name may lead to a folder of zones, or out of it.
    except (KeyError, OSError, ValueError) as error:
        raise ValueError("no such time zone") from error


def read_zone(text: str) -> str | None:
    """Return the name of the zone that somebody means: an IANA name or the city in it, in any
    case, with spaces or underscores; or an offset from UTC. `None` if there is no such zone.

    Looks at every zone there is, once in the life of a process. Blocks.
    """
    wanted = "_".join(text.lower().split())
    offset = _offset(wanted.replace("_", ""))
    if offset is not None:
        return name_of_offset(offset)
    return _names().get(wanted)


def _offset(text: str) -> timedelta | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    offset = -offset if found[1] == "-" else offset
    return offset if _LEAST <= offset <= _MOST else None


def name_of_offset(offset: timedelta) -> str:
    """Return how an offset from UTC is written: "UTC+8", "UTC-3:30", "UTC"."""
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    if offset == timedelta(0):
        return "UTC"
    sign = "-" if offset < timedelta(0) else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


@cache
def _names() -> Mapping[str, str]:
    # The shortest name that ends in a city wins, and a whole name before any city.
    zones = sorted(available_timezones() | {"UTC"}, key=lambda name: (-len(name), name))
    cities = {name.rpartition("/")[2].lower(): name for name in zones}
    return cities | {name.lower(): name for name in zones}
