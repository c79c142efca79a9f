"""Putting and deleting objects, through the SDK."""

import base64
import hashlib
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest
from fastcrc import crc64

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run

ODD_KEYS = [
    "a",
    "x y/ü+~(1)&%2F=.txt",
    "日本/😀'\"!*",
    "a//b",
    "a=b&c;d",
    "%41",
    "." * 3,
    "_-,@:$",
]


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_round_trip(client: Any, bucket: Bucket, key: str) -> None:
    """What was put is what is got, under any key, with the CRC that the SDK itself computes."""
    content = b"content of " + key.encode()
    put = await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=content))
    _, got = await fetch(client, key)

    assert (content, str(crc64.xz(content))) == (got, put.hash_crc64)
    assert content == bucket.objects[key].read_bytes()


async def test_metadata(client: Any) -> None:
    """Type, disposition, cache control and user metadata come back with the object."""
    request = sdk.PutObjectRequest(
        BUCKET,
        "k.bin",
        body=b"x",
        content_type="application/x-thing",
        content_disposition="attachment; filename*=UTF-8''%E4%BD%A0.txt",
        cache_control="no-store",
        metadata={"color": "blue"},
        tagging="a=1&b=2",
    )
    await run(client.put_object, request)
    head = await run(client.head_object, sdk.HeadObjectRequest(BUCKET, "k.bin"))

    assert head.content_type == "application/x-thing"
    assert head.content_disposition == "attachment; filename*=UTF-8''%E4%BD%A0.txt"
    assert (
        head.cache_control,
        head.metadata,
        head.tagging_count,
    ) == ("no-store", {"color": "blue"}, 2)


async def test_empty_object(client: Any, bucket: Bucket) -> None:
    """An object of no bytes is an object."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b""))
    got = await run(client.get_object, sdk.GetObjectRequest(BUCKET, "k"))

    assert (got.body.content, bucket.objects["k"].crc64) == (b"", 0)


async def test_content_md5(client: Any, bucket: Bucket) -> None:
    """A Content-MD5 of other bytes, or none at all, is refused and nothing is stored."""
    wrong = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    for digest in (wrong, "no base64"):
        request = sdk.PutObjectRequest(BUCKET, "k", body=b"x", content_md5=digest)
        error = await refusal(client.put_object, request)
        assert (error.status_code, error.code) == (400, "InvalidDigest")

    assert bucket.objects == {}


async def test_forbid_overwrite(client: Any, bucket: Bucket) -> None:
    """`x-oss-forbid-overwrite` keeps the object that is there."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"1"))
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"2", forbid_overwrite=True)
    error = await refusal(client.put_object, request)

    assert (error.status_code, error.code) == (409, "FileAlreadyExists")
    assert bucket.objects["k"].read_bytes() == b"1"


async def test_replace_removes_file(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Replacing an object leaves one file on disk."""
    for body in (b"1", b"2"):
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=body))
    [path] = bucket.objects["k"].paths
    oss.world.storage.close()

    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("key", ["/a", "\\a", "k" * 1024, "ü" * 512])
async def test_bad_key(client: Any, key: str) -> None:
    """Keys that start with a slash or backslash, or are longer than 1023 bytes, are refused."""
    error = await refusal(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b""))

    assert (error.status_code, error.code) == (400, "InvalidObjectName")


async def test_longest_key(client: Any, bucket: Bucket) -> None:
    """1023 bytes of UTF-8 are a key."""
    key = "ü" * 511 + "k"
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b""))

    assert [key] == list(bucket.objects)


async def test_too_large_by_header(
    oss: OssStandIn, http: aiohttp.ClientSession, bucket: Bucket
) -> None:
    """More than 5 GB are refused by the announced length, before any byte."""
    bucket.acl = "public-read-write"
    headers = {"Content-Length": str(5 * 1024**3 + 1)}
    async with http.put(f"{oss.endpoint}/{BUCKET}/k", headers=headers) as answer:
        text = await answer.text()

    assert (answer.status, "<Code>EntityTooLarge</Code>" in text) == (400, True)


async def test_object_acl(client: Any, bucket: Bucket) -> None:
    """An ACL is set with the object or later, and read back."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"", acl="public-read"))
    first = await run(client.get_object_acl, sdk.GetObjectAclRequest(BUCKET, "k"))
    await run(client.put_object_acl, sdk.PutObjectAclRequest(BUCKET, "k", acl="private"))
    second = await run(client.get_object_acl, sdk.GetObjectAclRequest(BUCKET, "k"))

    assert (first.acl, second.acl) == ("public-read", "private")
    assert bucket.owner == second.owner.id


async def test_unknown_acl(client: Any) -> None:
    """An ACL that does not exist is refused."""
    error = await refusal(
        client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"", acl="secret")
    )

    assert (error.status_code, error.code) == (400, "InvalidArgument")


async def test_delete(client: Any, bucket: Bucket) -> None:
    """Deleting works once and is no error the second time."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b""))
    for _ in range(2):
        answer = await run(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "k"))
        assert answer.status_code == 204

    assert bucket.objects == {}


@pytest.mark.parametrize("quiet", [False, True])
async def test_delete_multiple(client: Any, bucket: Bucket, *, quiet: bool) -> None:
    """Many keys go in one request; quiet answers name none of them."""
    for key in ODD_KEYS:
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b""))
    objects = [sdk.DeleteObject(key=key) for key in [*ODD_KEYS, "missing"]]
    request = sdk.DeleteMultipleObjectsRequest(BUCKET, objects=objects, quiet=quiet)
    answer = await run(client.delete_multiple_objects, request)
    named = [deleted.key for deleted in answer.deleted_objects or []]

    assert ([] if quiet else [*ODD_KEYS, "missing"]) == named
    assert bucket.objects == {}


async def test_delete_too_many(client: Any) -> None:
    """More than 1,000 keys in one request are refused."""
    objects = [sdk.DeleteObject(key=str(number)) for number in range(1001)]
    error = await refusal(
        client.delete_multiple_objects, sdk.DeleteMultipleObjectsRequest(BUCKET, objects=objects)
    )

    assert (error.status_code, error.code) == (400, "MalformedXML")


async def test_presigned_put_and_head(
    client: Any, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """Links to write and to look: signed headers must come along, others must stay away."""
    put = client.presign(sdk.PutObjectRequest(BUCKET, "k", content_type="a/b", acl="public-read"))
    assert {*put.signed_headers} == {"Content-Type", "x-oss-object-acl"}
    statuses = []
    for headers in ({"Content-Type": "a/b"}, put.signed_headers):
        async with http.put(put.url, headers=headers, data=b"x") as answer:
            statuses.append(answer.status)
    head = client.presign(sdk.HeadObjectRequest(BUCKET, "k"))
    async with http.head(head.url) as answer:
        statuses.append(answer.status)

    assert (statuses, bucket.objects["k"].acl) == ([403, 200, 200], "public-read")
    assert answer.headers["Content-Length"] == "1"
