"""Answers of something in between, dripping ones, keys that stay, answers without something."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.remote import RemoteOss
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run

OSS_HEADERS = {"x-oss-request-id", "x-oss-server-time", "x-oss-hash-crc64ecma"}


@pytest.fixture
async def remote(oss: OssStandIn) -> AsyncIterator[RemoteOss]:
    """Connect to the control side."""
    async with RemoteOss(oss.endpoint) as remote:
        yield remote


async def put(client: Any, *keys: str) -> None:
    """Store small objects."""
    for key in keys:
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b"x" * 10))


async def start_upload(client: Any, key: str = "k") -> Any:
    """Return the request that completes an upload of one part."""
    begun = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, key)
    )
    part = await run(
        client.upload_part, sdk.UploadPartRequest(BUCKET, key, 1, begun.upload_id, body=b"x" * 10)
    )
    parts = sdk.CompleteMultipartUpload([sdk.UploadPart(part_number=1, etag=part.etag)])
    return sdk.CompleteMultipartUploadRequest(
        BUCKET, key, begun.upload_id, complete_multipart_upload=parts
    )


async def raw_answer(oss: OssStandIn, method: str, url: str) -> tuple[list[bytes], bytes]:
    """Send a signed link's request and return the pieces of the answer, and all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", oss.port)
    target = url.removeprefix(oss.endpoint)
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    pieces = []
    while piece := await reader.read(4096):
        pieces.append(piece)
    writer.close()
    return pieces, b"".join(pieces)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 407, 413, 502])
async def test_page(client: Any, oss: OssStandIn, bucket: Bucket, status: int) -> None:
    """Something in between answers with a page and none of OSS's headers; nothing is applied."""
    oss.faults.add(Fault("PutObject", Effect.HTML, args={"status": status, "X-Cache": "MISS"}))
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
    if status == 200:
        headers = (await run(client.put_object, request)).headers
    else:
        headers = (await refusal(client.put_object, request)).headers
    names = {name.lower() for name in headers}

    assert (headers["Content-Type"], headers["X-Cache"]) == ("text/html", "MISS")
    assert not names & OSS_HEADERS
    assert headers["Server"] != "AliyunOSS"
    assert bucket.objects == {}


@pytest.mark.parametrize("applied", [0, 1])
async def test_page_for_complete(
    client: Any, remote: RemoteOss, oss: OssStandIn, bucket: Bucket, applied: int
) -> None:
    """A gateway's 504 for Complete comes before or after the object was made; its body is free."""
    request = await start_upload(client)
    args: dict[str, str | int | float] = {"status": 504, "body": "slow", "applied": applied}
    await remote.add_fault(Fault("CompleteMultipartUpload", Effect.HTML, args=args))
    error = await refusal(client.complete_multipart_upload, request)

    assert (error.status_code, error.snapshot) == (504, b"slow")
    assert len(bucket.objects) == applied
    assert oss.log.of("CompleteMultipartUpload")[0].status == 504


