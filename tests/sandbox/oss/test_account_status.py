"""Refusals by the state of account, bucket and domain."""

from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run

PUT = sdk.PutObjectRequest(BUCKET, "k", body=b"x")


@pytest.mark.parametrize(
    ("code", "ec"),
    [
        ("UserDisable", "0003-00000801"),
        ("InDebt", "0003-00000806"),
        ("InDebtOverdue", "0003-00000806"),
        ("AbnormalBucketOwnerStatus", "0003-00000806"),
    ],
)
async def test_account(client: Any, oss: OssStandIn, bucket: Bucket, code: str, ec: str) -> None:
    """An account that owes can look at its buckets, not at its data."""
    oss.world.account_refusal = code
    errors = [
        await refusal(client.put_object, PUT),
        await refusal(client.list_objects_v2, sdk.ListObjectsV2Request(BUCKET)),
    ]
    await run(client.get_bucket_info, sdk.GetBucketInfoRequest(BUCKET))
    await run(client.list_buckets, sdk.ListBucketsRequest())

    assert {(error.status_code, error.code, error.ec) for error in errors} == {(403, code, ec)}
    assert bucket.objects == {}


async def test_bucket(client: Any, bucket: Bucket) -> None:
    """A bucket that was frozen for its content refuses data."""
    bucket.is_disabled = True
    error = await refusal(client.put_object, PUT)

    assert (error.status_code, error.code, bucket.objects) == (403, "BucketDisable", {})


async def test_endpoint(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A mainland bucket has to be addressed by its own domain."""
    oss.world.forbids_public_endpoint = True
    error = await refusal(client.put_object, PUT)

    assert (
        error.status_code,
        error.code,
        error.ec,
    ) == (400, "PublicEndpointForbidden", "0048-00000401")
    assert bucket.objects == {}
