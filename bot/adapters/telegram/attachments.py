"""The file in a message, whatever kind of message it is."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from telegram import (
    Animation,
    Audio,
    Document,
    ExternalReplyInfo,
    Message,
    PhotoSize,
    Sticker,
    Video,
    VideoNote,
    Voice,
)

from bot.core.files import FileKind, IncomingFile, clean_name

Carrier = Message | ExternalReplyInfo
"""What carries files; of a message in another chat the server tells only this much."""

Attachment = Animation | Audio | Document | PhotoSize | Sticker | Video | VideoNote | Voice

# In this order, because an animation fills `document` too (source: Bot API, "Message").
_KINDS: Final[tuple[tuple[FileKind, Callable[[Carrier], Attachment | None]], ...]] = (
    (FileKind.ANIMATION, lambda message: message.animation),
    (FileKind.AUDIO, lambda message: message.audio),
    (FileKind.DOCUMENT, lambda message: message.document),
    (FileKind.PHOTO, lambda message: message.photo[-1] if message.photo else None),
    (FileKind.STICKER, lambda message: message.sticker),
    (FileKind.VIDEO, lambda message: message.video),
    (FileKind.VIDEO_NOTE, lambda message: message.video_note),
    (FileKind.VOICE, lambda message: message.voice),
)

_EXTENSIONS: Final = {
    FileKind.ANIMATION: "mp4",
    FileKind.AUDIO: "mp3",
    FileKind.DOCUMENT: "bin",
    FileKind.PHOTO: "jpg",
    FileKind.VIDEO: "mp4",
    FileKind.VIDEO_NOTE: "mp4",
    FileKind.VOICE: "ogg",
}
_MIME_TYPES: Final = {FileKind.PHOTO: "image/jpeg", FileKind.VIDEO_NOTE: "video/mp4"}


def find_file(message: Message) -> IncomingFile | None:
    """Return the file that the message carries, or `None`. Of a photo it is the largest size.

    Where Telegram gives no name one is made up from kind and time:
    `photo_2026-11-24_14-30-05.jpg`.
    """
    return _find(message, message.date)


def find_meant_file(message: Message) -> IncomingFile | None:
    """Return the file that a command is about: the one that it stands below, or the one of the
    message that it replies to, here or in another chat. `None` if there is none.
    """
    own = find_file(message)
    if own is not None:
        return own
    if message.reply_to_message is not None:
        return find_file(message.reply_to_message)
    if message.external_reply is not None:
        return _find(message.external_reply, message.external_reply.origin.date)
    return None


def _find(carrier: Carrier, sent_at: datetime) -> IncomingFile | None:
    for kind, get in _KINDS:
        attachment = get(carrier)
        if attachment is not None:
            return _read(kind, attachment, sent_at)
    return None


def _read(kind: FileKind, attachment: Attachment, sent_at: datetime) -> IncomingFile:
    stamp = sent_at.strftime("%Y-%m-%d_%H-%M-%S")
    made_up = f"{kind.value}_{stamp}.{_extension(kind, attachment)}"
    return IncomingFile(
        file_id=attachment.file_id,
        file_unique_id=attachment.file_unique_id,
        kind=kind,
        name=clean_name(getattr(attachment, "file_name", None), fallback=made_up),
        mime_type=getattr(attachment, "mime_type", None) or _MIME_TYPES.get(kind),
        announced_size=attachment.file_size,
    )


def _extension(kind: FileKind, attachment: Attachment) -> str:
    if isinstance(attachment, Sticker):
        if attachment.is_video:
            return "webm"
        return "tgs" if attachment.is_animated else "webp"
    return _EXTENSIONS[kind]
