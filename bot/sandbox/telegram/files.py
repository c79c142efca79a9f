"""Files on the server: ids, bytes on disk, download paths, and the fields of messages.

Field order and the legacy `thumb` beside `thumbnail`: `Client.cpp`, `JsonDocument` and its
siblings.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.sandbox.clock import SandboxClock

CLOUD_LIMIT: Final = 20 << 20
"""Bytes that `getFile` hands out; the test is `>` (source: `Client.h`, MAX_DOWNLOAD_FILE_SIZE)."""

FOLDERS: Final = {
    "document": "documents", "photo": "photos", "video": "videos", "audio": "music",
    "voice": "voice", "video_note": "video_notes", "animation": "animations",
    "sticker": "stickers", "thumbnail": "thumbnails", "live_photo": "videos",
}  # fmt: skip
PREFIXES: Final = {
    "document": "BQACAgIAAxkBAAI", "photo": "AgACAgIAAxkBAAI", "video": "BAACAgIAAxkBAAI",
    "audio": "CQACAgIAAxkBAAI", "voice": "AwACAgIAAxkBAAI", "video_note": "DQACAgIAAxkBAAI",
    "animation": "CgACAgIAAxkBAAI", "sticker": "CAACAgIAAxkBAAI", "thumbnail": "AAMCAgADGQEAAgI",
    "live_photo": "BAACAgIAAxkBAAL",
}  # fmt: skip
EXTENSIONS: Final = {
    "photo": ".jpg", "video": ".mp4", "audio": ".mp3", "voice": ".oga", "video_note": ".mp4",
    "animation": ".mp4", "sticker": ".webp", "thumbnail": ".jpg",
    "live_photo": ".mp4",
}  # fmt: skip

KINDS: Final = (
    "document", "photo", "video", "audio", "voice", "video_note", "animation", "sticker",
    "live_photo",
)  # fmt: skip
NAMELESS: Final = frozenset({"photo", "voice", "video_note", "sticker", "live_photo"})
"""Kinds whose messages have no file name, even when the sender gave one."""
DEFAULT_MIME: Final = {
    "video": "video/mp4", "audio": "audio/mpeg", "voice": "audio/ogg", "animation": "video/mp4",
    "live_photo": "video/mp4",
}  # fmt: skip
PREVIEW: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
"""A minimal JPEG header: the bytes of previews and thumbnails."""
_BEFORE: Final[dict[str, dict[str, Any]]] = {
    "video": {"duration": 12, "width": 1280, "height": 720},
    "audio": {"duration": 180},
    "live_photo": {"duration": 3, "width": 1280, "height": 960},
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


@dataclass
class StoredFile:
    """A file of the server. `announced` is the size in messages (`None`: left out);
    `size` the real one.
    """

    kind: str
    source: Path
    file_id: str
    unique_id: str
    number: int
    name: str | None = None
    mime: str | None = None
    announced: int | None = None
    expires_at: datetime | None = None

    @property
    def size(self) -> int:
        """Return the size of the content (bytes)."""
        return self.source.stat().st_size

    @property
    def remote_path(self) -> str:
        """Return the path below `/file/bot<token>/`."""
        extension = Path(self.name).suffix if self.name else EXTENSIONS.get(self.kind, "")
        safe = extension if extension.isascii() and extension[1:].isalnum() else ""
        return f"{FOLDERS[self.kind]}/file_{self.number}{safe}"

    def json(self) -> dict[str, Any]:
        """Return the fields that every object with a file has; a size of 0 is left out, as by the
        real server.
        """
        fields: dict[str, Any] = {"file_id": self.file_id, "file_unique_id": self.unique_id}
        if self.announced:
            fields["file_size"] = self.announced
        return fields

    def file_json(self, path: str) -> dict[str, Any]:
        """Return a `File`, with the real size."""
        fields: dict[str, Any] = {"file_id": self.file_id, "file_unique_id": self.unique_id}
        if self.size:
            fields["file_size"] = self.size
        return {**fields, "file_path": path}


class FileStore:
    """All files; bytes that were handed over in memory lie below `folder`."""

    def __init__(self, folder: Path, clock: SandboxClock) -> None:
        self.folder = folder
        self.lifetime = timedelta(hours=1)
        self._clock = clock
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}

    def add(
        self,
        kind: str,
        content: bytes | Path,
        *,
        name: str | None = None,
        mime: str | None = None,
        unique_id: str | None = None,
    ) -> StoredFile:
        """Store a file under a new id. A path is served in place and never copied."""
        number = len(self._by_id)
        if isinstance(content, bytes):
            source = self.folder / f"{number}.bin"
            source.write_bytes(content)
        else:
            source = content
        stored = StoredFile(
            kind, source, PREFIXES[kind] + secrets.token_urlsafe(39),
            unique_id or f"AgAD{secrets.token_urlsafe(8)}", number, name, mime,
        )  # fmt: skip
        stored.announced = stored.size
        self._by_id[stored.file_id] = stored
        return stored

    def find(self, file_id: str) -> StoredFile | None:
        """Return the file of an id."""
        return self._by_id.get(file_id)

    def open_path(self, stored: StoredFile) -> str:
        """Return the path of a file and make it valid for another lifetime."""
        stored.expires_at = self._clock.now() + self.lifetime
        self._by_path[stored.remote_path] = stored
        return stored.remote_path

    def at_path(self, path: str) -> StoredFile | None:
        """Return the file behind a path that is still valid."""
        stored = self._by_path.get(path)
        if stored is None or stored.expires_at is None:
            return None
        return stored if self._clock.now() < stored.expires_at else None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message: its kind, the file itself, and its small pictures."""

    kind: str
    file: StoredFile
    previews: tuple[StoredFile, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the fields of the message; an animation fills `document` too."""
        if self.kind == "photo":
            return {"photo": [*self._small(), _size(self.file, (1280, 960))]}
        if self.kind == "live_photo":
            # Clients that do not know the kind show the still (source: Bot API, "Message").
            still = [_size(self.previews[-1], (1280, 960))]
            return {
                "live_photo": {"photo": still, **self.head, **self.file.json()},
                "photo": still,
            }
        fields = {**self.head, **self._thumbnail(), **self.file.json()}
        if self.kind == "animation":
            names = ("file_name", "mime_type", "thumbnail", "thumb")
            document = {name: fields[name] for name in names if name in fields}
            return {"animation": fields, "document": {**document, **self.file.json()}}
        return {self.kind: fields}

    def _small(self) -> list[dict[str, Any]]:
        sizes = [(90, 67), (320, 240)]
        return [_size(*pair) for pair in zip(self.previews, sizes, strict=True)]

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


def _size(file: StoredFile, pixels: tuple[int, int]) -> dict[str, Any]:
    return {**file.json(), "width": pixels[0], "height": pixels[1]}


def attach(files: FileStore, stored: StoredFile) -> Attachment:
    """Make the attachment of a stored file, with the small pictures that its kind has."""
    count = {
        "photo": 2,
        "video": 1,
        "video_note": 1,
        "animation": 1,
        "sticker": 1,
        "live_photo": 1,
    }
    previews = [files.add("thumbnail", PREVIEW) for _ in range(count.get(stored.kind, 0))]
    return Attachment(stored.kind, stored, tuple(previews))


def new_media_group_id() -> str:
    """Return an id for an album, as large as the real ones."""
    return str(secrets.randbelow(9 * 10**16) + 10**16)
