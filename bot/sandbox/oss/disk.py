"""Object data on disk, read and written in a small pool of threads so that the event loop never
blocks.
"""

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from fastcrc import crc64

BLOCK = 512 * 1024
"""Bytes that are written or read in one go."""

_T = TypeVar("_T")


@dataclass(eq=False)
class Segment:
    """One file that holds a piece of an object; `md5` is upper-case hex as in an ETag."""

    path: Path
    size: int
    crc64: int
    md5: str


@dataclass(eq=False)
class ObjectData:
    """The bytes of an object: its segments in order.

    Discarded data stays readable for downloads that are under way and leaves the disk after the
    last of them.
    """

    segments: Sequence[Segment]
    readers: int = 0
    is_discarded: bool = False

    @property
    def size(self) -> int:
        """Size in bytes."""
        return sum(segment.size for segment in self.segments)

    def read_all(self) -> bytes:
        """Return every byte. Blocks and holds all in memory: for tests."""
        return b"".join(segment.path.read_bytes() for segment in self.segments)


@dataclass(eq=False)
class SegmentWriter:
    """A file that is being written; hashed on the way. Use it through `Storage.receive`."""

    path: Path
    size: int = 0
    crc64: int = 0
    _md5: "hashlib._Hash" = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def absorb(self, blocks: Sequence[bytes]) -> None:
        """Append blocks. Blocks; called from the pool, one call at a time."""
        with self.path.open("ab", buffering=0) as file:
            for block in blocks:
                file.write(block)
                self.crc64 = crc64.xz(block, self.crc64)
                self.size += len(block)
                self._md5.update(block)

    def segment(self) -> Segment:
        """Return what was written."""
        return Segment(self.path, self.size, self.crc64, self._md5.hexdigest().upper())


class Storage:
    """All files of the stand-in, in a new folder below `folder`: the index is in
    memory, so files of an earlier run are ignored.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(prefix="run-", dir=folder))
        self._numbers = itertools.count(1)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="oss-disk")

    def close(self) -> None:
        """Wait for the threads. The files stay."""
        self._pool.shutdown()

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run blocking work in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _new_path(self) -> Path:
        return self._folder / f"{next(self._numbers):08d}"

    async def receive(self, chunks: AsyncIterator[bytes]) -> Segment:
        """Write all of `chunks` into a new file.

        While one block is written the next is read. Errors of `chunks` propagate after the file is
        removed.
        """
        incoming = SegmentWriter(self._new_path())
        try:
            await self._fill(incoming, chunks)
        except BaseException:
            await asyncio.shield(self.run(lambda: incoming.path.unlink(missing_ok=True)))
            raise
        return incoming.segment()

    async def _fill(self, incoming: SegmentWriter, chunks: AsyncIterator[bytes]) -> None:
        writing = asyncio.ensure_future(self.run(lambda: incoming.absorb([])))
        try:
            blocks: list[bytes] = []
            held = 0
            async for chunk in chunks:
                blocks.append(chunk)
                held += len(chunk)
                if held < BLOCK:
                    continue
                await writing
                writing = asyncio.ensure_future(self._absorb(incoming, blocks))
                blocks, held = [], 0
            await writing
            await self._absorb(incoming, blocks)
        finally:
            # The pool must be done with the file before it is removed.
            await asyncio.wait({writing})

    async def _absorb(self, incoming: SegmentWriter, blocks: Sequence[bytes]) -> None:
        await self.run(lambda: incoming.absorb(blocks))

    async def read(
        self, data: ObjectData, start: int, count: int, block: int = BLOCK
    ) -> AsyncIterator[bytes]:
        """Yield `count` bytes from offset `start`, in pieces of at most `block`."""
        data.readers += 1
        try:
            for segment in data.segments:
                if count <= 0:
                    break
                if start >= segment.size:
                    start -= segment.size
                    continue
                end = min(segment.size, start + count)
                async for piece in self._read_segment(segment.path, start, end, block):
                    yield piece
                count -= end - start
                start = 0
        finally:
            data.readers -= 1
            self._remove_unread(data)

    async def _read_segment(
        self, path: Path, start: int, end: int, block: int
    ) -> AsyncIterator[bytes]:
        for offset in range(start, end, block):
            size = min(block, end - offset)
            yield await self.run(partial(_read, path, offset, size))

    async def link(self, data: ObjectData) -> ObjectData:
        """Return the same bytes under further names, so that either may be discarded."""
        data.readers += 1
        try:
            segments = [await self.run(partial(self._link, segment)) for segment in data.segments]
        finally:
            data.readers -= 1
            self._remove_unread(data)
        return ObjectData(segments)

    def _link(self, segment: Segment) -> Segment:
        path = self._new_path()
        path.hardlink_to(segment.path)
        return replace(segment, path=path)

    def discard(self, data: ObjectData) -> None:
        """Remove the files when the last reader has finished."""
        data.is_discarded = True
        self._remove_unread(data)

    def _remove_unread(self, data: ObjectData) -> None:
        if data.is_discarded and not data.readers:
            self._pool.submit(_remove, [segment.path for segment in data.segments])


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
