"""The part of a message that carries a file, shaped per kind as the server shapes it.

Field order and the legacy `thumb` beside `thumbnail`: `Client.cpp`, `JsonDocument` and its
siblings.
"""

from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.telegram.files import FileStore, StoredFile

KINDS: Final = (
    "document", "photo", "video", "audio", "voice", "video_note", "animation", "sticker",
)  # fmt: skip
NAMELESS: Final = frozenset({"photo", "voice", "video_note", "sticker"})
"""Kinds for which the server tells no name, whatever the sender's was."""

DEFAULT_MIME: Final = {
    "video": "video/mp4", "audio": "audio/mpeg", "voice": "audio/ogg", "animation": "video/mp4",
}  # fmt: skip
PREVIEW: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
"""The smallest thing that calls itself a JPEG: the bytes of previews and thumbnails."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message: its kind, the file itself, and its small pictures."""

    kind: str
    file: StoredFile
    previews: tuple[StoredFile, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the fields of the message; an animation fills `document` too."""
        if self.kind == "photo":
            sizes = [(90, 67), (320, 240)]
            photo = [_size(*pair) for pair in zip(self.previews, sizes, strict=True)]
            return {"photo": [*photo, _size(self.file, (1280, 960))]}
        fields = {**self.head, **self._thumbnail(), **self.file.json()}
        if self.kind == "animation":
            names = ("file_name", "mime_type", "thumbnail", "thumb")
            document = {name: fields[name] for name in names if name in fields}
            return {"animation": fields, "document": {**document, **self.file.json()}}
        return {self.kind: fields}

    def _thumbnail(self) -> dict[str, Any]:
        if not self.previews:
            return {}
        size = _size(self.previews[0], (320, 180))
        return {"thumbnail": size, "thumb": size}

    def _named(self) -> dict[str, Any]:
        fields = {"file_name": self.file.name, "mime_type": self.file.mime}
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def head(self) -> dict[str, Any]:
        """Return the fields that stand before those of the file."""
        return {**_BEFORE.get(self.kind, {}), **self._named(), **_AFTER.get(self.kind, {})}


_BEFORE: Final[dict[str, dict[str, Any]]] = {
    "video": {"duration": 12, "width": 1280, "height": 720},
    "audio": {"duration": 180},
    "voice": {"duration": 5},
    "video_note": {"duration": 7, "length": 384},
    "sticker": {
        "width": 512,
        "height": 512,
        "emoji": "👍",
        "is_animated": False,
        "is_video": False,
        "type": "regular",
    },
}
_AFTER: Final[dict[str, dict[str, Any]]] = {
    "animation": {"duration": 3, "width": 320, "height": 180}
}


def _size(file: StoredFile, pixels: tuple[int, int]) -> dict[str, Any]:
    return {**file.json(), "width": pixels[0], "height": pixels[1]}


def attach(files: FileStore, stored: StoredFile) -> Attachment:
    """Make the attachment of a stored file, with the small pictures that its kind has."""
    count = {"photo": 2, "video": 1, "video_note": 1, "animation": 1, "sticker": 1}
    previews = [files.add("thumbnail", PREVIEW) for _ in range(count.get(stored.kind, 0))]
    return Attachment(stored.kind, stored, tuple(previews))
