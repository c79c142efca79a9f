"""Copies inside OSS."""

import pytest

from bot.core.errors import Corrupted, ObjectGone
from bot.core.jobs import MIB
from bot.core.ports.store import ObjectMeta
from bot.jobs import relay as deduplicate
from bot.jobs.relay import Copier
from bot.transfer.body import crc64
from bot.transfer.pool import TransferPool
from bot.transfer.uploader import Target
from tests.fakes.store import FakeStore, StoredObject

META = ObjectMeta("application/octet-stream", "attachment", public=False)
CONTENT = bytes(range(256)) * 4096


class Journal:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.completions = 0

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Remember an upload id."""
        self.told.append((upload_id, part_size))

    async def progressed(self) -> None:
        """Nothing is recorded."""

    async def completing(self) -> None:
        """Count an intention."""
        self.completions += 1

    async def completed(self) -> None:
        """Nothing is recorded."""


@pytest.fixture
def store() -> FakeStore:
    """A store with one object."""
    store = FakeStore()
    store.objects["a"] = StoredObject(CONTENT, META)
    return store


async def test_small_object_is_one_copy(store: FakeStore) -> None:
    """One CopyObject, then both checksums are compared."""
    async with TransferPool(2) as pool:
        copied = await Copier(store, pool).copy("a", Target("b", META), Journal())

    assert (len(CONTENT), crc64(CONTENT)) == (copied.size, copied.crc64)
    assert store.objects["b"].data == CONTENT
    assert store.count("copy_part") == 0


async def test_large_object_goes_in_parts(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit of CopyObject the copy is a multipart upload that the journal knows."""
    monkeypatch.setattr(deduplicate, "LARGEST_SINGLE_COPY", MIB // 2)
    monkeypatch.setattr(deduplicate, "COPIED_PART", MIB // 4)
    journal = Journal()
    async with TransferPool(4) as pool:
        await Copier(store, pool).copy("a", Target("b", META), journal)

    assert store.objects["b"].data == CONTENT
    assert store.count("copy_part") == 4
    assert len(journal.told) == 1


async def test_source_that_is_gone(store: FakeStore) -> None:
    """A source that does not exist is told by name."""
    async with TransferPool(1) as pool:
        with pytest.raises(ObjectGone):
            await Copier(store, pool).copy("x", Target("b", META), Journal())


async def test_copy_that_differs(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy with other bytes is never handed out."""

    def copy_object(source: str, key: str, meta: ObjectMeta) -> int:
        store.objects[key] = StoredObject(store.objects[source].data[::-1], meta)
        return 0

    monkeypatch.setattr(store, "copy_object", copy_object)
    async with TransferPool(1) as pool:
        with pytest.raises(Corrupted):
            await Copier(store, pool).copy("a", Target("b", META), Journal())
