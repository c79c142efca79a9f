"""Switches of the bucket and of the account, through the SDK."""

from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run


def switch(*, blocked: bool) -> Any:
    """Make the configuration that both requests carry."""
    return sdk.PublicAccessBlockConfiguration(block_public_access=blocked)


async def test_bucket_block(client: Any, bucket: Bucket) -> None:
    """The bucket's public access is blocked, told and opened."""
    put = sdk.PutBucketPublicAccessBlockRequest(
        BUCKET, public_access_block_configuration=switch(blocked=True)
    )
    await run(client.put_bucket_public_access_block, put)
    error = await refusal(client.put_bucket_acl, sdk.PutBucketAclRequest(BUCKET, "public-read"))
    get = sdk.GetBucketPublicAccessBlockRequest(BUCKET)
    got = await run(client.get_bucket_public_access_block, get)
    delete = sdk.DeleteBucketPublicAccessBlockRequest(BUCKET)
    await run(client.delete_bucket_public_access_block, delete)
    await run(client.put_bucket_acl, sdk.PutBucketAclRequest(BUCKET, "public-read"))

    assert got.public_access_block_configuration.block_public_access is True
    assert (error.status_code, error.code) == (403, "AccessDenied")
    assert (bucket.blocks_public_access, bucket.acl) == (False, "public-read")


async def test_account_block(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """The account's switch is over those of its buckets."""
    bucket.acl = "public-read"
    statuses = []
    for blocked in (True, False):
        put = sdk.PutPublicAccessBlockRequest(
            public_access_block_configuration=switch(blocked=blocked)
        )
        await run(client.put_public_access_block, put)
        got = await run(client.get_public_access_block, sdk.GetPublicAccessBlockRequest())
        assert got.public_access_block_configuration.block_public_access is blocked
        async with http.get(f"{oss.endpoint}/{BUCKET}/?list-type=2") as answer:
            statuses.append(answer.status)
    await run(client.delete_public_access_block, sdk.DeletePublicAccessBlockRequest())

    assert (statuses, oss.world.blocks_public_access) == ([403, 200], False)


@pytest.mark.parametrize("status", ["", "Off"])
async def test_bad_versioning(client: Any, bucket: Bucket, status: str) -> None:
    """Versioning is Enabled or Suspended, nothing else."""
    configuration = sdk.VersioningConfiguration(status=status)
    request = sdk.PutBucketVersioningRequest(BUCKET, versioning_configuration=configuration)
    error = await refusal(client.put_bucket_versioning, request)

    assert (error.code, bucket.versioning) == ("MalformedXML", "")
