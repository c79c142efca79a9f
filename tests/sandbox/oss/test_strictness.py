"""Refusals and answers of OSS that a lenient server would hide, through real HTTP."""

import base64
import hashlib
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run, sdk_client

PUT = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
GET = sdk.GetObjectRequest(BUCKET, "k")
DIGEST = base64.b64encode(hashlib.md5(b"x", usedforsecurity=False).digest()).decode()


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str | None, str | None]:
    """Return status, code and EC of a refusal."""
    tree = ET.fromstring(await answer.text())  # noqa: S314 - the stand-in's own answer.
    return answer.status, tree.findtext("Code"), tree.findtext("EC")


@pytest.mark.parametrize("key_id", ["LTAI-unknown", None])
async def test_bucket_before_key(oss: OssStandIn, key_id: str | None) -> None:
    """A missing bucket is told before an unknown key or a wrong secret."""
    changes = {"key_id": key_id} if key_id else {"secret": "wrong"}
    with sdk_client(oss, **changes) as client:
        request = sdk.PutObjectRequest("no-such-bucket", "k", body=b"x")
        error = await refusal(client.put_object, request)
        listing = await refusal(client.list_objects_v2, sdk.ListObjectsV2Request("no-such-bucket"))

    assert (error.status_code, error.code) == (404, "NoSuchBucket")
    assert (listing.status_code, listing.code) == (404, "NoSuchBucket")


async def test_key_before_bucket(oss: OssStandIn) -> None:
    """PutBucketACL, and what names no bucket or makes one, judge the key first."""
    with sdk_client(oss, key_id="LTAI-unknown") as client:
        refused = [
            await refusal(
                client.put_bucket_acl, sdk.PutBucketAclRequest("no-such-bucket", acl="private")
            ),
            await refusal(client.list_buckets, sdk.ListBucketsRequest()),
            await refusal(client.put_bucket, sdk.PutBucketRequest("no-such-bucket")),
        ]

    assert {(error.status_code, error.code) for error in refused} == {(403, "InvalidAccessKeyId")}


@pytest.mark.parametrize(
    "query", ["legalHold", "retention", "overwriteConfig", "retention=", "madeNextYear", "seal"]
)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_unknown_sub_resource(
    client: Any,
    oss: OssStandIn,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    query: str,
    method: str,
) -> None:
    """A sub-resource that the stand-in lacks is refused, never taken for the object itself."""
    await run(client.put_object, PUT)
    bucket.acl = "public-read-write"
    async with http.request(method, f"{oss.endpoint}/{BUCKET}/k?{query}", data=b"other") as answer:
        refused = await error_of(answer)
    async with http.request(method, f"{oss.endpoint}/{BUCKET}/?{query}") as answer:
        of_bucket = answer.status

    assert (refused[:2], of_bucket) == ((501, "NotImplemented"), 501)
    assert bucket.objects["k"].read_bytes() == b"x"


