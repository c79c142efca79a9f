"""Files as Telegram announces them, and names that are safe to show and to store."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file as the message announced it.

    `file_id` is what `getFile` takes; `file_unique_id` names the same bytes for every bot. `name`
    is what the user sees (already cleaned by `clean_name`), `mime_type` the type that Telegram
    reports, `announced_size` bytes or `None` if Telegram announced none.
    """

    file_id: str
    file_unique_id: str
    kind: FileKind
    name: str
    mime_type: str | None
    announced_size: int | None


def clean_name(raw: str | None, *, fallback: str) -> str:
    """Return a name that can be shown, stored and saved: one path part, no control, bidi or
    invisible characters.

    Path parts before the last are dropped, so `../../etc/passwd` becomes `passwd`. The result has
    1 to 200 UTF-8 bytes; the extension survives a cut. Falls back where nothing readable is left
    (`...`, NUL, blanks).
    """
    name = unicodedata.normalize("NFC", raw or "").encode("utf-8", "replace").decode("utf-8")
    name = re.split(r"[\\/]", name)[-1]
    name = "".join(c for c in name if _is_kept(c))
    # Composed again, because what was dropped may have stood between a letter and its accent.
    name = unicodedata.normalize("NFC", re.sub(r"\s+", " ", _UNSAFE.sub("_", name)))
    name = name.strip(" .\u200d")
    if not name or not any(c.isalnum() or unicodedata.category(c)[0] in "LNS" for c in name):
        name = fallback
    if _RESERVED.match(name):
        name = f"_{name}"
    return _cut(name, LONGEST_DOWNLOAD_NAME)


def _is_kept(char: str) -> bool:
    # Cf holds bidi controls and zero-width characters; U+200D joins emoji and is harmless alone.
    return char not in _BLANK and (
        unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        or char == "\u200d"
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
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .\u200d") + extension


def shorten(name: str, limit: int = LONGEST_SHOWN_NAME) -> str:
    """Shorten a name for a message: at most `limit` characters, its end kept because the extension
    is there.
    """
    if len(name) <= limit:
        return name
    tail = limit // 3
    return f"{name[: limit - tail - 1]}…{name[len(name) - tail :]}"
