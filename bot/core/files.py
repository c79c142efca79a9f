"""Files on their way: kinds, names, keys of objects, and links."""

import re
import secrets
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from urllib.parse import quote

CLOUD_DOWNLOAD_LIMIT: Final = 20 << 20
"""Largest file in bytes that the cloud Bot API serves (source: tdlib/telegram-bot-api `Client.h`,
test is `>`).
"""


LONGEST_DOWNLOAD_NAME: Final = 200
"""UTF-8 bytes of the name that a browser saves; ext4 and NTFS take 255, and browsers append "
(1)".
"""

BLOCKED_EXTENSIONS: Final = frozenset({"apk", "ipa"})
"""Not allowed in a key on OSS's default domains (source: OSS help 0048-00000203,
ApkDownloadForbidden).
"""

# Windows also takes `NUL .txt` and superscript digits for devices (source: Microsoft, "Naming
# Files, Paths, and Namespaces").
_RESERVED: Final = re.compile(
    r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE
)
_UNSAFE: Final = re.compile(r'[\\/:*?"<>|]')
# Letters and symbols by category, yet nothing is seen: Hangul fillers, the blank Braille pattern.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Persian and the languages of India spell words with them, and emoji are joined by the second
# (source: Unicode Standard, section 23.2, "Cursive Connection and Ligatures").
_JOINERS: Final = "\u200c\u200d"
# The flag of a region, such as Scotland. Elsewhere tags are dropped: they would hide a text
# (source: UTS 51, "ED-14a emoji tag sequence"; CLDR, subdivision codes of 3 to 6 characters).
_REGION_FLAG: Final = re.compile(
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
)
_ENDS: Final = f" .{_JOINERS}"


class FileKind(StrEnum):
    """The kinds of message that carry a file."""

    DOCUMENT = "document"
    PHOTO = "photo"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    STICKER = "sticker"
    LIVE_PHOTO = "live_photo"
    """The moving part of a live photo; its still is a photo."""


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file as the message announced it.

    `file_id` is what `getFile` takes; `file_unique_id` names the same bytes for every bot. `name`
    is what the user sees (already cleaned by `clean_name`), `mime_type` the type that Telegram
    reports, `announced_size` bytes or `None` if Telegram announced none. `sent_at` is set where
    Telegram gave no name: then `name` is only the extension, and `named_by_time` makes one.
    """

    file_id: str
    file_unique_id: str
    kind: FileKind
    name: str
    mime_type: str | None
    announced_size: int | None
    sent_at: datetime | None = None

    def named_by_time(self, zone: tzinfo, number: int | None = None) -> "IncomingFile":
        """Return the file with a name of kind and time, such as `photo_2026-11-24_14-30-05.jpg`;
        `number` tells the files of one album apart. One that has a name keeps it.
        """
        if self.sent_at is None:
            return self
        stamp = self.sent_at.astimezone(zone).strftime("%Y-%m-%d_%H-%M-%S")
        counted = "" if number is None else f"_{number}"
        return replace(self, name=f"{self.kind}_{stamp}{counted}.{self.name}", sent_at=None)


class NoFile(StrEnum):
    """Why a message has no file to relay. The values are names of sentences."""

    OTHER = "unsupported-message"
    """It is of a kind that has no file."""
    PAID = "paid-media-locked"
    STORY = "story-closed"
    UNKNOWN = "kind-unknown"
    """It has a file, of a kind that this program does not know."""


@dataclass(frozen=True, slots=True)
class MessageFiles:
    """The files of a message, in their order. `album` is the id that the messages of one album
    share; `no_file` is why there are none, or `None` if there is nothing to say about that.
    """

    files: tuple[IncomingFile, ...] = ()
    album: str | None = None
    no_file: NoFile | None = None

    @property
    def has_document(self) -> bool:
        """Whether a file was sent as a document, that is unchanged."""
        return any(file.kind is FileKind.DOCUMENT for file in self.files)


def clean_name(raw: str | None, *, fallback: str) -> str:
    """Return a name that can be shown, stored and saved: one path part, no control, bidi or
    invisible characters. Joiners and the tags of flags are kept: they change what is seen.

    Path parts before the last are dropped, so `../../etc/passwd` becomes `passwd`. The result has
    1 to 200 UTF-8 bytes; the extension survives a cut. Falls back where nothing readable is left
    (`...`, NUL, blanks).
    """
    name = unicodedata.normalize("NFC", raw or "").encode("utf-8", "replace").decode("utf-8")
    name = re.split(r"[\\/]", name)[-1]
    name = _without_hidden(name)
    # Composed again, because what was dropped may have stood between a letter and its accent.
    name = unicodedata.normalize("NFC", re.sub(r"\s+", " ", _UNSAFE.sub("_", name)))
    name = name.strip(_ENDS)
    if not name or not any(c.isalnum() or unicodedata.category(c)[0] in "LNS" for c in name):
        name = fallback
    if _RESERVED.match(name):
        name = f"_{name}"
    return _cut(name, LONGEST_DOWNLOAD_NAME)


def _without_hidden(text: str) -> str:
    kept, end = "", 0
    for flag in _REGION_FLAG.finditer(text):
        kept += "".join(filter(_is_kept, text[end : flag.start()])) + flag[0]
        end = flag.end()
    return kept + "".join(filter(_is_kept, text[end:]))


def _is_kept(char: str) -> bool:
    # Cf holds bidi controls and zero-width characters.
    return char not in _BLANK and (
        unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        or char in _JOINERS
    )


def split_extension(name: str) -> tuple[str, str]:
    """Split off an extension of at most 16 characters; it comes with its dot, or is empty."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or not extension or len(extension) > 16 or " " in extension:
        return name, ""
    return stem, f".{extension}"


def _cut(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, extension = split_extension(name)
    room = limit - len(extension.encode())
    # Cleaned again, because the cut may have gone through a flag.
    return (
        _without_hidden(stem.encode()[:room].decode("utf-8", "ignore")).rstrip(_ENDS) + extension
    )


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
    PAGE = "page"
    """Objects are private and the link is a page of the bot, which redirects to presigned URLs of
    a minute: it ends when the bot closes it.
    """

    @property
    def is_private(self) -> bool:
        """Whether objects cannot be read without a signature."""
        return self is not LinkMode.PUBLIC


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


SIZE_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


def shown_size(count: int) -> str:
    """Format bytes as Telegram's apps do: `12.4 MB`, in steps of 1024, three digits at most.

    Telegram's own apps call 2**20 bytes a "MB", and the user compares with the size on their file:
    20,971,520 bytes, the limit of the cloud Bot API, are "20 MB" there and here. Chats, commands
    and documentation show sizes in no other way.
    """
    value, unit = float(count), 0
    while unit < len(SIZE_UNITS) - 1 and round(value, 1 if value < 100 else 0) >= 1024:
        value, unit = value / 1024, unit + 1
    digits = f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return f"{digits.removesuffix('.0')} {SIZE_UNITS[unit]}"
