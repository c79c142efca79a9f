"""Whole multipart uploads: by the SDK's own tools, by links, and with ends in the middle."""

import asyncio
import io
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
import requests
from fastcrc import crc64

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.multipart import MIN_PART
from tests.sandbox.oss.sdk import BUCKET, run
from tests.sandbox.oss.uploads import completion, initiate, upload


def numbers(size: int) -> bytes:
    """Return content in which no two blocks are equal."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4))


async def test_uploader(client: Any, bucket: Bucket) -> None:
    """The SDK's own Uploader, eight connections, CRC check on."""
    content = numbers(3 * 1024 * 1024) + b"end"
    uploader = client.uploader(part_size=MIN_PART, parallel_num=8)
    request = sdk.PutObjectRequest(BUCKET, "dir/ü.bin")
    result = await run(uploader.upload_from, request, io.BytesIO(content))

    assert content == bucket.objects["dir/ü.bin"].read_bytes()
    assert str(crc64.xz(content)) == result.headers["x-oss-hash-crc64ecma"]


async def test_downloader(client: Any, bucket: Bucket, tmp_path: Any) -> None:
    """The SDK's own Downloader, four ranges at once, CRC check on."""
    content = numbers(1024 * 1024) + b"end"
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=content))
    downloader = client.downloader(part_size=MIN_PART, parallel_num=4)
    target = tmp_path / "got"
    await run(downloader.download_file, sdk.GetObjectRequest(BUCKET, "k"), str(target))

    assert content == target.read_bytes()
    assert len(bucket.objects) == 1


async def test_presigned_multipart(client: Any, bucket: Bucket) -> None:
    """Initiate, UploadPart, Complete and Abort work as presigned URLs too."""

    session = requests.Session()
    session.trust_env = False

    def send(request: Any, body: bytes = b"") -> Any:
        link = client.presign(request)
        headers = dict(link.signed_headers or {})
        return session.request(link.method, link.url, data=body, headers=headers, timeout=10)

    with session:
        answer = await run(send, sdk.InitiateMultipartUploadRequest(BUCKET, "k"))
        upload_id = answer.text.split("<UploadId>")[1].split("<")[0]
        part = await run(send, sdk.UploadPartRequest(BUCKET, "k", 1, upload_id), b"x")
        body = (
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{part.headers['ETag']}</ETag></Part></CompleteMultipartUpload>"
        )
        done = sdk.CompleteMultipartUploadRequest(BUCKET, "k", upload_id)
        answer = await run(send, done, body.encode())
        gone = await run(send, sdk.AbortMultipartUploadRequest(BUCKET, "k", upload_id))

    assert (answer.status_code, gone.status_code) == (200, 404)
    assert bucket.objects["k"].read_bytes() == b"x"


async def test_abandoned_complete(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A Complete whose client stops waiting is carried out all the same."""
    upload_id = await initiate(client)
    part = await upload(client, upload_id, 1, b"x")
    oss.faults.add(Fault("CompleteMultipartUpload", Effect.LATE, args={"seconds": 30}))

    def complete_impatiently() -> None:
        request = completion(upload_id, [(1, part.etag)])
        with pytest.raises(sdk.exceptions.OperationError):
            client.complete_multipart_upload(request, readwrite_timeout=0.2)

    await run(complete_impatiently)

    assert ([*bucket.objects], bucket.uploads) == (["k"], {})


async def test_abort_while_part_arrives(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A part that is under way when its upload is aborted is refused and leaves no file."""
    upload_id = await initiate(client)
    oss.shape.up_per_connection = 1024 * 1024
    part = asyncio.create_task(
        asyncio.to_thread(
            client.upload_part,
            sdk.UploadPartRequest(BUCKET, "k", 1, upload_id, body=bytes(300_000)),
        )
    )
    await oss.wait_for(lambda: bool(oss.log.of("UploadPart")))
    request = sdk.AbortMultipartUploadRequest(BUCKET, "k", upload_id)
    await run(client.abort_multipart_upload, request)
    with pytest.raises(sdk.exceptions.OperationError, match="NoSuchUpload"):
        await part

    assert (bucket.objects, bucket.uploads) == ({}, {})
