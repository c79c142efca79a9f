"""Reading objects: ranges, conditions, overrides, what the default domain does to downloads."""

from datetime import timedelta
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)


@pytest.fixture
async def stored(client: Any, bucket: Bucket) -> Bucket:
    """Put one object of 1,024 bytes at `k`."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=CONTENT))
    return bucket


@pytest.mark.parametrize(
    ("asked", "standard", "expected"),
    [
        ("bytes=0-99", False, (206, CONTENT[:100])),
        ("bytes=100-", False, (206, CONTENT[100:])),
        ("bytes=-24", False, (206, CONTENT[-24:])),
        ("bytes=1023-1023", False, (206, CONTENT[1023:])),
        ("bytes=500-2000", False, (200, CONTENT)),
        ("bytes=500-2000", True, (206, CONTENT[500:])),
        ("bytes=2000-3000", False, (200, CONTENT)),
        ("bytes=2000-", False, (200, CONTENT)),
        ("bytes=-2000", True, (206, CONTENT)),
        ("bytes=5-2", True, (200, CONTENT)),
        ("bytes=a-b", True, (200, CONTENT)),
        ("items=0-1", True, (200, CONTENT)),
        ("bytes=-", True, (200, CONTENT)),
        ("bytes=0-1,4-5", True, (200, CONTENT)),
    ],
)
async def test_range(
    client: Any, stored: Bucket, asked: str, expected: tuple[int, bytes], *, standard: bool
) -> None:
    """Ranges inside are served; others only clipped where the standard behaviour is asked for."""
    behavior = "standard" if standard else None
    got, content = await fetch(client, "k", range_header=asked, range_behavior=behavior)

    assert expected == (got.status_code, content)
    assert str(stored.objects["k"].crc64) == got.hash_crc64


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=2000-3000", "bytes=-0"])
async def test_invalid_range(client: Any, stored: Bucket, asked: str) -> None:
    """Standard behaviour refuses a range that begins behind the object."""
    request = sdk.GetObjectRequest(BUCKET, "k", range_header=asked, range_behavior="standard")
    error = await refusal(client.get_object, request)

    assert (error.status_code, error.code) == (416, "InvalidRange")
    assert stored.objects


async def test_content_range(client: Any, stored: Bucket) -> None:
    """A partial answer says which part it is."""
    got, _ = await fetch(client, "k", range_header="bytes=1-2")

    assert (got.content_range, got.content_length) == ("bytes 1-2/1024", 2)
    assert stored.objects


async def test_conditions(client: Any, stored: Bucket) -> None:
    """If-Match, If-None-Match and the two dates work as in HTTP."""
    etag, moment = stored.objects["k"].etag, stored.objects["k"].last_modified
    before = (moment - timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    after = (moment + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    table = [
        ({"if_match": f'"{etag}"'}, 200),
        ({"if_match": '"OTHER"'}, 412),
        ({"if_none_match": f'"{etag}"'}, 304),
        ({"if_modified_since": before}, 200),
        ({"if_modified_since": after}, 304),
        ({"if_unmodified_since": before}, 412),
        ({"if_unmodified_since": after}, 200),
    ]
    for condition, expected in table:
        request = sdk.HeadObjectRequest(BUCKET, "k", **condition)
        if expected == 200:
            status = (await run(client.head_object, request)).status_code
        else:
            status = (await refusal(client.head_object, request)).status_code
        assert (condition, expected) == (condition, status)


async def test_head_of_missing(client: Any, bucket: Bucket) -> None:
    """A refused HEAD tells its reason in headers."""
    error = await refusal(client.head_object, sdk.HeadObjectRequest(BUCKET, "missing"))

    assert (error.status_code, error.code, error.ec) == (404, "NoSuchKey", "0026-00000001")
    assert bucket.objects == {}


async def test_object_meta(client: Any, stored: Bucket) -> None:
    """GetObjectMeta gives ETag and length."""
    meta = await run(client.get_object_meta, sdk.GetObjectMetaRequest(BUCKET, "k"))

    assert (f'"{stored.objects["k"].etag}"', SIZE) == (meta.etag, meta.content_length)


async def test_overrides(client: Any, stored: Bucket, http: aiohttp.ClientSession) -> None:
    """A presigned link decides disposition and cache control of its answer."""
    request = sdk.GetObjectRequest(
        BUCKET,
        "k",
        response_content_disposition="attachment; filename*=UTF-8''a%20b.txt",
        response_cache_control="no-store",
    )
    link = client.presign(request)
    async with http.get(link.url) as answer:
        assert await answer.read() == CONTENT

    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b.txt"
    assert answer.headers["Cache-Control"] == "no-store"
    assert stored.objects


async def test_overrides_need_signature(
    oss: OssStandIn, stored: Bucket, http: aiohttp.ClientSession
) -> None:
    """Anonymous requests may not rename what they get."""
    stored.acl = "public-read"
    url = f"{oss.endpoint}/{BUCKET}/k?response-content-disposition=inline"
    async with http.get(url) as answer:
        assert answer.status == 400

        assert "InvalidRequest" in await answer.text()


async def test_forced_download(
    oss: OssStandIn, stored: Bucket, http: aiohttp.ClientSession
) -> None:
    """The default domain makes browsers save; an own domain does not; it can be switched off."""
    stored.acl = "public-read"
    oss.add_domain("files.example.com", BUCKET)
    seen = []
    for path, host, forced in [
        (f"/{BUCKET}/k", None, True),
        ("/k", "files.example.com", True),
        (f"/{BUCKET}/k", None, False),
    ]:
        oss.world.forces_download = forced
        headers = {"Host": host} if host else {}
        async with http.get(oss.endpoint + path, headers=headers) as answer:
            assert await answer.read() == CONTENT
            seen.append(answer.headers.get("Content-Disposition"))

    assert seen == ["attachment", None, None]


@pytest.mark.parametrize(
    ("key", "content_type", "status"),
    [
        ("a.apk", "application/octet-stream", 400),
        ("a.IPA", "application/octet-stream", 400),
        ("a.bin", "application/vnd.android.package-archive", 400),
        ("a.bin", "application/octet-stream", 200),
    ],
)
async def test_phone_packages(
    client: Any,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    key: str,
    content_type: str,
    status: int,
) -> None:
    """Phone packages are refused to links on the default domain, not to signed headers."""
    request = sdk.PutObjectRequest(BUCKET, key, body=b"x", content_type=content_type)
    await run(client.put_object, request)
    link = client.presign(sdk.GetObjectRequest(BUCKET, key))
    async with http.get(link.url) as answer:
        text = await answer.text()
    _, content = await fetch(client, key)

    assert (status, status == 400) == (answer.status, "ApkDownloadForbidden" in text)
    assert (content, len(bucket.objects)) == (b"x", 1)


async def test_replaced_while_read(
    client: Any, oss: OssStandIn, http: aiohttp.ClientSession, bucket: Bucket
) -> None:
    """A download that is under way gets the old bytes to the end; then the old file goes."""
    old = b"o" * (8 << 20)
    bucket.acl = "public-read"
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=old))
    [path] = bucket.objects["k"].paths
    async with http.get(f"{oss.endpoint}/{BUCKET}/k") as answer:
        first = await answer.content.readexactly(1000)
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"new"))
        assert path.exists()
        rest = await answer.content.read()
    await run(oss.world.storage.close)

    assert (old, False) == (first + rest, path.exists())
