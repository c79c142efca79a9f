"""Multipart uploads by the single calls of the SDK, for tests."""

from typing import Any

import alibabacloud_oss_v2 as sdk
from fastcrc import crc64

from bot.sandbox.oss.multipart import MIN_PART
from tests.sandbox.oss.sdk import BUCKET, run

PIECES = [b"1" * MIN_PART, b"2" * (MIN_PART + 7), b"3" * 10]


async def initiate(client: Any, key: str = "k", **wishes: Any) -> str:
    """Initiate an upload and return its id."""
    request = sdk.InitiateMultipartUploadRequest(BUCKET, key, **wishes)
    return str((await run(client.initiate_multipart_upload, request)).upload_id)


async def upload(client: Any, upload_id: str, number: int, body: bytes, key: str = "k") -> Any:
    """Upload one part."""
    request = sdk.UploadPartRequest(BUCKET, key, number, upload_id, body=body)
    return await run(client.upload_part, request)


def completion(upload_id: str, parts: list[tuple[int, str]], **wishes: Any) -> Any:
    """Make the request that completes an upload."""
    listed = [sdk.UploadPart(part_number=number, etag=etag) for number, etag in parts]
    return sdk.CompleteMultipartUploadRequest(
        BUCKET,
        "k",
        upload_id,
        complete_multipart_upload=sdk.CompleteMultipartUpload(parts=listed),
        **wishes,
    )


async def upload_pieces(client: Any) -> tuple[str, list[tuple[int, str]]]:
    """Upload all pieces, out of order and with gaps; return the id and the parts in order."""
    upload_id = await initiate(client, content_type="a/b", cache_control="no-store")
    parts = []
    for number, piece in [(7, PIECES[1]), (1, PIECES[0]), (9000, PIECES[2])]:
        result = await upload(client, upload_id, number, piece)
        assert result.hash_crc64 == str(crc64.xz(piece))
        parts.append((number, str(result.etag)))
    return upload_id, sorted(parts)
