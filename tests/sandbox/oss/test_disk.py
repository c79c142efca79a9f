"""Files: received in blocks, read in ranges, removed after the last reader."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fastcrc import crc64

from bot.sandbox.oss.disk import BLOCK, ObjectData, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """Open an empty store."""
    storage = Storage(tmp_path / "store")
    yield storage
    storage.close()


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield content in pieces."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def broken() -> AsyncIterator[bytes]:
    """Yield more than a block, then fail."""
    yield bytes(BLOCK)
    yield bytes(BLOCK)
    raise ConnectionResetError


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
async def test_receive(storage: Storage, size: int) -> None:
    """Every byte is written and hashed, for any size of pieces."""
    content = hashlib.shake_128(b"seed").digest(size)
    segment = await storage.receive(pieces(content, 100_003))

    assert content == segment.path.read_bytes()
    assert (size, crc64.xz(content)) == (segment.size, segment.crc64)
    assert hashlib.md5(content, usedforsecurity=False).hexdigest().upper() == segment.md5


async def test_earlier_files(tmp_path: Path) -> None:
    """Two stores in one folder do not write into each other's files."""
    stores = [Storage(tmp_path), Storage(tmp_path)]
    segments = [await store.receive(pieces(b"0123", 2)) for store in stores]
    for store in stores:
        store.close()

    assert [segment.path.read_bytes() for segment in segments] == [b"0123"] * 2


async def test_receive_fails(storage: Storage, tmp_path: Path) -> None:
    """A body that breaks off leaves no file."""
    with pytest.raises(ConnectionResetError):
        await storage.receive(broken())

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("start", "count"), [(0, 30), (0, 10), (9, 2), (5, 25), (10, 0), (29, 1)])
async def test_read(storage: Storage, start: int, count: int) -> None:
    """A range may span any number of segments."""
    contents = [b"0123456789", b"", b"abcdefghij", b"ABCDEFGHIJ"]
    data = ObjectData([await storage.receive(pieces(content, 4)) for content in contents])
    got = [piece async for piece in storage.read(data, start, count, block=4)]

    assert b"".join(contents)[start : start + count] == b"".join(got)
    assert all(len(piece) <= 4 for piece in got)


async def test_discard_while_read(storage: Storage) -> None:
    """Files leave the disk after the last reader."""
    segment = await storage.receive(pieces(b"0123456789", 4))
    data = ObjectData([segment])
    reading = storage.read(data, 0, 10, block=5)
    first = await anext(reading)
    storage.discard(data)
    assert segment.path.exists()
    rest = [piece async for piece in reading]
    storage.close()

    assert ([first, *rest], segment.path.exists()) == ([b"01234", b"56789"], False)
