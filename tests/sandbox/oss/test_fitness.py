"""Buckets that keep, archive or hide what is stored in them."""

from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run


async def put(client: Any, key: str, **wishes: Any) -> None:
    """Store one byte."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b"x", **wishes))


async def test_retention(client: Any, bucket: Bucket) -> None:
    """Under a retention policy objects are stored and read, and neither replaced nor deleted."""
    bucket.retains = True
    await put(client, "k")
    again = sdk.PutObjectRequest(BUCKET, "k", body=b"y")
    replaced = await refusal(client.put_object, again)
    deleted = await refusal(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "k"))

    assert (replaced.status_code, replaced.code) == (409, "FileImmutable")
    assert (deleted.status_code, deleted.ec) == (409, "0026-00000202")
    assert list(bucket.objects) == ["k"]


async def test_class_of_the_bucket(client: Any, bucket: Bucket) -> None:
    """Without a class of its own an object has that of the bucket; archives cannot be read."""
    bucket.storage_class = "Archive"
    await put(client, "a")
    await put(client, "s", storage_class="Standard")
    classes = {
        key: stored.headers["x-oss-storage-class"] for key, stored in bucket.objects.items()
    }
    error = await refusal(client.get_object, sdk.GetObjectRequest(BUCKET, "a"))

    assert classes == {"a": "Archive", "s": "Standard"}
    assert (error.status_code, error.code) == (403, "InvalidObjectState")


@pytest.mark.parametrize(("referer", "status"), [(None, 403), ("https://a.example/", 200)])
async def test_referer_whitelist(
    client: Any,
    oss: OssStandIn,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    referer: str | None,
    status: int,
) -> None:
    """It holds for requests without a signature in the header, and for no others."""
    bucket.refuses_empty_referer = True
    await put(client, "k", acl="public-read")
    await run(client.head_object, sdk.HeadObjectRequest(BUCKET, "k"))
    headers = {"Referer": referer} if referer else {}
    async with http.get(f"{oss.endpoint}/{BUCKET}/k", headers=headers) as answer:
        assert answer.status == status
