"""Files as Telegram announces them, and names that are safe to show and to store."""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import cache
from typing import Final

CLOUD_DOWNLOAD_LIMIT: Final = 20 << 20
"""Largest file in bytes that the cloud Bot API serves (source: tdlib/telegram-bot-api `Client.h`,
test is `>`).
"""

LONGEST_SHOWN_NAME: Final = 120
"""Characters of a name in a message; two of them fit in a line of a phone."""

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


_EXTENSIONS: Final[Mapping[FileKind, str]] = {
    FileKind.ANIMATION: "mp4",
    FileKind.AUDIO: "mp3",
    FileKind.DOCUMENT: "bin",
    FileKind.PHOTO: "jpg",
    FileKind.STICKER: "webp",
    FileKind.VIDEO: "mp4",
    FileKind.VIDEO_NOTE: "mp4",
    FileKind.VOICE: "ogg",
    FileKind.LIVE_PHOTO: "mp4",
}
_MIME_EXTENSIONS: Final[Mapping[str, str]] = {
    "application/epub+zip": "epub",
    "application/gzip": "gz",
    "application/msword": "doc",
    "application/octet-stream": "",
    "application/ogg": "ogg",
    "application/rtf": "rtf",
    "application/vnd.android.package-archive": "apk",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.rar": "rar",
    "application/x-7z-compressed": "7z",
    "application/x-bittorrent": "torrent",
    "application/x-gzip": "gz",
    "application/x-rar-compressed": "rar",
    "application/x-tgsticker": "tgs",
    "application/x-zip-compressed": "zip",
    "application/xml": "xml",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/m4a": "m4a",
    "audio/midi": "mid",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/mpeg3": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-flac": "flac",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/calendar": "ics",
    "text/markdown": "md",
    "text/plain": "txt",
    "text/vcard": "vcf",
    "video/3gpp": "3gp",
    "video/avi": "avi",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-m4v": "m4v",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}
"""Extensions of types that Python's own table does not know, or for which it has another one
(source: the IANA registry of media types; the "x-" ones are what Telegram's apps report).
"""


@cache
def _python_types() -> mimetypes.MimeTypes:
    # Without the files of the machine, or names would differ between machines.
    return mimetypes.MimeTypes(filenames=())


def extension_for(kind: FileKind, mime_type: str | None) -> str:
    """Return the extension, without its dot, of a file that has no name."""
    mime = (mime_type or "").partition(";")[0].strip().lower()
    known = _MIME_EXTENSIONS.get(mime)
    if known is None:
        known = (_python_types().guess_extension(mime) or "")[1:]
    return known or _EXTENSIONS[kind]


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


def shorten(name: str, limit: int = LONGEST_SHOWN_NAME) -> str:
    """Shorten a name for a message: at most `limit` characters, its end kept because the extension
    is there.
    """
    if len(name) <= limit:
        return name
    tail = limit // 3
    return f"{name[: limit - tail - 1]}…{name[len(name) - tail :]}"


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
