"""Formats of notices, sizes, durations, times and progress bars."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Final

from bot.adapters.telegram.languages import Html, Language, code
from bot.clock import name_of_offset
from bot.core.files import CLOUD_DOWNLOAD_LIMIT, shown_size

BAR_CELLS: Final = 10


def sizes(language: Language, counts: dict[str, int]) -> dict[str, str]:
    """Format several sizes of one sentence: in full if two different ones would look alike."""
    short = {name: shown_size(count) for name, count in counts.items()}
    if len(set(short.values())) == len(set(counts.values())):
        return short
    return {name: language.say("size-exact", count=count) for name, count in counts.items()}


def duration(language: Language, time: timedelta) -> str:
    """Format a time span, rounded down: hours and minutes, or minutes, or seconds."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < 60:
        return language.say("duration-seconds", seconds=str(seconds))
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return language.say("duration-minutes", minutes=str(minutes))
    if not minutes:
        return language.say("duration-hours", hours=str(hours))
    return language.say("duration-hours-minutes", hours=str(hours), minutes=str(minutes))


def remaining(language: Language, time: timedelta) -> str:
    """Format the remaining life of a link, rounded down to the minute."""
    if time < timedelta(minutes=1):
        return language.say("duration-moment")
    return duration(language, time)


def estimate(language: Language, time: timedelta) -> str:
    """Format an estimate, rounded up: to 5 seconds below a minute, else to whole minutes."""
    seconds = max(0.0, time.total_seconds())
    step = 5 if seconds <= 55 else 60
    return duration(language, timedelta(seconds=max(step, -(-seconds // step) * step)))


def moment(at: datetime, zone: tzinfo) -> str:
    """Format a point in time with its zone: `2026-11-25 14:20 UTC`, `2026-11-25 22:20 UTC+8`.

    Rounded down to the minute. The offset is used instead of the zone's abbreviation, because
    those are ambiguous (CST is China and Chicago).
    """
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {name_of_offset(local.utcoffset() or timedelta(0))}"


def percent(fraction: float) -> str:
    """Format a share from 0 to 1 in whole percent, rounded down: 100 only when all is done."""
    return f"{_whole(fraction, 100)}%"


def bar(fraction: float, cells: int = BAR_CELLS) -> str:
    """Draw a share from 0 to 1 with characters of equal width, rounded down."""
    full = _whole(fraction, cells)
    return "█" * full + "░" * (cells - full)


def _whole(fraction: float, of: int) -> int:
    # The tiny addend keeps 0.57 * 100 from being 56.
    return int(min(1.0, max(0.0, fraction)) * of + 1e-9)


SIZES: Final = frozenset({"size", "limit", "used", "announced", "received"})
"""Variables that are bytes, in any message."""

TIMES: Final = frozenset({"wait"})
"""Variables that are seconds, shown rounded up."""

PLURALS: Final = frozenset({"count", "links"})
"""Variables that stay numbers, because they select a plural form."""


def notice(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Compose a notice as plain text, for the answer to a press."""
    return language.say(_best(language, name, args), **_worded(language, args))


def notice_html(language: Language, name: str, args: Mapping[str, str | int]) -> Html:
    """Compose a notice as HTML; an id can be copied with one tap."""
    worded: dict[str, str | int] = dict(_worded(language, args))
    if "id" in worded:
        worded["id"] = code(str(worded["id"]))
    return language.html(_best(language, name, args), **worded)


def error(language: Language, error_code: str | None, args: Mapping[str, int]) -> Html:
    """Compose what happened and what to do. An unknown code is shown as an unexpected error."""
    name = f"error-{(error_code or '').replace('_', '-')}"
    return notice_html(language, name if name in language.messages else "error-unexpected", args)


def reason(language: Language, error_code: str | None) -> str:
    """Compose in a few words why a job waits for its next attempt."""
    name = f"reason-{(error_code or '').replace('_', '-')}"
    return language.say(name if name in language.messages else "reason-other")


def _best(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Return the most detailed variant of a message for which all variables are known."""
    for twin in (name, f"{name}-partly", f"{name}-bare"):
        needed = language.messages.get(twin)
        if needed is not None and needed <= {*args, "where"}:
            return twin
    return name


def _worded(language: Language, args: Mapping[str, str | int]) -> dict[str, str | int]:
    counts = {key: value for key, value in args.items() if key in SIZES and isinstance(value, int)}
    worded: dict[str, str | int] = {
        key: value if key in PLURALS else str(value) for key, value in args.items()
    }
    # A limit above that of the cloud Bot API was set by the operator.
    limit = counts.get("limit", 0)
    where = "cloud" if limit == CLOUD_DOWNLOAD_LIMIT else "local"
    times = {
        key: estimate(language, timedelta(seconds=value))
        for key, value in args.items()
        if key in TIMES and isinstance(value, int)
    }
    return {**worded, **sizes(language, counts), **times, "where": where}
