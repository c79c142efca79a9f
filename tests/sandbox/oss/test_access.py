"""Who may do what without a signature, and across accounts."""

from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import BUCKET_ACLS, OBJECT_ACLS, Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client

PUBLIC = {"public-read", "public-read-write"}


@pytest.mark.parametrize("bucket_acl", BUCKET_ACLS)
@pytest.mark.parametrize("object_acl", OBJECT_ACLS)
async def test_matrix(
    client: Any,
    oss: OssStandIn,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    object_acl: str,
    bucket_acl: str,
) -> None:
    """Anonymous GET, HEAD and PUT follow the object's ACL, and the bucket's where that is default;
    a presigned link works with all of them.
    """
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x", acl=object_acl)
    await run(client.put_object, request)
    bucket.acl = bucket_acl
    effective = bucket_acl if object_acl == "default" else object_acl
    url = f"{oss.endpoint}/{BUCKET}/k"
    link = client.presign(sdk.GetObjectRequest(BUCKET, "k")).url
    statuses = []
    for method, target in [("GET", url), ("HEAD", url), ("GET", link), ("PUT", url)]:
        async with http.request(method, target, data=b"y" if method == "PUT" else None) as answer:
            statuses.append(answer.status)

    read = 200 if effective in PUBLIC else 403
    assert statuses == [read, read, 200, 200 if effective == "public-read-write" else 403]


@pytest.mark.parametrize("bucket_acl", BUCKET_ACLS)
async def test_anonymous_bucket(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, bucket_acl: str
) -> None:
    """A public bucket can be listed without a signature and says 404 for missing keys; a private
    one does neither.
    """
    bucket.acl = bucket_acl
    statuses = []
    for path in ("?list-type=2", "missing", "?acl", "?uploads"):
        async with http.get(f"{oss.endpoint}/{BUCKET}/{path}") as answer:
            statuses.append(answer.status)

    public = bucket_acl in PUBLIC
    assert statuses == [200 if public else 403, 404 if public else 403, 403, 403]


async def test_anonymous_service(oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """The buckets of an account are not listed without a signature."""
    async with http.get(f"{oss.endpoint}/") as answer:
        text = await answer.text()

    assert (answer.status, "0003-00001201" in text) == (403, True)


async def test_blocked_public_access(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """While public access is blocked, public ACLs are refused and existing ones mean nothing."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x", acl="public-read"))
    bucket.blocks_public_access = True
    async with http.get(f"{oss.endpoint}/{BUCKET}/k") as answer:
        assert answer.status == 403
    errors = [
        await refusal(client.put_object, sdk.PutObjectRequest(BUCKET, "l", acl="public-read")),
        await refusal(client.put_object_acl, sdk.PutObjectAclRequest(BUCKET, "k", "public-read")),
        await refusal(client.put_bucket_acl, sdk.PutBucketAclRequest(BUCKET, "public-read")),
    ]

    assert {error.code for error in errors} == {"AccessDenied"}


async def test_other_account(oss: OssStandIn, bucket: Bucket) -> None:
    """A key of another account reads what is public, and owns nothing here."""
    oss.add_key("LTAI-b", "s", owner="9")
    bucket.acl = "public-read"
    with sdk_client(oss, key_id="LTAI-b", secret="s") as client:
        await run(client.list_objects_v2, sdk.ListObjectsV2Request(BUCKET))
        put = await refusal(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b""))
        acl = await refusal(client.get_bucket_acl, sdk.GetBucketAclRequest(BUCKET))

    assert (put.code, acl.code) == ("AccessDenied", "AccessDenied")
    assert "does not belong to you" in acl.message