async def test_foreign_parameter(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A parameter with a value that means nothing to OSS does not matter."""
    await run(client.put_object, PUT)
    bucket.acl = "public-read"
    async with http.get(f"{oss.endpoint}/{BUCKET}/k?utm_source=chat") as answer:
        assert await answer.read() == b"x"


async def test_digest_in_answer(client: Any, bucket: Bucket) -> None:
    """PutObject and UploadPart repeat the digest of the body."""
    put = await run(client.put_object, PUT)
    begun = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "l")
    )
    request = sdk.UploadPartRequest(BUCKET, "l", 1, begun.upload_id, body=b"x")
    part = await run(client.upload_part, request)

    assert [put.headers["Content-MD5"], part.headers["Content-MD5"]] == [DIGEST] * 2
    assert [*bucket.objects] == ["k"]


@pytest.mark.parametrize("reference", ["&#01;", "&#1;", "&#x1;", "&#x01;"])
async def test_control_character_deleted(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, reference: str
) -> None:
    """A key with a control character is deleted by reference, which XML itself forbids."""
    bucket.acl = "public-read-write"
    async with http.put(f"{oss.endpoint}/{BUCKET}/a%01b", data=b"x"):
        stored = [*bucket.objects]
    body = f"<Delete><Object><Key>a{reference}b</Key></Object></Delete>".encode()
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    url, headers = f"{oss.endpoint}/{BUCKET}/?delete", {"Content-MD5": digest}
    async with http.post(url, data=body, headers=headers) as answer:
        document = await answer.text()

    assert (stored, answer.status, bucket.objects) == (["a\x01b"], 200, {})
    assert "<Key>a&#01;b</Key>" in document


async def test_location_is_escaped(client: Any, bucket: Bucket) -> None:
    """The Location of CompleteMultipartUpload is a URL for every key."""
    key = "a\x01 ü/b"
    begun = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, key)
    )
    part = await run(
        client.upload_part, sdk.UploadPartRequest(BUCKET, key, 1, begun.upload_id, body=b"x")
    )
    parts = sdk.CompleteMultipartUpload([sdk.UploadPart(part_number=1, etag=part.etag)])
    request = sdk.CompleteMultipartUploadRequest(
        BUCKET, key, begun.upload_id, complete_multipart_upload=parts
    )
    result = await run(client.complete_multipart_upload, request)

    assert result.location.endswith("/a%01%20%C3%BC/b")
    assert (result.key, [*bucket.objects]) == (key, [key])


async def test_policy_status_is_signed_by_v1(oss: OssStandIn, bucket: Bucket) -> None:
    """`policyStatus` is part of what V1 signs, as the SDK does."""
    with sdk_client(oss, signature_version="v1") as client:
        request = sdk.GetBucketPolicyStatusRequest(bucket.name)
        status = await run(client.get_bucket_policy_status, request)

    assert status.policy_status.is_public is False


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a.pdf", "application/pdf"),
        ("dir.png/a", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("a.JPG", "image/jpeg"),
    ],
)
async def test_guessed_type(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, key: str, expected: str
) -> None:
    """Where no type is sent the suffix decides."""
    bucket.acl = "public-read-write"
    url, skip = f"{oss.endpoint}/{BUCKET}/{key}", ["Content-Type"]
    async with http.put(url, data=b"x", skip_auto_headers=skip):
        pass
    async with http.get(url) as answer:
        assert answer.headers["Content-Type"] == expected


async def test_replace_without_type(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """CopyObject with REPLACE and no type takes the default, not the type of the source."""
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x", content_type="text/x-own")
    await run(client.put_object, request)
    bucket.acl = "public-read-write"
    headers = {
        "x-oss-copy-source": f"/{BUCKET}/k",
        "x-oss-metadata-directive": "REPLACE",
    }
    url, skip = f"{oss.endpoint}/{BUCKET}/copy.pdf", ["Content-Type"]
    async with http.put(url, headers=headers, skip_auto_headers=skip) as answer:
        assert answer.status == 200

    assert bucket.objects["copy.pdf"].headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(("version", "ec"), [("v1", "0002-00000069"), ("v4", "0002-00000236")])
async def test_ec_of_expired_link(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, version: str, ec: str
) -> None:
    """An expired link is told apart by the version of its signature."""
    with sdk_client(oss, signature_version=version) as client:
        await run(client.put_object, PUT)
        link = client.presign(GET, expires=timedelta(minutes=1))
    oss.clock_skew = timedelta(minutes=1, seconds=1)
    async with http.get(link.url) as answer:
        refused = await error_of(answer)

    assert (refused, [*bucket.objects]) == ((403, "AccessDenied", ec), ["k"])


@pytest.mark.parametrize("version", ["v1", "v4"])
@pytest.mark.parametrize("header", ["OSS a:b", "OSS4-HMAC-SHA256 Credential=a", "Basic YTpi"])
async def test_two_signatures(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, version: str, header: str
) -> None:
    """A link with an Authorization header besides is refused, as a netrc file makes it."""
    with sdk_client(oss, signature_version=version) as client:
        await run(client.put_object, PUT)
        link = client.presign(GET)
    async with http.get(link.url, headers={"Authorization": header}) as answer:
        refused = await error_of(answer)

    assert (refused[0], refused[2], [*bucket.objects]) == (400, "0002-00000039", ["k"])


async def test_type_is_not_replaced(
    client: Any, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A request may replace the disposition of its answer, but never the type."""
    await run(client.put_object, PUT)
    request = sdk.GetObjectRequest(BUCKET, "k", response_content_type="text/html")
    async with http.get(client.presign(request).url) as answer:
        refused = await error_of(answer)
    error = await refusal(client.get_object, request)
    result, _ = await fetch(client, "k", response_content_disposition="inline")

    assert refused == (400, "InvalidRequest", "0017-00000902")
    assert (error.ec, result.headers["Content-Disposition"]) == ("0017-00000902", "inline")
    assert [*bucket.objects] == ["k"]


async def test_key_without_its_token(oss: OssStandIn, bucket: Bucket) -> None:
    """A temporary key that is sent without its token is unknown."""
    oss.add_key("STS.a", "s", token="tok")
    with sdk_client(oss, key_id="STS.a", secret="s") as client:
        error = await refusal(client.put_object, PUT)

    assert (error.status_code, error.code) == (403, "InvalidAccessKeyId")
    assert (error.ec, bucket.objects) == ("0002-00000003", {})
