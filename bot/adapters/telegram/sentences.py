"""Fixed sentences: notices, and the one that explains an error code."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from bot.adapters.telegram import formats
from bot.adapters.telegram.languages import Language
from bot.adapters.telegram.markup import Html, code
from bot.core.files import CLOUD_DOWNLOAD_LIMIT

SIZES: Final = frozenset({"size", "limit", "used", "announced", "received"})
"""Variables that are bytes, wherever they occur."""

TIMES: Final = frozenset({"wait"})
"""Variables that are seconds, told rounded up."""

PLURALS: Final = frozenset({"count", "links"})
"""Variables that stay numbers, because they decide a plural."""


def notice(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Word a notice as plain text, as an answer to a press shows it."""
    return language.say(_best(language, name, args), **_worded(language, args))


def notice_html(language: Language, name: str, args: Mapping[str, str | int]) -> Html:
    """Word a notice as HTML; an id can be copied with one tap."""
    worded: dict[str, str | int] = dict(_worded(language, args))
    if "id" in worded:
        worded["id"] = code(str(worded["id"]))
    return language.html(_best(language, name, args), **worded)


def error(language: Language, error_code: str | None, args: Mapping[str, int]) -> Html:
    """Say what happened and what to do. A code that this version does not know is unexpected."""
    name = f"error-{(error_code or '').replace('_', '-')}"
    return notice_html(language, name if name in language.messages else "error-unexpected", args)


def reason(language: Language, error_code: str | None) -> str:
    """Say in a few words why a job waits for its next try."""
    name = f"reason-{(error_code or '').replace('_', '-')}"
    return language.say(name if name in language.messages else "reason-other")


def _best(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Return the most telling twin of a message whose variables are all known."""
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
    # A limit above that of the cloud Bot API is one that the operator has chosen.
    limit = counts.get("limit", 0)
    where = "cloud" if limit == CLOUD_DOWNLOAD_LIMIT else "local"
    times = {
        key: formats.estimate(language, timedelta(seconds=value))
        for key, value in args.items()
        if key in TIMES and isinstance(value, int)
    }
    return {**worded, **formats.sizes(language, counts), **times, "where": where}
