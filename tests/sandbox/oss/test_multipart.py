"""The rules of the multipart family, through the SDK's calls."""

from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
from fastcrc import crc64

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.multipart import MIN_PART
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run
from tests.sandbox.oss.uploads import PIECES, completion, initiate, upload, upload_pieces


async def test_complete(client: Any, bucket: Bucket) -> None:
    """Parts out of order and with gaps become one object; its ETag is no MD5."""
    upload_id, parts = await upload_pieces(client)
    result = await run(client.complete_multipart_upload, completion(upload_id, parts))
    got, content = await fetch(client, "k")

    assert b"".join(PIECES) == content
    assert str(crc64.xz(content)) == result.hash_crc64 == got.hash_crc64
    assert (
        got.content_type,
        got.cache_control,
        got.object_type,
    ) == ("a/b", "no-store", "Multipart")
    assert (result.etag.endswith('-3"'), {}, "k") == (True, bucket.uploads, result.key)


async def test_range_over_parts(client: Any) -> None:
    """A range may begin in one part and end in another."""
    upload_id, parts = await upload_pieces(client)
    await run(client.complete_multipart_upload, completion(upload_id, parts))
    start, end = MIN_PART - 3, len(PIECES[0] + PIECES[1]) + 2
    _, content = await fetch(client, "k", range_header=f"bytes={start}-{end - 1}")

    assert b"".join(PIECES)[start:end] == content


async def test_repeated_complete(client: Any, bucket: Bucket) -> None:
    """After success the id is gone: the same call again is NoSuchUpload, the object stays."""
    upload_id, parts = await upload_pieces(client)
    await run(client.complete_multipart_upload, completion(upload_id, parts))
    error = await refusal(client.complete_multipart_upload, completion(upload_id, parts))

    assert (error.status_code, error.code) == (404, "NoSuchUpload")
    assert [*bucket.objects] == ["k"]


