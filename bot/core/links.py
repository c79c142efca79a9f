"""What a link is made of: the key, the names that travel with it, the moment it ends; and the time
zones in which that moment is told, those of the machine or of the package `tzdata` (Python's
`zoneinfo`).
"""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import cache
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo, available_timezones

from bot.core.files import BLOCKED_EXTENSIONS, split_extension

LONGEST_LIFETIME: Final = timedelta(hours=24)
"""The promise: no link lives longer."""

SHORTEST_LIFETIME: Final = timedelta(seconds=1)
"""The least that can be signed: the life of a presigned URL is a whole number of seconds."""

LONGEST_KEY_NAME: Final = 40
"""Bytes of the readable end of a key."""

SAFE_CONTENT_TYPE: Final = "application/octet-stream"


class LinkMode(StrEnum):
    """Who ends a link."""

    SIGNED = "signed"
    """Objects are private, the link is presigned: OSS itself refuses it at the deadline."""
    PUBLIC = "public"
    """Objects are public-read, the link is short and plain: only the bot ends it, by deleting the
    object.
    """


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that anyone can open until `expires_at`. Treat it like a secret: it never belongs in a
    log.
    """

    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Link(url=<hidden>, expires_at={self.expires_at.isoformat()})"


def key_prefix(bot_id: int) -> str:
    """Return the prefix under which this bot, and nobody else, keeps its objects."""
    return f"relay/{bot_id}/"


def make_key(bot_id: int, name: str) -> str:
    """Make a new object key with 128 random bits, so that it cannot be guessed.

    The readable end is ASCII, at most 40 bytes, and free of extensions that OSS refuses to serve
    on its own domains.
    """
    return f"{key_prefix(bot_id)}{secrets.token_urlsafe(16)}/{key_name(name)}"


def key_name(name: str) -> str:
    """Reduce a file name to ASCII letters, digits, dot, dash and underscore; never empty, never
    only dots.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, extension = split_extension(re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_name).strip("-."))
    if extension[1:].lower() in BLOCKED_EXTENSIONS:
        extension = ""
    stem = stem.strip("-._")[: LONGEST_KEY_NAME - len(extension)]
    # A stem that itself ends in a blocked extension would surface once the outer one is gone.
    while split_extension(stem)[1][1:].lower() in BLOCKED_EXTENSIONS:
        stem = split_extension(stem)[0]
    return (stem or "file") + extension


def content_disposition(name: str) -> str:
    """Build the attachment disposition with an ASCII fallback and the full name.

    Source: RFC 6266 section 5 and appendix D; RFC 5987 for `filename*` (UTF-8, percent-encoded).
    """
    stem, extension = split_extension(name)
    fallback = (_ascii_name(stem) or "file") + _ascii_name(extension).rstrip(".")
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='')}"


def _ascii_name(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9 ._()+,=@~#&-]", "_", ascii_text).strip(" ")


def content_type(mime_type: str | None) -> str:
    """Return a content type that no browser runs or shows as a page, and that OSS does not refuse.

    Media types stay, so that phones know what to do with the file; everything else becomes a plain
    stream of bytes. SVG is an image that carries scripts, hence not media.
    """
    mime = (mime_type or "").strip().lower()
    if (
        re.fullmatch(r"(image|video|audio)/[a-z0-9.+-]+", mime)
        and "svg" not in mime
        and "xml" not in mime
    ):
        return mime
    return mime if mime in {"application/pdf", "application/zip"} else SAFE_CONTENT_TYPE


def is_open(expires_at: datetime, now: datetime) -> bool:
    """Decide whether a link that ends at `expires_at` still counts as alive at `now`.

    In its last second it cannot be signed any more and nobody could use it: it counts as expired.
    """
    return expires_at - now >= SHORTEST_LIFETIME


def deadline(completed_at: datetime, lifetime: timedelta) -> datetime:
    """Return when the link ends: `lifetime` after the upload completed.

    Raises:
        ValueError: the lifetime is not within the promise (at least 1 s, at most 24 h).
    """
    if not SHORTEST_LIFETIME <= lifetime <= LONGEST_LIFETIME:
        raise ValueError("a link lives at least a second and at most 24 hours")
    return completed_at + lifetime


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
