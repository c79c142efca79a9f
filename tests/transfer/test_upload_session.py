"""Going on with an upload that an earlier run began."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.core.errors import StoreForbidden, StoreUnavailable, UploadGone
from bot.core.jobs import MIB
from bot.core.ports.store import PartReceipt
from bot.transfer.body import crc64
from bot.transfer.multipart import Uploaded
from bot.transfer.uploader import Target
from tests.fakes.content import FakeContent
from tests.fakes.gate import Gate
from tests.fakes.store import FakeStore, Trouble
from tests.transfer.uploader_fixture import (
    KEY,
    META,
    Journal,
    UploaderFixture,
    make_data,
    raising,
    rigged,
)

DATA = make_data(5 * MIB + 1000)
WHOLE = Uploaded(len(DATA), crc64(DATA))


@pytest.fixture
async def rig() -> AsyncIterator[UploaderFixture]:
    """Four connections, no pauses."""
    async with rigged() as rig:
        yield rig


def begun(store: FakeStore, *numbers: int, data: bytes = DATA) -> Target:
    """Leave an upload behind of which the parts `numbers` of 1 MiB have arrived."""
    upload_id = store.initiate(KEY, META)
    for number in numbers:
        store.upload_part(KEY, upload_id, number, Stretch(data[(number - 1) * MIB : number * MIB]))
    return Target(KEY, META, upload_id=upload_id, part_size=MIB)


class Stretch:
    """Bytes as a body."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


def sent(store: FakeStore, since: int) -> list[int]:
    """Return the numbers of the parts that were sent after the first `since` calls."""
    calls = [call for call in store.calls[since:] if call.name == "upload_part"]
    return sorted(call.part_number or 0 for call in calls)


@pytest.mark.parametrize("there", [(), (1,), (2, 4), (1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6)])
async def test_only_missing_parts_are_sent(rig: UploaderFixture, there: tuple[int, ...]) -> None:
    """Any set of parts is kept, not only the first ones."""
    target = begun(rig.store, *there)
    since = len(rig.store.calls)

    assert await rig.upload(FakeContent(DATA), target) == WHOLE
    assert [n for n in range(1, 7) if n not in there] == sent(rig.store, since)
    assert rig.stored() == DATA
    assert rig.journal.entries == []
    assert len(DATA) == rig.meter.snapshot().uploaded


async def test_kept_parts_wait_for_the_bytes_on_disk(rig: UploaderFixture) -> None:
    """After a restart the file arrives again; a part is kept once its bytes can be compared."""
    target = begun(rig.store, 1, 2)
    content = FakeContent(DATA, arrived=0)
    task = rig.begin(content, target)
    for _ in range(6):
        await content.arrive(MIB)
        await asyncio.sleep(0)

    assert await task == WHOLE
    assert rig.stored() == DATA


async def test_other_bytes_are_not_kept(rig: UploaderFixture) -> None:
    """A part of the right size with other bytes is sent again, and so is one of another size."""
    target = begun(rig.store, 1, 2, data=bytes(len(DATA)))
    rig.store.upload_part(KEY, "upload-1", 3, Stretch(DATA[2 * MIB : 2 * MIB + 500]))
    since = len(rig.store.calls)
    await rig.upload(FakeContent(DATA), target)

    assert sent(rig.store, since) == [1, 2, 3, 4, 5, 6]
    assert rig.stored() == DATA


async def test_part_without_checksum_is_not_kept() -> None:
    """A part that cannot be compared is sent again."""

    class Mute(FakeStore):
        def list_parts(self, key: str, upload_id: str) -> list[PartReceipt]:
            parts = super().list_parts(key, upload_id)
            return [PartReceipt(p.part_number, p.etag, p.size, None) for p in parts]

    store = Mute()
    async with rigged(store=store) as mute:
        target = begun(store, 1, 2)
        since = len(store.calls)
        await mute.upload(FakeContent(DATA), target)

    assert sent(store, since) == [1, 2, 3, 4, 5, 6]


