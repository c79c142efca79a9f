"""Links: the object key, the metadata stored with the object, and the moment the link expires."""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from bot.core.files import BLOCKED_EXTENSIONS, split_extension

LONGEST_LIFETIME: Final = timedelta(hours=23, minutes=55)
"""The promise is 24 hours, for the bytes too: deleting them may take some minutes."""

SHORTEST_LIFETIME: Final = timedelta(seconds=1)
"""The shortest lifetime that can be signed: a presigned URL lives a whole number of seconds."""

LONGEST_KEY_NAME: Final = 40
"""Bytes of the readable last part of a key."""

SAFE_CONTENT_TYPE: Final = "application/octet-stream"


class LinkMode(StrEnum):
    """The way in which a link expires."""

    SIGNED = "signed"
    """Objects are private and the link is presigned: OSS itself refuses it after the deadline."""
    PUBLIC = "public"
    """Objects are public-read and the link is short and plain: it ends when the bot deletes the
    object.
    """


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that anyone can open until `expires_at`. It is a secret: never log it."""

    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Link(url=<hidden>, expires_at={self.expires_at.isoformat()})"


def key_prefix(bot_id: int) -> str:
    """Return the prefix that this bot alone uses for its objects."""
    return f"relay/{bot_id}/"


def make_key(bot_id: int, name: str) -> str:
    """Make a new object key with 128 random bits, so that it cannot be guessed.

    The readable last part is ASCII, at most 40 bytes, and free of extensions that OSS refuses to
    serve on its own domains.
    """
    return f"{key_prefix(bot_id)}{secrets.token_urlsafe(16)}/{key_name(name)}"


def key_name(name: str) -> str:
    """Reduce a file name to ASCII letters, digits, dot, dash and underscore; never empty, never
    only dots.
    """
    # The real name is split: of "报告.pdf" nothing but the extension is left in ASCII.
    stem, extension = map(_in_ascii, split_extension(unicodedata.normalize("NFKD", name)))
    extension = extension.strip("-._")
    extension = f".{extension}" if extension else ""
    if stem.startswith("."):
        # "报告.tar.gz": an extension before the last one is no name either.
        stem = f"file{stem}"
    if extension[1:].lower() in BLOCKED_EXTENSIONS:
        extension = ""
    stem = stem.strip("-._")[: LONGEST_KEY_NAME - len(extension)]
    # A stem that itself ends in a blocked extension would surface once the outer one is gone.
    while split_extension(stem)[1][1:].lower() in BLOCKED_EXTENSIONS:
        stem = split_extension(stem)[0]
    return (stem or "file") + extension


def _in_ascii(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text.encode("ascii", "ignore").decode())


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

    Media types are kept, so that phones open the file in the right application; all others become
    `application/octet-stream`. SVG can contain scripts, so it does not count as media.
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
    """Return whether a link that ends at `expires_at` counts as open at `now`.

    A link in its last second cannot be signed any more, so it counts as expired.
    """
    return expires_at - now >= SHORTEST_LIFETIME


def deadline(completed_at: datetime, lifetime: timedelta) -> datetime:
    """Return when the link ends: `lifetime` after the upload completed.

    Raises:
        ValueError: the lifetime is not within the promise (at least 1 s, at most 23 h 55 min).
    """
    if not SHORTEST_LIFETIME <= lifetime <= LONGEST_LIFETIME:
        raise ValueError("a link lives at least a second and at most 23 h 55 min")
    return completed_at + lifetime
