"""Files on the server: their ids, their bytes on disk, and the paths that downloads use."""

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
    "sticker": "stickers", "thumbnail": "thumbnails",
}  # fmt: skip
PREFIXES: Final = {
    "document": "BQACAgIAAxkBAAI", "photo": "AgACAgIAAxkBAAI", "video": "BAACAgIAAxkBAAI",
    "audio": "CQACAgIAAxkBAAI", "voice": "AwACAgIAAxkBAAI", "video_note": "DQACAgIAAxkBAAI",
    "animation": "CgACAgIAAxkBAAI", "sticker": "CAACAgIAAxkBAAI", "thumbnail": "AAMCAgADGQEAAgI",
}  # fmt: skip
EXTENSIONS: Final = {
    "photo": ".jpg", "video": ".mp4", "audio": ".mp3", "voice": ".oga", "video_note": ".mp4",
    "animation": ".mp4", "sticker": ".webp", "thumbnail": ".jpg",
}  # fmt: skip


@dataclass
class StoredFile:
    """A file of the server. `announced` is the size that messages tell (`None`: they tell none);
    `size` is how many bytes there are.
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
        """Return the bytes that are really there."""
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
        """Return a `File`, which tells the real size."""
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
        """Return the path of a file and let it be valid for another lifetime."""
        stored.expires_at = self._clock.now() + self.lifetime
        self._by_path[stored.remote_path] = stored
        return stored.remote_path

    def at_path(self, path: str) -> StoredFile | None:
        """Return the file behind a path that is still valid."""
        stored = self._by_path.get(path)
        if stored is None or stored.expires_at is None:
            return None
        return stored if self._clock.now() < stored.expires_at else None