async def test_upload_that_was_completed_is_recognized(rig: UploaderFixture) -> None:
    """The earlier run died between Complete and its journal: the object is there,
    nothing is sent.
    """
    target = begun(rig.store, 1, 2, 3, 4, 5, 6)
    parts = rig.store.list_parts(KEY, "upload-1")
    rig.store.complete(KEY, "upload-1", parts, META)
    since = len(rig.store.calls)

    assert await rig.upload(FakeContent(DATA), target) == WHOLE
    assert [call.name for call in rig.store.calls[since:]] == ["list_parts", "head"]


async def test_upload_that_is_gone_is_begun_anew(rig: UploaderFixture) -> None:
    """Without upload and object a new one is initiated and journalled."""
    target = begun(rig.store, 1)
    rig.store.forget_upload("upload-1")

    assert await rig.upload(FakeContent(DATA), target) == WHOLE
    assert rig.journal.entries == [("upload-2", 4 * MIB)]


async def test_other_object_is_replaced(rig: UploaderFixture) -> None:
    """An object of this key with other bytes is not taken for ours."""
    target = begun(rig.store, 1)
    rig.store.forget_upload("upload-1")
    rig.store.put_object(KEY, Stretch(DATA[:-1] + b"?"), META)

    assert await rig.upload(FakeContent(DATA), target) == WHOLE
    assert rig.stored() == DATA
    assert len(DATA) == rig.meter.snapshot().uploaded


async def test_upload_that_vanishes_on_the_way(rig: UploaderFixture) -> None:
    """Parts of an upload that was aborted elsewhere are refused once, and the caller learns it."""
    gate = Gate()
    rig.store.trouble(Trouble("upload_part", gate))
    task = rig.begin(FakeContent(DATA))
    await gate.reached.wait()
    rig.store.forget_upload("upload-1")
    gate.open()

    with pytest.raises(UploadGone):
        await task


async def test_lost_answer_to_initiate_leaves_no_stray(rig: UploaderFixture) -> None:
    """An upload whose id was lost with the answer is found and aborted; ours goes on."""
    rig.store.trouble(Trouble("initiate", raising(StoreUnavailable("time-out")), lost=True))
    await rig.upload(FakeContent(DATA))

    assert rig.journal.entries == [("upload-2", 4 * MIB)]
    assert rig.store.upload_ids == []
    assert rig.stored() == DATA


@pytest.mark.parametrize(("there", "noted"), [((), 1), ((1, 2), 1), (tuple(range(1, 7)), 0)])
async def test_new_parts_are_progress(
    rig: UploaderFixture, there: tuple[int, ...], noted: int
) -> None:
    """It is noted once per run, after the first part that was not there before."""
    target = begun(rig.store, *there)
    await rig.upload(FakeContent(DATA), target)

    assert len(rig.journal.progress) == noted
    assert all(sent > len(there) for sent in rig.journal.progress)


async def test_strays_that_cannot_be_listed_do_not_fail_the_upload(rig: UploaderFixture) -> None:
    """Looking for orphans is best effort; the reaper finds what it misses."""
    rig.store.trouble(Trouble("initiate", raising(StoreUnavailable("time-out"))))
    rig.store.trouble(Trouble("list_uploads", raising(StoreForbidden("no")), times=0))

    assert await rig.upload(FakeContent(DATA)) == WHOLE


async def test_journal_that_fails_prevents_the_first_part(rig: UploaderFixture) -> None:
    """If the upload cannot be remembered, no part is sent."""

    class Broken(Journal):
        async def initiated(self, upload_id: str, part_size: int) -> None:
            del upload_id, part_size
            raise OSError("disk full")

    rig.journal = Broken(rig.store)
    with pytest.raises(OSError, match="disk full"):
        await rig.upload(FakeContent(DATA))
    assert rig.store.count("upload_part") == 0
