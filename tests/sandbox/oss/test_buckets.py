"""Buckets, through the SDK."""

from typing import Any

import alibabacloud_oss_v2 as sdk

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run


async def test_create(client: Any, oss: OssStandIn) -> None:
    """A bucket made over the API is private and blocks public access; making it again is fine."""
    configuration = sdk.CreateBucketConfiguration(
        storage_class="Standard", data_redundancy_type="LRS"
    )
    request = sdk.PutBucketRequest(
        "made-here", acl="private", create_bucket_configuration=configuration
    )
    for _ in range(2):
        await run(client.put_bucket, request)
    made = oss.buckets["made-here"]

    assert (made.acl, made.blocks_public_access, made.redundancy) == ("private", True, "LRS")


async def test_name_is_taken(client: Any, oss: OssStandIn) -> None:
    """Names are global."""
    oss.add_bucket("taken", owner="9")
    error = await refusal(client.put_bucket, sdk.PutBucketRequest("taken"))

    assert (error.status_code, error.code) == (409, "BucketAlreadyExists")


async def test_public_create(client: Any) -> None:
    """A public bucket is refused, because new buckets block public access."""
    error = await refusal(client.put_bucket, sdk.PutBucketRequest("made-here", acl="public-read"))

    assert (error.status_code, error.code) == (403, "AccessDenied")


async def test_acl(client: Any, bucket: Bucket) -> None:
    """The bucket's ACL is set and read."""
    await run(client.put_bucket_acl, sdk.PutBucketAclRequest(BUCKET, "public-read"))
    answer = await run(client.get_bucket_acl, sdk.GetBucketAclRequest(BUCKET))

    assert (answer.acl, bucket.acl) == ("public-read", "public-read")


async def test_unknown_acl(client: Any, bucket: Bucket) -> None:
    """An ACL that buckets do not have is refused."""
    error = await refusal(client.put_bucket_acl, sdk.PutBucketAclRequest(BUCKET, "default"))

    assert (error.code, bucket.acl) == ("InvalidArgument", "private")


async def test_info(client: Any, bucket: Bucket) -> None:
    """A bucket tells what and where it is."""
    info = (await run(client.get_bucket_info, sdk.GetBucketInfoRequest(BUCKET))).bucket_info
    location = await run(client.get_bucket_location, sdk.GetBucketLocationRequest(BUCKET))

    assert (BUCKET, "oss-cn-hongkong", "private", bucket.owner, False) == (
        info.name,
        info.location,
        info.acl,
        info.owner.id,
        info.block_public_access,
    )
    assert location.location == "oss-cn-hongkong"


async def test_stat(client: Any, bucket: Bucket) -> None:
    """A bucket counts what is in it."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"123"))
    await run(client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "l"))
    stat = await run(client.get_bucket_stat, sdk.GetBucketStatRequest(BUCKET))

    assert (stat.storage, stat.object_count, stat.multi_part_upload_count) == (3, 1, 1)
    assert len(bucket.uploads) == 1


async def test_delete(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Only an empty bucket can be deleted."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b""))
    error = await refusal(client.delete_bucket, sdk.DeleteBucketRequest(BUCKET))
    bucket.objects.clear()
    await run(client.delete_bucket, sdk.DeleteBucketRequest(BUCKET))

    assert (error.status_code, error.code, oss.buckets) == (409, "BucketNotEmpty", {})


async def test_list(client: Any, oss: OssStandIn) -> None:
    """The account's own buckets are listed, page by page."""
    for name in ("b-2", "b-1", "c-1x"):
        oss.add_bucket(name)
    oss.add_bucket("b-0", owner="9")
    paginator = client.list_buckets_paginator(limit=1)
    found = await run(lambda: list(paginator.iter_page(sdk.ListBucketsRequest(prefix="b-"))))

    assert [entry.name for page in found for entry in page.buckets] == ["b-1", "b-2"]


async def test_missing_bucket(client: Any) -> None:
    """A bucket that does not exist is NoSuchBucket for everything."""
    errors = [
        await refusal(client.put_object, sdk.PutObjectRequest("missing", "k", body=b"")),
        await refusal(client.get_bucket_info, sdk.GetBucketInfoRequest("missing")),
    ]

    assert {(404, "NoSuchBucket", "0015-00000101")} == {
        (error.status_code, error.code, error.ec) for error in errors
    }


async def test_other_region(client: Any, oss: OssStandIn) -> None:
    """A bucket of another region names its endpoint."""
    oss.add_bucket("far-away", region="cn-beijing")
    error = await refusal(client.put_object, sdk.PutObjectRequest("far-away", "k", body=b""))

    assert (error.status_code, error.code, error.ec) == (403, "AccessDenied", "0003-00001403")
    assert error.error_fileds["Endpoint"] == "oss-cn-beijing.aliyuncs.com"
    assert "must be addressed using the specified endpoint" in error.message
