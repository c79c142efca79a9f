"""The contract of an object store: the fake in memory, and the real client on the stand-in."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.core.errors import Corrupted, StoreRefused, TransferCancelled, UploadGone
from bot.core.ports.store import ObjectMeta, ObjectStore, PartReceipt
from bot.transfer.body import crc64
from tests.fakes.body import BytesBody, RaisingBody
from tests.fakes.store import FakeStore

T = TypeVar("T")

META = ObjectMeta("video/mp4", "attachment; filename=\"a\"; filename*=UTF-8''%C3%A4", public=False)
KEY = "relay/1/token/ä b+c(1)~.bin"
PART = bytes(range(256)) * 400  # 100 KiB, the smallest part that OSS accepts.
LAST = b"the end"


@pytest.fixture(params=["fake", "oss"])
def store(request: pytest.FixtureRequest, bucket: OssBucket) -> ObjectStore:
    """Both stores, one after the other."""
    return FakeStore() if request.param == "fake" else bucket


async def do(call: Callable[[], T]) -> T:
    """Make a blocking call in a thread, so that the stand-in's loop goes on."""
    return await asyncio.to_thread(call)


async def begun(store: ObjectStore, key: str = KEY) -> tuple[str, list[PartReceipt]]:
    """Initiate an upload and send two parts, the second one first."""

    def begin() -> tuple[str, list[PartReceipt]]:
        upload_id = store.initiate(key, META)
        second = store.upload_part(key, upload_id, 2, BytesBody(LAST))
        first = store.upload_part(key, upload_id, 1, BytesBody(PART))
        return upload_id, [first, second]

    return await do(begin)


async def test_put_and_head(store: ObjectStore) -> None:
    """A whole object is stored, its checksum told, and it can be looked at."""
    told = await do(lambda: store.put_object(KEY, BytesBody(PART), META))
    stat = await do(lambda: store.head(KEY))

    assert crc64(PART) == told
    assert stat is not None
    assert (KEY, len(PART), crc64(PART)) == (stat.key, stat.size, stat.crc64)
    assert stat.last_modified.tzinfo is not None


async def test_head_of_nothing(store: ObjectStore) -> None:
    """A missing object is `None`, not an error."""
    assert await do(lambda: store.head(KEY)) is None


async def test_parts_in_any_order(store: ObjectStore) -> None:
    """Parts are told their checksum, listed ascending, and completed to one object."""
    upload_id, receipts = await begun(store)
    listed = await do(lambda: store.list_parts(KEY, upload_id))
    told = await do(lambda: store.complete(KEY, upload_id, receipts, META))
    stat = await do(lambda: store.head(KEY))

    assert [crc64(PART), crc64(LAST)] == [receipt.crc64 for receipt in receipts]
    assert receipts == listed
    assert told in {crc64(PART + LAST), None}
    assert stat is not None
    assert (len(PART + LAST), crc64(PART + LAST)) == (stat.size, stat.crc64)


async def test_second_part_of_a_number_replaces_the_first(store: ObjectStore) -> None:
    """A part that is sent again counts once."""
    upload_id, receipts = await begun(store)
    again = await do(lambda: store.upload_part(KEY, upload_id, 2, BytesBody(b"other")))
    listed = await do(lambda: store.list_parts(KEY, upload_id))

    assert [receipts[0], again] == listed


async def test_repeated_complete_finds_no_upload(store: ObjectStore) -> None:
    """After a success the upload id is gone, and the object is there."""
    upload_id, receipts = await begun(store)
    await do(lambda: store.complete(KEY, upload_id, receipts, META))

    with pytest.raises(UploadGone):
        await do(lambda: store.complete(KEY, upload_id, receipts, META))
    with pytest.raises(UploadGone):
        await do(lambda: store.list_parts(KEY, upload_id))
    with pytest.raises(UploadGone):
        await do(lambda: store.upload_part(KEY, upload_id, 1, BytesBody(PART)))


async def test_abort(store: ObjectStore) -> None:
    """An aborted upload is gone; aborting it again is no error."""
    upload_id, _ = await begun(store)
    await do(lambda: store.abort(KEY, upload_id))
    await do(lambda: store.abort(KEY, upload_id))

    assert await do(lambda: list(store.list_uploads("relay/"))) == []
    assert await do(lambda: store.head(KEY)) is None


async def test_wrong_parts_are_refused(store: ObjectStore) -> None:
    """Wrong order, an unknown ETag, and a small part in the middle do not become an object."""
    upload_id, receipts = await begun(store)
    forged = PartReceipt(1, '"0123456789ABCDEF0123456789ABCDEF"', len(PART), None)
    small = await do(lambda: store.upload_part(KEY, upload_id, 3, BytesBody(LAST)))

    with pytest.raises(StoreRefused):
        await do(lambda: store.complete(KEY, upload_id, receipts[::-1], META))
    with pytest.raises(Corrupted):
        await do(lambda: store.complete(KEY, upload_id, [forged, receipts[1]], META))
    with pytest.raises(StoreRefused):
        await do(lambda: store.complete(KEY, upload_id, [*receipts, small], META))
    assert await do(lambda: store.head(KEY)) is None


@pytest.mark.parametrize("count", [0, 1, 3, 1001])
async def test_delete(store: ObjectStore, count: int) -> None:
    """Any number of keys is deleted, those that are gone already included."""
    keys = [f"relay/1/{number:04}/ä&<b>.bin" for number in range(count)]
    for key in keys[:3]:
        await do(partial(store.put_object, key, BytesBody(b"x"), META))
    await do(lambda: store.put_object("relay/1/kept", BytesBody(b"x"), META))
    await do(lambda: store.delete(keys))
    left = await do(lambda: list(store.list_objects("relay/")))

    assert [stat.key for stat in left] == ["relay/1/kept"]


async def test_list_objects(store: ObjectStore) -> None:
    """Objects below a prefix come in the order of their keys, across pages."""
    keys = sorted(f"relay/1/{number}/ö" for number in range(5))
    for key in [*keys[::-1], "relay/2/other"]:
        await do(partial(store.put_object, key, BytesBody(b"xy"), META))
    listed = await do(lambda: list(store.list_objects("relay/1/")))

    assert [(key, 2) for key in keys] == [(stat.key, stat.size) for stat in listed]
    assert all(stat.last_modified.tzinfo for stat in listed)


async def test_list_uploads(store: ObjectStore) -> None:
    """Pending uploads below a prefix are listed with their ids, those of one key all of them."""
    expected = set()
    for key in ("relay/1/ä", "relay/1/ä", "relay/1/b", "relay/2/c"):
        upload_id = await do(partial(store.initiate, key, META))
        expected.add((key, upload_id))
    listed = await do(lambda: list(store.list_uploads("relay/1/")))

    assert {entry for entry in expected if entry[0] < "relay/2"} == {
        (upload.key, upload.upload_id) for upload in listed
    }


async def test_cancelled_body_comes_out_unchanged(store: ObjectStore) -> None:
    """An error of a body is raised as it is, after one attempt, and nothing is stored."""
    upload_id = await do(lambda: store.initiate(KEY, META))
    data, error = bytes(300 << 10), TransferCancelled("stop")

    with pytest.raises(TransferCancelled) as caught:
        await do(lambda: store.put_object(KEY, RaisingBody(data, error), META))
    assert error is caught.value
    with pytest.raises(TransferCancelled):
        await do(lambda: store.upload_part(KEY, upload_id, 1, RaisingBody(data, error)))
    assert await do(lambda: store.head(KEY)) is None
    assert await do(lambda: store.list_parts(KEY, upload_id)) == []
