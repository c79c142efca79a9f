"""Files that a browser hands over: streamed to the disk, and bounded."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

LARGEST: Final = 2000 << 20
"""Bytes of one file that people can send (source: telegram.org/faq, "up to 2 GB each")."""

TOTAL: Final = 8 << 30
"""Bytes of all uploads together, so that a page cannot fill the disk."""

BLOCK: Final = 1 << 18


class UploadRefused(ValueError):
    """An upload is empty, too large, or there is no room for it. `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed over: `size` in bytes, `path` where they lie."""

    id: str
    name: str | None
    mime: str | None
    size: int
    path: Path


class Uploads:
    """All uploads, below `folder`, which is made for the first of them.

    `largest` and `total` bound the bytes of one file and of all. Use it from one event loop.
    """

    def __init__(self, folder: Path, *, largest: int = LARGEST, total: int = TOTAL) -> None:
        self._folder = folder
        self.largest = largest
        self.total = total
        self._taken = 0
        self._begun = 0
        self._by_id: dict[str, Upload] = {}

    def find(self, upload_id: str) -> Upload:
        """Return an upload.

        Raises:
            KeyError: there is none with this id.
        """
        return self._by_id[upload_id]

    async def receive(self, request: web.BaseRequest) -> Upload:
        """Store the body of a request; `name` in its query is the name of the file.

        Raises:
            UploadRefused: see there. Nothing of it is kept, as after a broken connection.
        """
        self._begun += 1
        number = str(self._begun)
        path = self._folder / f"{number}.bin"
        size = await self._store(request, path)
        name, mime = request.query.get("name"), request.headers.get("Content-Type")
        upload = self._by_id[number] = Upload(number, name, mime, size, path)
        return upload

    async def _store(self, request: web.BaseRequest, path: Path) -> int:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        size = 0
        try:
            with await asyncio.to_thread(path.open, "wb") as file:
                async for block in request.content.iter_chunked(BLOCK):
                    size += len(block)
                    self._taken += len(block)
                    self._check(size)
                    await asyncio.to_thread(file.write, block)
            self._check_whole(size)
        except BaseException:
            self._taken -= size
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        return size

    def _check_whole(self, size: int) -> None:
        if size == 0:
            raise UploadRefused(400, "Telegram sends no empty file")

    def _check(self, size: int) -> None:
        if size > self.largest:
            raise UploadRefused(413, f"a file has at most {self.largest} bytes")
        if self._taken > self.total:
            raise UploadRefused(507, f"all uploads together have at most {self.total} bytes")
