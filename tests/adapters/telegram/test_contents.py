"""Files of messages, as the library gives them: kinds and names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from telegram import Audio, Chat, Document, Message, PhotoSize, Sticker

from bot.adapters.telegram.contents import extension_for, find_files
from bot.core.files import FileKind, IncomingFile

SENT_AT = datetime(2026, 11, 24, 22, 30, 5, tzinfo=UTC)
CHAT = Chat(5, Chat.PRIVATE)


def file_of(**fields: object) -> IncomingFile:
    """Return the only file of a message with these fields."""
    message = Message(1, SENT_AT, CHAT, **fields)  # type: ignore[arg-type]  # a test's shorthand.
    (file,) = find_files(message).files
    return file


@pytest.mark.parametrize(
    ("performer", "title", "mime", "name"),
    [
        ("Nina Simone", "Sinnerman", "audio/mpeg", "Nina Simone - Sinnerman.mp3"),
        ("Nina Simone", "Sinnerman", "audio/mp4", "Nina Simone - Sinnerman.m4a"),
        ("AC/DC", "T.N.T.", None, "AC_DC - T.N.T..mp3"),
        (None, "Sinnerman", "audio/flac", "Sinnerman.flac"),
        ("邓丽君", "甜蜜蜜", "audio/x-wav", "邓丽君 - 甜蜜蜜.wav"),
    ],
)
def test_music_is_named_by_performer_and_title(
    performer: str | None, title: str, mime: str | None, name: str
) -> None:
    """The name needs no moment."""
    file = file_of(audio=Audio("i", "u", 1, performer, title, mime))

    assert (file.name, file.sent_at) == (name, None)


def test_own_name_wins() -> None:
    """A name that Telegram gives is kept, also beside a title."""
    audio = Audio("i", "u", 1, "Nina Simone", "Sinnerman", "audio/mpeg", file_name="01.mp3")

    assert file_of(audio=audio).name == "01.mp3"


def test_name_of_kind_and_moment() -> None:
    """The moment is that of the zone, the number that of the album."""
    photo = file_of(photo=(PhotoSize("s", "t", 1, 1), PhotoSize("i", "u", 9, 9)))
    shanghai = timezone(timedelta(hours=8))

    assert photo.file_id == "i"
    assert photo.named_by_time(UTC).name == "photo_2026-11-24_22-30-05.jpg"
    assert photo.named_by_time(shanghai, 3).name == "photo_2026-11-25_06-30-05_3.jpg"


@pytest.mark.parametrize("name", ["\u202e", "...", "\0"])
def test_unreadable_name(name: str) -> None:
    """A name of which nothing is left is as good as none."""
    file = file_of(document=Document("i", "u", name, "application/pdf"))

    assert file.named_by_time(UTC).name == "document_2026-11-24_22-30-05.pdf"


@pytest.mark.parametrize(
    ("animated", "video", "end"),
    [(False, False, "webp"), (True, False, "tgs"), (False, True, "webm")],
)
def test_stickers(*, animated: bool, video: bool, end: str) -> None:
    """Their form tells the extension."""
    sticker = Sticker("i", "u", 1, 1, animated, video, "regular")

    assert file_of(sticker=sticker).named_by_time(UTC).name.endswith(f".{end}")


@pytest.mark.parametrize(
    ("kind", "mime", "extension"),
    [
        (FileKind.VIDEO, "video/mp4; codecs=avc1", "mp4"),
        (FileKind.DOCUMENT, "application/octet-stream", "bin"),
        (FileKind.AUDIO, "application/octet-stream", "mp3"),
        (FileKind.DOCUMENT, "IMAGE/PNG", "png"),
        (FileKind.DOCUMENT, "no such/type", "bin"),
        (FileKind.VOICE, None, "ogg"),
    ],
)
def test_extension(kind: FileKind, mime: str | None, extension: str) -> None:
    """From the type where it is known, otherwise from the kind."""
    assert extension_for(kind, mime) == extension