async def test_page_without_oss(oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """Even a request that OSS cannot read is answered by what is in between."""
    oss.faults.add(Fault("*", Effect.HTML, args={"status": 403}))
    async with http.get(f"{oss.endpoint}/missing-bucket/k") as answer:
        text = await answer.text()

    assert (answer.status, "403 Forbidden" in text) == (403, True)


DRIP = {"bytes": 40, "seconds": 0.02}


@pytest.mark.parametrize(
    ("operation", "method"), [("DeleteObject", "DELETE"), ("HeadObject", "HEAD")]
)
async def test_drip_of_head(
    client: Any, oss: OssStandIn, bucket: Bucket, operation: str, method: str
) -> None:
    """An answer without a body comes as a head in drops; the request is applied at once."""
    await put(client, "k")
    request = sdk.DeleteObjectRequest if method == "DELETE" else sdk.HeadObjectRequest
    oss.faults.add(Fault(operation, Effect.DRIP, args={**DRIP}))
    if method == "DELETE":
        result = await run(client.delete_object, request(BUCKET, "k"))
    else:
        result = await run(client.head_object, request(BUCKET, "k"))

    assert result.request_id
    assert ("k" in bucket.objects) == (method == "HEAD")


async def test_drip_comes_in_drops(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """No more than the asked bytes come at once."""
    await put(client, "k")
    oss.faults.add(Fault("HeadObject", Effect.DRIP, args={**DRIP}))
    link = client.presign(sdk.HeadObjectRequest(BUCKET, "k"))
    pieces, whole = await raw_answer(oss, "HEAD", link.url)

    assert len(pieces) >= 3
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\n")
    assert bucket.objects["k"].size == 10


@pytest.mark.parametrize("quiet", [False, True])
async def test_drip_of_bulk_delete(
    client: Any, oss: OssStandIn, bucket: Bucket, *, quiet: bool
) -> None:
    """DeleteMultipleObjects deletes and answers in drops, quiet or not."""
    await put(client, "a", "b")
    oss.faults.add(Fault("DeleteMultipleObjects", Effect.DRIP, args={**DRIP}))
    objects = [sdk.DeleteObject(key=key) for key in "ab"]
    request = sdk.DeleteMultipleObjectsRequest(BUCKET, objects=objects, quiet=quiet)
    result = await run(client.delete_multiple_objects, request)
    deleted = [entry.key for entry in result.deleted_objects or []]

    assert (deleted, bucket.objects) == ([] if quiet else ["a", "b"], {})


async def test_drip_of_download(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A download arrives whole, in drops."""
    await put(client, "k")
    oss.faults.add(Fault("GetObject", Effect.DRIP, args={"bytes": 1, "seconds": 0.01}))
    _, content = await fetch(client, "k")

    assert content == bucket.objects["k"].read_bytes()


async def test_drip_ends_with_outage(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Stopping the stand-in ends an answer that would drip for minutes."""
    await put(client, "k")
    oss.faults.add(Fault("DeleteObject", Effect.DRIP))
    delete = asyncio.create_task(refused(client))
    await oss.wait_for(lambda: bool(oss.log.of("DeleteObject")) and not bucket.objects)
    await oss.stop()

    assert isinstance(await delete, sdk.exceptions.RequestError)


async def refused(client: Any) -> Any:
    """Delete `k` and return the failure."""
    return await refusal(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "k"))


async def test_key_that_stays(client: Any, remote: RemoteOss, bucket: Bucket) -> None:
    """A key that cannot be deleted is missing from the result; deleted alone, it is refused."""
    await put(client, "a", "b", "c")
    for operation in ("DeleteMultipleObjects", "DeleteObject"):
        await remote.add_fault(Fault(operation, Effect.UNDELETED, times=0, args={"key": "b"}))
    objects = [sdk.DeleteObject(key=key) for key in "abc"]
    result = await run(
        client.delete_multiple_objects, sdk.DeleteMultipleObjectsRequest(BUCKET, objects=objects)
    )
    error = await refusal(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "b"))
    await run(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "d"))

    assert [entry.key for entry in result.deleted_objects] == ["a", "c"]
    assert (error.status_code, error.code) == (403, "AccessDenied")
    assert [*bucket.objects] == ["b"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ETag", (None, True)),
        ("x-oss-hash-crc64ecma", (True, None)),
        ("HashCrc64ecma", (True,) * 2),
    ],
)
async def test_answer_without(
    client: Any, oss: OssStandIn, bucket: Bucket, name: str, expected: tuple[bool | None, ...]
) -> None:
    """A header, or the elements of a document, can be missing."""
    complete = await start_upload(client)
    for operation in ("PutObject", "ListParts", "CompleteMultipartUpload"):
        oss.faults.add(Fault(operation, Effect.WITHOUT, args={"name": name}))
    written = await run(client.put_object, sdk.PutObjectRequest(BUCKET, "l", body=b"x"))
    listing = await run(client.list_parts, sdk.ListPartsRequest(BUCKET, "k", complete.upload_id))
    completed = await run(client.complete_multipart_upload, complete)
    [part] = listing.parts

    assert (bool(written.etag) or None, bool(written.hash_crc64) or None) == expected
    assert (part.etag is None, part.hash_crc64 is None) == (
        name == "ETag",
        name == "HashCrc64ecma",
    )
    assert (completed.etag is None, sorted(bucket.objects)) == (name == "ETag", ["k", "l"])
