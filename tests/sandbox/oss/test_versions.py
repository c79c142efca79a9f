"""Versioning: what is kept when objects are replaced and deleted."""

from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run


async def put(client: Any, body: bytes, key: str = "k") -> str | None:
    """Put an object and return its version id."""
    version: str | None = (
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=body))
    ).version_id
    return version


async def delete(client: Any, version_id: str | None = None) -> Any:
    """Delete the object or one version of it."""
    return await run(
        client.delete_object, sdk.DeleteObjectRequest(BUCKET, "k", version_id=version_id)
    )


async def switch(client: Any, status: str) -> None:
    """Set the bucket's versioning."""
    configuration = sdk.VersioningConfiguration(status=status)
    await run(
        client.put_bucket_versioning,
        sdk.PutBucketVersioningRequest(BUCKET, versioning_configuration=configuration),
    )


async def test_off(client: Any, bucket: Bucket) -> None:
    """Without versioning there are no ids, and nothing says so either."""
    status = await run(client.get_bucket_versioning, sdk.GetBucketVersioningRequest(BUCKET))

    assert (await put(client, b"1"), status.version_status) == (None, None)
    assert (await delete(client)).version_id is None
    assert (bucket.objects, bucket.older) == ({}, {})


async def test_enabled(client: Any, bucket: Bucket) -> None:
    """Every version can be read by its id; the newest is the object."""
    await switch(client, "Enabled")
    ids = [await put(client, body) for body in (b"1", b"2", b"3")]
    contents = [(await fetch(client, "k", version_id=version))[1] for version in ids]
    got, newest = await fetch(client, "k")

    assert (contents, newest, got.version_id) == ([b"1", b"2", b"3"], b"3", ids[-1])
    assert len(set(ids)) == 3
    assert len(bucket.older["k"]) == 2


async def test_delete_leaves_bytes(client: Any, bucket: Bucket) -> None:
    """A plain deletion only sets a marker: the bytes are still there for who names the version."""
    await switch(client, "Enabled")
    version = await put(client, b"1")
    marker = await delete(client)
    missing = await refusal(client.get_object, sdk.GetObjectRequest(BUCKET, "k"))
    _, content = await fetch(client, "k", version_id=version)

    assert (marker.delete_marker, missing.code, content) == (True, "NoSuchKey", b"1")
    assert missing.headers["x-oss-delete-marker"] == "true"
    assert bucket.objects == {}


async def test_remove_marker(client: Any, bucket: Bucket) -> None:
    """Deleting the marker brings the object back."""
    await switch(client, "Enabled")
    await put(client, b"1")
    marker = await delete(client)
    gone = await delete(client, marker.version_id)
    _, content = await fetch(client, "k")

    assert (content, gone.delete_marker, bucket.older) == (b"1", True, {})


async def test_delete_version(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Deleting every version leaves nothing, not even on disk."""
    await switch(client, "Enabled")
    ids = [await put(client, body) for body in (b"1", b"2")]
    paths = [path for stored in bucket.older["k"] for path in stored.paths]
    await delete(client, ids[1])
    assert (await fetch(client, "k"))[1] == b"1"
    await delete(client, ids[0])
    await delete(client, "never-was")
    await run(oss.world.storage.close)

    assert (bucket.objects, bucket.older, [p for p in paths if p.exists()]) == ({}, {}, [])


async def test_suspended(client: Any, bucket: Bucket) -> None:
    """While suspended, new objects are the one `null` version; older versions stay."""
    old = await put(client, b"0")
    await switch(client, "Enabled")
    kept = await put(client, b"1")
    await switch(client, "Suspended")
    ids = [await put(client, body) for body in (b"2", b"3")]
    _, content = await fetch(client, "k", version_id="null")

    assert (old, ids, content) == (None, ["null", "null"], b"3")
    assert [stored.version_id for stored in bucket.older["k"]] == [kept]


async def test_delete_multiple(client: Any, bucket: Bucket) -> None:
    """Many at a time: markers are told, and versions can be named."""
    await switch(client, "Enabled")
    version = await put(client, b"1")
    plain = await run(
        client.delete_multiple_objects,
        sdk.DeleteMultipleObjectsRequest(BUCKET, objects=[sdk.DeleteObject(key="k")]),
    )
    [deleted] = plain.deleted_objects
    both = [
        sdk.DeleteObject(key="k", version_id=version),
        sdk.DeleteObject(key="k", version_id=deleted.delete_marker_version_id),
    ]
    await run(
        client.delete_multiple_objects, sdk.DeleteMultipleObjectsRequest(BUCKET, objects=both)
    )

    assert (deleted.delete_marker, bucket.objects, bucket.older) == (True, {}, {})


async def test_unknown_version(client: Any, bucket: Bucket) -> None:
    """A version that never was is NoSuchVersion; a marker cannot be read."""
    await switch(client, "Enabled")
    await put(client, b"1")
    marker = await delete(client)
    errors = [
        await refusal(client.get_object, sdk.GetObjectRequest(BUCKET, "k", version_id=version))
        for version in ("never-was", marker.version_id)
    ]

    assert [(error.status_code, error.code) for error in errors] == [
        (404, "NoSuchVersion"),
        (405, "MethodNotAllowed"),
    ]
    assert bucket.objects == {}


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_list(client: Any, bucket: Bucket, limit: int) -> None:
    """All versions are listed by key, newest first, markers apart."""
    await put(client, b"0", "a")
    await switch(client, "Enabled")
    ids = [await put(client, body) for body in (b"1", b"22")]
    await delete(client)
    paginator: list[Any] = []
    request = sdk.ListObjectVersionsRequest(BUCKET, max_keys=limit, encoding_type="url")
    while True:
        page = await run(client.list_object_versions, request)
        paginator.append(page)
        request.key_marker = page.next_key_marker
        request.version_id_marker = page.next_version_id_marker
        if not page.is_truncated:
            break
    versions = [entry for page in paginator for entry in page.version or []]
    markers = [entry for page in paginator for entry in page.delete_marker or []]

    assert [(entry.key, entry.version_id, entry.size, entry.is_latest) for entry in versions] == [
        ("a", "null", 1, True),
        ("k", ids[1], 2, False),
        ("k", ids[0], 1, False),
    ]
    assert [(entry.key, entry.is_latest) for entry in markers] == [("k", True)]
    assert len(bucket.older["k"]) == 3


async def test_multipart_and_copy(client: Any, bucket: Bucket) -> None:
    """Complete and copy tell version ids too, and a copy may name the version of its source."""
    await switch(client, "Enabled")
    first = await put(client, b"1")
    await put(client, b"2")
    copied = await run(
        client.copy_object,
        sdk.CopyObjectRequest(BUCKET, "c", source_key="k", source_version_id=first),
    )
    initiated = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "k")
    )
    await run(
        client.upload_part, sdk.UploadPartRequest(BUCKET, "k", 1, initiated.upload_id, body=b"3")
    )
    request = sdk.CompleteMultipartUploadRequest(
        BUCKET, "k", initiated.upload_id, complete_all="yes"
    )
    completed = await run(client.complete_multipart_upload, request)

    assert bucket.objects["c"].read_bytes() == b"1"
    assert (copied.version_id, copied.source_version_id) == (
        bucket.objects["c"].version_id,
        first,
    )
    assert completed.version_id == bucket.objects["k"].version_id
