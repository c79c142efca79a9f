"""Contents of messages: the command with which one begins, and files: in the fields that the
library knows, in the blocks of rich messages, and in fields that neither of us knows yet.
"""

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from telegram import (
    ExternalReplyInfo,
    Message,
    MessageEntity,
    PaidMediaInfo,
    PaidMediaPreview,
    Sticker,
)

from bot.core.files import FileKind, IncomingFile, MessageFiles, NoFile, clean_name


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: `name` in lower case without the slash, the words after it in lower case, and
    the `rest` as it was written. `is_addressed` means that it names this bot
    (`/share@relay_bot`).
    """

    name: str
    words: tuple[str, ...] = ()
    is_addressed: bool = False
    rest: str = ""

    @property
    def word(self) -> str:
        """The first word after the command, or ""."""
        return self.words[0] if self.words else ""


def read_command(message: Message, username: str) -> CommandLine | None:
    """Return the command with which a text or a caption begins; `None` if there is none, or if it
    is for a bot that is not called `username`.

    The library's own handler reads texts only (source: python-telegram-bot
    `ext/_handlers/commandhandler.py`), and a caption is the shortest way to share a file.
    """
    text = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    first = next((e for e in entities if e.type == MessageEntity.BOT_COMMAND), None)
    if first is None or first.offset != 0:
        return None
    # Commands are ASCII, so UTF-16 units and characters are the same up to their end.
    name, _, addressee = text[1 : first.length].lower().partition("@")
    if addressee and addressee != username.lower():
        return None
    rest = " ".join(text[first.length :].split())
    return CommandLine(name, tuple(rest.lower().split()), bool(addressee), rest)


Carrier = Message | ExternalReplyInfo
"""Types that carry files; for a message in another chat the server sends only the latter."""

_KINDS: Final = {
    # In this order: an animation fills `document` too, a live photo `photo` (source: Bot API,
    # "Message").
    "animation": FileKind.ANIMATION,
    "live_photo": FileKind.LIVE_PHOTO,
    "audio": FileKind.AUDIO,
    "document": FileKind.DOCUMENT,
    "photo": FileKind.PHOTO,
    "sticker": FileKind.STICKER,
    "video": FileKind.VIDEO,
    "video_note": FileKind.VIDEO_NOTE,
    "voice": FileKind.VOICE,
    # The name in blocks of rich messages (source: Bot API, "RichBlockVoiceNote").
    "voice_note": FileKind.VOICE,
}
_MIME_TYPES: Final = {FileKind.PHOTO: "image/jpeg", FileKind.VIDEO_NOTE: "video/mp4"}
_SENT_BY_PEOPLE: Final = (
    "checklist",
    "contact",
    "dice",
    "game",
    "giveaway",
    "giveaway_winners",
    "invoice",
    "location",
    "poll",
    "venue",
)
"""Content without a file. Everything else is a service message: what happened, and no request."""


def find_files(message: Message) -> MessageFiles:
    """Return the files that the message carries: of a photo the largest size, of a live photo the
    still and the moving part.

    Where Telegram gives no name, `IncomingFile.named_by_time` makes one.
    """
    return _find(message, message.date, message.media_group_id)


def find_meant_files(message: Message) -> MessageFiles:
    """Return the files that a command refers to: those with the command in their caption, or
    those of the message that it replies to, here or in another chat.
    """
    own, reply, external = find_files(message), message.reply_to_message, message.external_reply
    if own.files:
        return own
    if reply is not None:
        return find_files(reply)
    if external is not None:
        return _find(external, external.origin.date, None)
    return MessageFiles()


def _find(carrier: Carrier, sent_at: datetime, album: str | None) -> MessageFiles:
    paid, rich = carrier.paid_media, carrier.api_kwargs.get("rich_message")
    if paid is not None:
        return _paid(paid, sent_at)
    if rich is not None:
        found = tuple(_rich(rich, sent_at))
        return MessageFiles(found, no_file=NoFile.UNKNOWN if _has_file(rich) else NoFile.OTHER)
    for name in _KINDS:
        value = getattr(carrier, name, None)
        if value:
            return MessageFiles(tuple(_read(name, value, sent_at)), album)
    return MessageFiles(no_file=_why_none(carrier))


def _why_none(carrier: Carrier) -> NoFile | None:
    if carrier.story is not None:
        return NoFile.STORY
    if any(getattr(carrier, name, None) is not None for name in _SENT_BY_PEOPLE):
        return NoFile.OTHER
    return NoFile.UNKNOWN if _has_file(carrier.api_kwargs) else None


def _has_file(value: object) -> bool:
    """Return whether there is an id of a file anywhere in what the library did not read."""
    if isinstance(value, Mapping):
        return "file_id" in value or any(map(_has_file, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_file, value))


def _paid(paid: PaidMediaInfo, sent_at: datetime) -> MessageFiles:
    files = [
        file
        for item in paid.paid_media
        for name in ("live_photo", "photo", "video")
        if (value := getattr(item, name, None))
        for file in _read(name, value, sent_at)
    ]
    is_locked = any(isinstance(item, PaidMediaPreview) for item in paid.paid_media)
    return MessageFiles(tuple(files), no_file=NoFile.PAID if is_locked else NoFile.UNKNOWN)


def _rich(value: object, sent_at: datetime) -> Iterator[IncomingFile]:
    """Find the files of a rich message, in the order of its blocks, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _rich(item, sent_at)
    elif isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and kind in _KINDS and _is_readable(value.get(kind)):
            yield from _read(kind, value[kind], sent_at)
        else:
            for inner in value.values():
                yield from _rich(inner, sent_at)