async def test_complete_some_parts(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Parts that are not listed do not become part of the object and leave the disk."""
    upload_id, parts = await upload_pieces(client)
    await run(client.complete_multipart_upload, completion(upload_id, parts[1:]))
    paths = bucket.objects["k"].paths
    await run(oss.world.storage.close)

    assert b"".join(PIECES[1:]) == bucket.objects["k"].read_bytes()
    assert sorted(paths) == sorted(paths[0].parent.iterdir())


async def test_complete_all(client: Any, bucket: Bucket) -> None:
    """`x-oss-complete-all: yes` takes every part that is there, without a list."""
    upload_id, _ = await upload_pieces(client)
    request = sdk.CompleteMultipartUploadRequest(BUCKET, "k", upload_id, complete_all="yes")
    await run(client.complete_multipart_upload, request)

    assert b"".join(PIECES) == bucket.objects["k"].read_bytes()


async def test_replaced_part(client: Any, bucket: Bucket) -> None:
    """A number sent twice replaces the part; its old ETag is refused at Complete."""
    upload_id = await initiate(client)
    old = await upload(client, upload_id, 1, b"old")
    new = await upload(client, upload_id, 1, b"new")
    error = await refusal(client.complete_multipart_upload, completion(upload_id, [(1, old.etag)]))
    await run(client.complete_multipart_upload, completion(upload_id, [(1, new.etag)]))

    assert (error.status_code, error.code) == (400, "InvalidPart")
    assert bucket.objects["k"].read_bytes() == b"new"


async def test_small_part(client: Any, bucket: Bucket) -> None:
    """Every part but the last must have 100 KB; the error names it, and the upload stays."""
    upload_id = await initiate(client)
    parts = [
        (number, (await upload(client, upload_id, number, b"x" * (MIN_PART - 1))).etag)
        for number in (1, 2)
    ]
    error = await refusal(client.complete_multipart_upload, completion(upload_id, parts))

    assert (error.status_code, error.code) == (400, "EntityTooSmall")
    assert ("1", [upload_id]) == (error.error_fileds["PartNumber"], [*bucket.uploads])


@pytest.mark.parametrize("order", [[7, 1], [1, 1]])
async def test_part_order(client: Any, order: list[int]) -> None:
    """Parts are listed in ascending order, each once."""
    upload_id, parts = await upload_pieces(client)
    etags = dict(parts)
    request = completion(upload_id, [(number, etags[number]) for number in order])
    error = await refusal(client.complete_multipart_upload, request)

    assert (error.status_code, error.code) == (400, "InvalidPartOrder")


async def test_missing_part(client: Any) -> None:
    """A part that was never sent is InvalidPart."""
    upload_id, parts = await upload_pieces(client)
    request = completion(upload_id, [*parts, (9001, '"ABC"')])
    error = await refusal(client.complete_multipart_upload, request)

    assert (error.status_code, error.code) == (400, "InvalidPart")


@pytest.mark.parametrize("number", [0, 10_001, -1])
async def test_part_number(client: Any, number: int) -> None:
    """Part numbers run from 1 to 10,000."""
    upload_id = await initiate(client)
    request = sdk.UploadPartRequest(BUCKET, "k", number, upload_id, body=b"x")
    error = await refusal(client.upload_part, request)

    assert (error.status_code, error.code, error.ec) == (400, "InvalidArgument", "0017-00000220")


async def test_no_parts(client: Any) -> None:
    """An upload cannot be completed with nothing."""
    upload_id = await initiate(client)
    error = await refusal(client.complete_multipart_upload, completion(upload_id, []))

    assert (error.status_code, error.code) == (400, "MalformedXML")


async def test_abort(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Aborting removes the parts; afterwards the id is unknown to every call."""
    upload_id, parts = await upload_pieces(client)
    abortion = sdk.AbortMultipartUploadRequest(BUCKET, "k", upload_id)
    await run(client.abort_multipart_upload, abortion)
    errors = [
        await refusal(client.abort_multipart_upload, abortion),
        await refusal(client.complete_multipart_upload, completion(upload_id, parts)),
        await refusal(client.list_parts, sdk.ListPartsRequest(BUCKET, "k", upload_id)),
        await refusal(
            client.upload_part, sdk.UploadPartRequest(BUCKET, "k", 1, upload_id, body=b"")
        ),
    ]
    await run(oss.world.storage.close)

    assert {(404, "NoSuchUpload")} == {(error.status_code, error.code) for error in errors}
    assert (bucket.objects, bucket.uploads) == ({}, {})


async def test_id_belongs_to_key(client: Any) -> None:
    """An upload id does not work for another key."""
    upload_id = await initiate(client)
    error = await refusal(
        client.upload_part, sdk.UploadPartRequest(BUCKET, "other", 1, upload_id, body=b"")
    )

    assert error.code == "NoSuchUpload"


@pytest.mark.parametrize("where", ["initiate", "complete"])
async def test_acl(client: Any, bucket: Bucket, where: str) -> None:
    """The object ACL comes with Initiate (as a header) or with Complete."""
    headers = {"x-oss-object-acl": "public-read"} if where == "initiate" else {}
    upload_id = await initiate(client, headers=headers)
    part = await upload(client, upload_id, 1, b"x")
    acl = "public-read" if where == "complete" else None
    await run(client.complete_multipart_upload, completion(upload_id, [(1, part.etag)], acl=acl))

    assert bucket.objects["k"].acl == "public-read"


@pytest.mark.parametrize("where", ["initiate", "complete"])
async def test_forbid_overwrite(client: Any, bucket: Bucket, where: str) -> None:
    """Forbidding an overwrite is decided at Complete, and the upload stays."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"old"))
    upload_id = await initiate(client, forbid_overwrite=where == "initiate")
    part = await upload(client, upload_id, 1, b"x")
    request = completion(
        upload_id, [(1, part.etag)], forbid_overwrite=True if where == "complete" else None
    )
    error = await refusal(client.complete_multipart_upload, request)

    assert (error.status_code, error.code) == (409, "FileAlreadyExists")
    assert (b"old", [upload_id]) == (bucket.objects["k"].read_bytes(), [*bucket.uploads])
