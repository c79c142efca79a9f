"""Objects that can be read without a signature."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.adapters.oss.anonymous_access import (
    BucketExposed,
    anonymous_listing_possible,
    anonymous_status,
    assert_private,
)
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.errors import StoreUnavailable
from bot.core.ports.store import ObjectMeta, PartBody
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET, connect
from tests.fakes.body import BytesBody

KEY = "relay/1/token/probe"


@pytest.mark.parametrize(
    ("acl", "public", "expected"),
    [
        ("private", None, 403),
        ("private", False, 403),
        ("private", True, 200),
        ("public-read", None, 404),
        ("public-read", False, 403),
        ("public-read", True, 200),
    ],
)
async def test_status(
    oss: OssStandIn,
    connection: OssConnection,
    bucket: OssBucket,
    acl: str,
    public: bool | None,  # noqa: FBT001 - see above.
    expected: int,
) -> None:
    """Bucket ACL and object ACL (or no object) decide; checking writes nothing."""
    oss.buckets[BUCKET].acl = acl
    if public is not None:
        meta = ObjectMeta("application/octet-stream", "attachment", public=public)
        await asyncio.to_thread(bucket.put_object, KEY, BytesBody(b"x"), meta)
    status = await asyncio.to_thread(anonymous_status, connection, KEY)

    assert expected == status
    assert {"anonymous"} == {entry.params["auth"] for entry in oss.log.of("GetObject")}


@pytest.mark.parametrize("acl", ["private", "public-read"])
async def test_private_objects_are_private(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, acl: str
) -> None:
    """The trial object is refused without a signature in both kinds of bucket, and is removed
    after.
    """
    oss.buckets[BUCKET].acl = acl
    await asyncio.to_thread(assert_private, connection, bucket, "relay/1/")

    assert [entry.status for entry in oss.log.of("GetObject")] == [403]
    assert oss.buckets[BUCKET].objects == {}


async def test_bucket_that_a_policy_opens(oss: OssStandIn, connection: OssConnection) -> None:
    """An object that can be read without a signature is reported; nothing is left."""

    class Opened(OssBucket):
        def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
            # What a bucket policy does: the ACL says private, and every request can read.
            return super().put_object(key, body, replace(meta, public=True))

    with pytest.raises(BucketExposed, match=BUCKET):
        await asyncio.to_thread(assert_private, connection, Opened(connection), "relay/1/")
    assert oss.buckets[BUCKET].objects == {}


async def test_no_answer(oss: OssStandIn, connection: OssConnection) -> None:
    """Without an answer the result is unknown."""
    oss.faults.add(Fault("GetObject", Effect.RESET))

    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(anonymous_status, connection, KEY)


@pytest.mark.parametrize("ask", [lambda c: anonymous_status(c, KEY), anonymous_listing_possible])
async def test_nobody_listens(oss: OssStandIn, ask: Callable[[OssConnection], object]) -> None:
    """A link domain that cannot be connected is named; the key, which may be the link, is not."""
    connection = connect(oss, link_domain="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable) as caught:
        await asyncio.to_thread(ask, connection)
    connection.close()

    assert str(caught.value).startswith("127.0.0.1:9: ")
    assert KEY not in str(caught.value)
