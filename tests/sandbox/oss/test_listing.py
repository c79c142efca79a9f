"""Lists, through the SDK's paginators."""

from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run

KEYS = ["a/1", "a/2", "a/b/3", "b", "c d", "ü+&", "日本/1", "😀"]
"""In the order of their UTF-8 bytes."""


@pytest.fixture
async def filled(client: Any, bucket: Bucket) -> Bucket:
    """Put one small object under each key, last one first."""
    for key in reversed(KEYS):
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=key.encode()))
    return bucket


async def pages(client: Any, limit: int, **wishes: Any) -> list[Any]:
    """Return all pages of ListObjectsV2."""
    paginator = client.list_objects_v2_paginator(limit=limit)
    request = sdk.ListObjectsV2Request(BUCKET, **wishes)
    return await run(lambda: list(paginator.iter_page(request)))


def keys(found: list[Any]) -> list[str]:
    """Return the keys on all pages."""
    return [entry.key for page in found for entry in page.contents or []]


def prefixes(found: list[Any]) -> list[str]:
    """Return the common prefixes on all pages."""
    return [group.prefix for page in found for group in page.common_prefixes or []]


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
async def test_pages(client: Any, filled: Bucket, limit: int) -> None:
    """Every key comes once, in the order of bytes, for any size of a page."""
    found = await pages(client, limit)

    assert keys(found) == KEYS
    assert {page.key_count for page in found[:-1]} <= {limit}
    assert [page.is_truncated for page in found] == [True] * (len(found) - 1) + [False]
    assert len(filled.objects) == len(KEYS)


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_delimiter(client: Any, filled: Bucket, limit: int) -> None:
    """A delimiter groups keys into common prefixes, each once over all pages."""
    found = await pages(client, limit, delimiter="/")

    assert (keys(found), prefixes(found)) == (["b", "c d", "ü+&", "😀"], ["a/", "日本/"])
    assert len(filled.objects) == len(KEYS)


async def test_prefix(client: Any, filled: Bucket) -> None:
    """A prefix narrows the list; with a delimiter only the level below it is shown."""
    below = await pages(client, 1000, prefix="a/")
    level = await pages(client, 1000, prefix="a/", delimiter="/")

    assert keys(below) == ["a/1", "a/2", "a/b/3"]
    assert (keys(level), prefixes(level)) == (["a/1", "a/2"], ["a/b/"])
    assert len(filled.objects) == len(KEYS)


async def test_start_after(client: Any, filled: Bucket) -> None:
    """The list starts behind a key, which need not exist."""
    found = await pages(client, 2, start_after="b0")

    assert keys(found) == KEYS[4:]
    assert len(filled.objects) == len(KEYS)


async def test_entries(client: Any, filled: Bucket) -> None:
    """An entry tells size, ETag, time and class, and the owner on request."""
    [page] = await pages(client, 1000, prefix="b", fetch_owner=True)
    [entry] = page.contents
    stored = filled.objects["b"]

    assert (1, f'"{stored.etag}"', "Normal", "Standard", filled.owner) == (
        entry.size,
        entry.etag,
        entry.object_type,
        entry.storage_class,
        entry.owner.id,
    )
    assert entry.last_modified == stored.last_modified.replace(microsecond=0)


async def test_without_encoding(client: Any, filled: Bucket) -> None:
    """Keys come unencoded where the client does not ask for an encoding."""
    result = await run(client.list_objects_v2, sdk.ListObjectsV2Request(BUCKET, prefix="c"))

    assert [entry.key for entry in result.contents] == ["c d"]
    assert len(filled.objects) == len(KEYS)


@pytest.mark.parametrize("limit", [0, 1001, -1])
async def test_limit(client: Any, bucket: Bucket, limit: int) -> None:
    """A page holds 1 to 1,000 entries."""
    request = sdk.ListObjectsV2Request(BUCKET, max_keys=limit)
    error = await refusal(client.list_objects_v2, request)

    assert (error.status_code, error.code) == (400, "InvalidArgument")
    assert bucket.objects == {}


async def test_bad_token(client: Any, bucket: Bucket) -> None:
    """A continuation token that was not given out is refused."""
    request = sdk.ListObjectsV2Request(BUCKET, continuation_token="x")
    error = await refusal(client.list_objects_v2, request)

    assert (error.status_code, error.code) == (400, "InvalidArgument")
    assert bucket.objects == {}


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_uploads(client: Any, bucket: Bucket, limit: int) -> None:
    """Pending uploads come once each, several of one key included, by key and id."""
    for key in ["p/b", "p/a", "p/a", "p/ü +", "q"]:
        await run(
            client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, key)
        )
    paginator = client.list_multipart_uploads_paginator(limit=limit)
    request = sdk.ListMultipartUploadsRequest(BUCKET, prefix="p/")
    found = await run(lambda: list(paginator.iter_page(request)))
    listed = [(entry.key, entry.upload_id) for page in found for entry in page.uploads or []]
    known = [(pending.key, pending.upload_id) for pending in bucket.uploads.values()]

    assert listed == sorted(pair for pair in known if pair[0].startswith("p/"))


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_upload_prefixes(client: Any, bucket: Bucket, limit: int) -> None:
    """Pending uploads are grouped by a delimiter as objects are."""
    for key in ["a/1", "a/2", "b", "c/1"]:
        await run(
            client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, key)
        )
    paginator = client.list_multipart_uploads_paginator(limit=limit)
    request = sdk.ListMultipartUploadsRequest(BUCKET, delimiter="/")
    found = await run(lambda: list(paginator.iter_page(request)))

    # The SDK does not show the groups; with the one single upload they fill the pages.
    assert len(found) == -(-3 // limit)
    assert [entry.key for page in found for entry in page.uploads or []] == ["b"]
    assert len(bucket.uploads) == 4


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_parts(client: Any, bucket: Bucket, limit: int) -> None:
    """Parts come by number with size, ETag and CRC."""
    initiated = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "ü k")
    )
    for number in (3, 1, 10_000):
        await run(
            client.upload_part,
            sdk.UploadPartRequest(BUCKET, "ü k", number, initiated.upload_id, body=b"x" * number),
        )
    paginator = client.list_parts_paginator(limit=limit)
    request = sdk.ListPartsRequest(BUCKET, "ü k", initiated.upload_id)
    found = await run(lambda: list(paginator.iter_page(request)))
    [pending] = bucket.uploads.values()
    known = [
        (part.number, part.size, f'"{part.etag}"', str(part.crc64))
        for part in sorted(pending.parts.values(), key=lambda part: part.number)
    ]

    assert known == [
        (part.part_number, part.size, part.etag, part.hash_crc64)
        for page in found
        for part in page.parts or []
    ]
    assert {page.key for page in found} == {"ü k"}


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_version_1(client: Any, filled: Bucket, limit: int) -> None:
    """The older list pages by marker and groups alike."""
    paginator = client.list_objects_paginator(limit=limit)
    plain = await run(lambda: list(paginator.iter_page(sdk.ListObjectsRequest(BUCKET))))
    request = sdk.ListObjectsRequest(BUCKET, delimiter="/")
    grouped = await run(lambda: list(paginator.iter_page(request)))

    assert keys(plain) == KEYS
    assert (keys(grouped), prefixes(grouped)) == (["b", "c d", "ü+&", "😀"], ["a/", "日本/"])
    assert len(filled.objects) == len(KEYS)