def _is_readable(value: object) -> bool:
    """Return whether a raw file, or each of the raw sizes of a photo, has the needed types."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(v, dict) and _is_readable(v) for v in value)
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("file_id", "file_unique_id"))
        and isinstance(value.get("file_size", 0), int)
        and all(isinstance(value.get(n, ""), str) for n in ("file_name", "mime_type", "title"))
    )


def _read(name: str, value: Any, sent_at: datetime) -> Iterator[IncomingFile]:
    """Read one field of a message, as the library or as the server gives it."""
    kind = _KINDS[name]
    if kind is FileKind.PHOTO:
        # The largest size is the last.
        yield _read_one(kind, value[-1], sent_at)
        return
    if kind is FileKind.LIVE_PHOTO and (still := _get(value, "photo")):
        yield _read_one(FileKind.PHOTO, still[-1], sent_at)
    yield _read_one(kind, value, sent_at)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _read_one(kind: FileKind, value: Any, sent_at: datetime) -> IncomingFile:
    mime_type = _get(value, "mime_type") or _MIME_TYPES.get(kind)
    extension = extension_for(kind, _sticker_type(value) or mime_type)
    name = clean_name(_get(value, "file_name"), fallback="") or _title(value, extension)
    return IncomingFile(
        file_id=_get(value, "file_id"),
        file_unique_id=_get(value, "file_unique_id"),
        kind=kind,
        name=name or extension,
        mime_type=mime_type,
        announced_size=_get(value, "file_size"),
        sent_at=None if name else sent_at,
    )


def _title(value: Any, extension: str) -> str:
    """Return the name of a piece of music: "Performer - Title.mp3", or "" if it has no title."""
    parts: Iterable[str] = filter(None, (_get(value, "performer"), _get(value, "title")))
    # A slash is no path here: "AC/DC".
    title = " - ".join(re.sub(r"[\\/]", "_", part) for part in parts)
    return (
        clean_name(f"{title}.{extension}", fallback="") if clean_name(title, fallback="") else ""
    )


def _sticker_type(value: Any) -> str | None:
    if not isinstance(value, Sticker):
        return None
    if value.is_video:
        return "video/webm"
    return "application/x-tgsticker" if value.is_animated else "image/webp"


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
