"""Copies inside the service, through the SDK's calls and its Copier."""

from datetime import timedelta
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
from fastcrc import crc64

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.copying import MAX_COPY
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.multipart import MIN_PART
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client

SOURCE = "dir/a b+ü%.bin"
CONTENT = b"1234567890" * 30_000


@pytest.fixture
async def stored(client: Any, bucket: Bucket) -> Bucket:
    """Put the source."""
    request = sdk.PutObjectRequest(BUCKET, SOURCE, body=CONTENT, content_type="a/b")
    await run(client.put_object, request)
    return bucket


def copy(key: str, **wishes: Any) -> Any:
    """Make the request that copies the source."""
    return sdk.CopyObjectRequest(BUCKET, key, source_bucket=BUCKET, source_key=SOURCE, **wishes)


async def test_copy(client: Any, oss: OssStandIn, stored: Bucket) -> None:
    """A copy has the bytes and headers of its source, and lives on without it."""
    result = await run(client.copy_object, copy("copy"))
    await run(client.delete_object, sdk.DeleteObjectRequest(BUCKET, SOURCE))
    await run(oss.world.storage.close)
    copied = stored.objects["copy"]

    assert (copied.read_bytes(), copied.headers["Content-Type"]) == (CONTENT, "a/b")
    assert (f'"{copied.etag}"', str(crc64.xz(CONTENT))) == (result.etag, result.hash_crc64)


async def test_replace_headers(client: Any, stored: Bucket) -> None:
    """Copied onto itself with REPLACE, an object changes its headers only."""
    request = copy(SOURCE, metadata_directive="REPLACE", content_type="c/d", acl="public-read")
    await run(client.copy_object, request)
    copied = stored.objects[SOURCE]

    assert (
        copied.read_bytes(),
        copied.headers["Content-Type"],
        copied.acl,
    ) == (CONTENT, "c/d", "public-read")


async def test_limit(client: Any, stored: Bucket) -> None:
    """More than 1 GB has to go in parts."""
    stored.objects[SOURCE].size = MAX_COPY + 1
    error = await refusal(client.copy_object, copy("copy"))

    assert (error.status_code, error.code) == (400, "EntityTooLarge")


async def test_conditions(client: Any, stored: Bucket) -> None:
    """The source's conditions are checked."""
    source = stored.objects[SOURCE]
    later = (source.last_modified + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for condition in (
        {"if_match": '"OTHER"'},
        {"if_none_match": f'"{source.etag}"'},
        {"if_modified_since": later},
    ):
        error = await refusal(client.copy_object, copy("copy", **condition))
        assert (error.status_code, error.code) == (412, "PreconditionFailed")
    await run(client.copy_object, copy("copy", if_match=f'"{source.etag}"'))

    assert sorted(stored.objects) == ["copy", SOURCE]


async def test_refusals(client: Any, oss: OssStandIn, stored: Bucket) -> None:
    """A source that is missing, far away or forbidden is refused."""
    oss.add_bucket("far-away", region="cn-beijing")
    oss.add_bucket("of-others", owner="9")
    errors = [
        await refusal(
            client.copy_object,
            sdk.CopyObjectRequest(BUCKET, "c", source_bucket=source, source_key="k"),
        )
        for source in (BUCKET, "far-away", "of-others", "not-there")
    ]

    assert [error.code for error in errors] == [
        "NoSuchKey",
        "AccessDenied",
        "AccessDenied",
        "NoSuchBucket",
    ]
    assert [*stored.objects] == [SOURCE]


async def test_needs_to_read(oss: OssStandIn, stored: Bucket) -> None:
    """A key that may only write cannot copy."""
    oss.add_key("LTAI-w", "s", allow=["oss:PutObject"])
    with sdk_client(oss, key_id="LTAI-w", secret="s") as client:
        error = await refusal(client.copy_object, copy("copy"))

    assert error.error_fileds["AuthAction"] == "oss:GetObject"
    assert [*stored.objects] == [SOURCE]


async def test_copier(client: Any, stored: Bucket) -> None:
    """The SDK's own Copier, in parts."""
    copier = client.copier(
        part_size=MIN_PART, multipart_copy_threshold=MIN_PART, disable_shallow_copy=True
    )
    await run(copier.copy, copy("copy"))

    assert stored.objects["copy"].read_bytes() == CONTENT
    assert stored.objects["copy"].kind == "Multipart"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, CONTENT),
        ("bytes=5-14", CONTENT[5:15]),
        ("bytes=299990-", CONTENT[-10:]),
        ("bytes=299990-400000", CONTENT[-10:]),
        ("bytes=300000-300001", None),
        ("bytes=9-5", None),
        ("bytes=-5", None),
    ],
)
async def test_part_range(
    client: Any, stored: Bucket, asked: str | None, expected: bytes | None
) -> None:
    """A part is copied from a range of the source."""
    initiated = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "k")
    )
    request = sdk.UploadPartCopyRequest(
        BUCKET,
        "k",
        1,
        initiated.upload_id,
        source_bucket=BUCKET,
        source_key=SOURCE,
        source_range=asked,
    )
    [pending] = stored.uploads.values()
    if expected is None:
        assert (await refusal(client.upload_part_copy, request)).code == "InvalidArgument"
        assert pending.parts == {}
        return
    result = await run(client.upload_part_copy, request)

    assert pending.parts[1].segment.path.read_bytes() == expected
    assert result.etag == f'"{pending.parts[1].etag}"'
