"""V1 signatures, against the SDK's own as oracle."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer.v1 import SignerV1
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import AuthMethod, Bucket
from bot.sandbox.oss.signature_v1 import read_query
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run, sdk_client
from tests.sandbox.oss.signing import NOW, TEXT, arrive, authenticate

PARAMETERS = st.dictionaries(
    st.sampled_from(["acl", "uploadId", "partNumber", "response-content-type", "prefix", "x"]),
    st.one_of(TEXT, st.just("")),
)


def sign(
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    *,
    expires: timedelta | None = None,
) -> tuple[str, dict[str, str]]:
    """Let the SDK sign a path-style request; return its target and headers."""
    url = f"http://127.0.0.1/{BUCKET}/{quote(key)}"
    if query:
        url += "?" + urlencode(query, quote_via=quote)
    request = HttpRequest(method=method, url=url)
    request.headers.update(headers)
    context = SigningContext(
        product="oss",
        region="cn-hongkong",
        bucket=BUCKET,
        key=key,
        request=request,
        credentials=StaticCredentialsProvider("AK", "secret").get_credentials(),
        signing_time=NOW,
    )
    context.sub_resource = ""
    if expires is not None:
        context.auth_method_query = True
        context.expiration_time = NOW + expires
    SignerV1().sign(context)
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}", dict(request.headers)


@given(key=TEXT, query=PARAMETERS)
def test_header_any_key(key: str, query: dict[str, str]) -> None:
    """A header signature of the SDK is accepted for any key and query."""
    target, headers = sign("PUT", key, query, {"Content-Type": "a/b", "x-oss-meta-a": "1"})

    assert authenticate(arrive("PUT", target, headers)) is AuthMethod.HEADER


@given(key=TEXT, query=PARAMETERS)
def test_query_any_key(key: str, query: dict[str, str]) -> None:
    """The same for presigned links."""
    target, _ = sign("GET", key, query, {}, expires=timedelta(hours=1))

    assert authenticate(arrive("GET", target, {})) is AuthMethod.QUERY


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("/k?", "/other?", "SignatureDoesNotMatch"),
        ("Expires=", "Expires=9", "SignatureDoesNotMatch"),
        ("OSSAccessKeyId=AK", "OSSAccessKeyId=XX", "InvalidAccessKeyId"),
        ("Expires=", "Expires=x", "AccessDenied"),
        ("response-content-type=a", "response-content-type=b", "SignatureDoesNotMatch"),
    ],
)
def test_tampered_link(old: str, new: str, expected: str) -> None:
    """What a link protects cannot be changed."""
    target, _ = sign("GET", "k", {"response-content-type": "a"}, {}, expires=timedelta(hours=1))
    assert old in target

    with pytest.raises(OssError, match=expected):
        authenticate(arrive("GET", target.replace(old, new), {}))


def test_link_expires() -> None:
    """A link ends at the second that it names."""
    target, _ = sign("GET", "k", {}, {}, expires=timedelta(hours=1))
    request = arrive("GET", target, {})
    assert authenticate(request, NOW + timedelta(seconds=3599)) is AuthMethod.QUERY
    assert read_query(request).moment == NOW + timedelta(hours=1)

    with pytest.raises(OssError, match=r"Request has expired\."):
        authenticate(request, NOW + timedelta(hours=1))


def test_header_skew() -> None:
    """The date of a header may be 15 minutes off."""
    target, headers = sign("GET", "k", {}, {})
    request = arrive("GET", target, headers)
    assert authenticate(request, NOW + timedelta(minutes=15)) is AuthMethod.HEADER

    with pytest.raises(OssError, match="RequestTimeTooSkewed"):
        authenticate(request, NOW - timedelta(minutes=15, seconds=1))


@pytest.mark.parametrize(
    "changed",
    [{"Authorization": "OSS AK"}, {"Date": "yesterday"}, {"Authorization": "OSS AK:\udcff"}],
)
def test_incomplete_header(changed: dict[str, str]) -> None:
    """A header that cannot be read is refused."""
    target, headers = sign("GET", "k", {}, {})

    with pytest.raises(OssError):
        authenticate(arrive("GET", target, {**headers, **changed}))


async def test_sdk_with_v1(oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession) -> None:
    """The SDK set to V1 puts, gets, lists and presigns."""
    with sdk_client(oss, signature_version="v1") as client:
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, "a b/ü+", body=b"x"))
        _, content = await fetch(client, "a b/ü+")
        listed = await run(client.list_objects, sdk.ListObjectsRequest(BUCKET, prefix="a b"))
        link = client.presign(sdk.GetObjectRequest(BUCKET, "a b/ü+"))
        async with http.get(link.url) as answer:
            assert await answer.read() == b"x"

    assert (content, [entry.key for entry in listed.contents]) == (b"x", ["a b/ü+"])
    assert [*bucket.objects] == ["a b/ü+"]


async def test_wrong_secret(oss: OssStandIn, bucket: Bucket) -> None:
    """The refusal of a wrong secret shows the text that was signed."""
    with sdk_client(oss, signature_version="v1", secret="wrong") as client:
        error: Any = await refusal(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x"))

    assert (error.code, error.ec) == ("SignatureDoesNotMatch", "0002-00000040")
    assert error.error_fileds["StringToSign"].startswith("PUT\n")
    assert bucket.objects == {}


def test_moment_of_expiry() -> None:
    """`Expires` counts seconds since 1970 in UTC."""
    request = arrive("GET", f"/{BUCKET}/k?OSSAccessKeyId=AK&Expires=86400&Signature=s", {})

    assert read_query(request).moment == datetime(1970, 1, 2, tzinfo=UTC)
