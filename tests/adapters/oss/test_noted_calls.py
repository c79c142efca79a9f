"""The calls of a bucket are noted: operation, and how it ended."""

import asyncio

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.errors import ObjectGone, StoreForbidden, TransferCancelled
from bot.core.jobs import SMALLEST_PART, Part
from bot.core.ports.store import ObjectMeta
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from tests.fakes.body import BytesBody, RaisingBody

META = ObjectMeta("text/plain", "attachment", public=False)
BODY = BytesBody(b"x" * SMALLEST_PART)


class NotedBucket:
    """A bucket, and what was noted of it."""

    def __init__(self, connection: OssConnection) -> None:
        self.notes: list[tuple[str, str]] = []
        self.store = OssBucket(connection, lambda *note: self.notes.append(note))


@pytest.fixture
def noted(connection: OssConnection) -> NotedBucket:
    """An empty bucket whose calls are noted."""
    return NotedBucket(connection)


def use_every_call(store: OssBucket) -> None:
    """Make every call of the port, and compare what they return."""
    store.put_object("a", BODY, META)
    upload_id = store.initiate("b", META)
    receipt = store.upload_part("b", upload_id, 1, BODY)
    listed = store.list_parts("b", upload_id)
    pending = [upload.upload_id for upload in store.list_uploads("b")]
    store.copy_part("a", "b", upload_id, Part(2, 0, SMALLEST_PART))
    store.complete("b", upload_id, store.list_parts("b", upload_id), META)
    store.copy_object("b", "c", META)
    keys = [stat.key for stat in store.list_objects("")]
    found = store.head("b")
    store.delete(["a", "b", "c"])
    store.abort("d", "0" * 32)

    assert ([receipt], [upload_id]) == (listed, pending)
    assert (keys, found.size if found else None) == (["a", "b", "c"], 2 * SMALLEST_PART)
    assert list(store.list_objects("")) == []


async def test_every_call_is_noted(noted: NotedBucket) -> None:
    """Each call is noted once under its name; an abort of what is gone is a success."""
    await asyncio.to_thread(use_every_call, noted.store)

    assert [code for _, code in noted.notes] == [""] * 14
    assert {operation for operation, _ in noted.notes} == {
        *("put_object", "initiate", "upload_part", "list_parts", "list_uploads", "copy_part"),
        *("complete", "copy_object", "list_objects", "head", "delete", "abort"),
    }


async def test_failures_are_noted_by_code(oss: OssStandIn, noted: NotedBucket) -> None:
    """What the store refuses goes on, and its code is noted."""
    refusal: dict[str, str | int | float] = {"status": 403, "code": "AccessDenied"}
    oss.faults.add(Fault("*", Effect.ERROR, times=0, args=refusal))
    with pytest.raises(StoreForbidden):
        await asyncio.to_thread(noted.store.list_parts, "a", "0" * 32)

    assert noted.notes == [("list_parts", "store_forbidden")]


async def test_objects_that_are_not_there(noted: NotedBucket) -> None:
    """To find nothing is a success; a source that is gone is an error of its own."""
    assert await asyncio.to_thread(noted.store.head, "a") is None
    with pytest.raises(ObjectGone):
        await asyncio.to_thread(noted.store.copy_object, "a", "b", META)

    assert noted.notes == [("head", ""), ("copy_object", "object_gone")]


async def test_cancelled_calls_say_nothing(noted: NotedBucket) -> None:
    """That we broke a call off is no news about the store."""
    body = RaisingBody(b"x", TransferCancelled("stop"))
    with pytest.raises(TransferCancelled):
        await asyncio.to_thread(noted.store.put_object, "a", body, META)

    assert noted.notes == []
