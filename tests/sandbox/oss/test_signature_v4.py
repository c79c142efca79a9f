"""V4 signatures, against the SDK's signer as oracle; and everything that must break them."""

from datetime import timedelta

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss import signature_v4 as v4
from bot.sandbox.oss.authentication import LINK_PARAMETERS
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import AuthMethod, Bucket
from tests.sandbox.oss.sdk import BUCKET
from tests.sandbox.oss.signing import NOW, TEXT, arrive, authenticate, sign


@given(key=TEXT, query=st.dictionaries(TEXT, st.one_of(TEXT, st.just("")), max_size=4))
def test_header_any_key(key: str, query: dict[str, str]) -> None:
    """A header signature of the SDK is accepted for any key and query without one of a link."""
    for name in LINK_PARAMETERS:
        query.pop(name, None)
    target, headers = sign("PUT", key, query, {"Content-Type": "a/b", "x-oss-meta-a": "1"})
    request = arrive("PUT", target, headers)

    assert (AuthMethod.HEADER, key) == (authenticate(request), request.key)


@given(key=TEXT, query=st.dictionaries(TEXT, st.one_of(TEXT, st.just("")), max_size=4))
def test_query_any_key(key: str, query: dict[str, str]) -> None:
    """The same for presigned links."""
    target, _ = sign("GET", key, query, {}, expires=timedelta(hours=1))
    request = arrive("GET", target, {})

    assert (AuthMethod.QUERY, key) == (authenticate(request), request.key)


def test_additional_headers() -> None:
    """Further headers can be signed and are then protected."""
    target, headers = sign("GET", "k", {}, {"Host": "127.0.0.1:80"}, additional={"host"})
    request = arrive("GET", target, headers)
    assert authenticate(request) is AuthMethod.HEADER

    with pytest.raises(OssError, match="SignatureDoesNotMatch"):
        authenticate(arrive("GET", target, {**headers, "Host": "127.0.0.2:80"}))


def test_requoted_path() -> None:
    """Slashes as %2F and letters that were quoted for no reason change nothing."""
    target, headers = sign("GET", "a/b c(1)", {}, {})
    path, query = target.split("?")
    odd = path.replace("a/b%20c", "%61%2Fb%20c").replace("%28", "(")
    request = arrive("GET", f"{odd}?{query}", headers)

    assert (authenticate(request), request.key) == (AuthMethod.HEADER, "a/b c(1)")


@pytest.mark.parametrize(
    ("method", "path", "changed"),
    [
        ("PUT", "", {}),
        ("GET", "x", {}),
        ("GET", "?versionId=1", {}),
        ("GET", "", {"x-oss-meta-a": "2"}),
        ("GET", "", {"x-oss-object-acl": "public-read"}),
        ("GET", "", {"Content-Type": "text/html"}),
        ("GET", "", {"Content-MD5": "AAAA"}),
    ],
)
def test_tampered_header(method: str, path: str, changed: dict[str, str]) -> None:
    """Another method, key, query or signed header breaks the signature."""
    target, headers = sign("GET", "k", {}, {"x-oss-meta-a": "1"})
    request = arrive(method, target.removesuffix("?") + path, {**headers, **changed})

    with pytest.raises(OssError, match="SignatureDoesNotMatch") as caught:
        authenticate(request)

    assert {"StringToSign", "StringToSignBytes", "CanonicalRequest"} < set(caught.value.details)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("aliyun_v4_request", "aws4_request", "InvalidArgument"),
        ("x-oss-expires=3600", "x-oss-expires=7200", "SignatureDoesNotMatch"),
        ("x-oss-date=20260506T070809Z", "x-oss-date=20260506T071809Z", "SignatureDoesNotMatch"),
        ("/k?", "/other?", "SignatureDoesNotMatch"),
        ("response-content-type=a", "response-content-type=b", "SignatureDoesNotMatch"),
        ("response-content-type=a&", "", "SignatureDoesNotMatch"),
        ("x-oss-credential=AK", "x-oss-credential=XX", "InvalidAccessKeyId"),
        ("x-oss-credential=AK%2F20260506", "x-oss-credential=AK%2F20260507", "InvalidArgument"),
        ("cn-hongkong", "cn-beijing", "InvalidArgument"),
        ("%2Foss%2F", "%2Fs3%2F", "InvalidArgument"),
        ("x-oss-expires=3600", "x-oss-expires=0", "InvalidArgument"),
        ("x-oss-expires=3600", "x-oss-expires=604801", "InvalidArgument"),
        ("x-oss-expires=3600", "x-oss-expires=", "InvalidArgument"),
        ("x-oss-date=20260506T070809Z", "x-oss-date=today", "InvalidArgument"),
        ("AK%2F20260506%2F", "AK%2F", "InvalidArgument"),
    ],
)
def test_tampered_link(old: str, new: str, code: str) -> None:
    """Nothing in a presigned link can be changed."""
    query = {"response-content-type": "a"}
    target, _ = sign("GET", "k", query, {}, expires=timedelta(hours=1))
    assert authenticate(arrive("GET", target, {})) is AuthMethod.QUERY
    assert old in target

    with pytest.raises(OssError, match=code):
        authenticate(arrive("GET", target.replace(old, new), {}))


def test_link_is_for_one_method() -> None:
    """A link for GET is not one for PUT, HEAD or DELETE."""
    target, _ = sign("GET", "k", {}, {}, expires=timedelta(hours=1))
    for method in ("PUT", "HEAD", "DELETE"):
        with pytest.raises(OssError, match="SignatureDoesNotMatch"):
            authenticate(arrive(method, target, {}))


def test_extra_header_with_link() -> None:
    """A header that counts as signed spoils a link that was made without it."""
    target, _ = sign("PUT", "k", {}, {}, expires=timedelta(hours=1))

    with pytest.raises(OssError, match="SignatureDoesNotMatch"):
        authenticate(arrive("PUT", target, {"Content-Type": "text/plain"}))


@pytest.mark.parametrize(
    "changed",
    [
        {"x-oss-date": "", "date": ""},
        {"x-oss-date": "yesterday"},
        {"x-oss-content-sha256": ""},
        {"authorization": "OSS4-HMAC-SHA256 Credential=AK/x,Signature=1"},
        {"authorization": "Basic QUs6c2VjcmV0"},
    ],
)
def test_incomplete_header(changed: dict[str, str]) -> None:
    """A header signature that lacks something is refused, never taken for anonymous."""
    target, headers = sign("GET", "k", {}, {})
    lower = {name.lower(): value for name, value in headers.items()}

    with pytest.raises(OssError):
        authenticate(arrive("GET", target, {**lower, **changed}))


def test_date_header_alone() -> None:
    """Where `x-oss-date` is missing, `Date` is the time of signing."""
    request = arrive("GET", f"/{BUCKET}/k", {"x-oss-content-sha256": "UNSIGNED-PAYLOAD"})
    scope = v4.Scope("AK", "20260506", "cn-hongkong", "oss", "aliyun_v4_request")
    claim = v4.SignatureV4(scope, "20260506T070809Z", (), "", NOW)
    text = v4.string_to_sign(claim, v4.canonical_request(request, ()))
    header = f"OSS4-HMAC-SHA256 Credential=AK/{scope.text},Signature="
    headers = {
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "Date": "Wed, 06 May 2026 07:08:09 GMT",
        "Authorization": header + v4.sign("secret", scope, text),
    }

    assert authenticate(arrive("GET", f"/{BUCKET}/k", headers)) is AuthMethod.HEADER


async def test_error_document(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """The refusal shows what the service signed, and no secret."""
    oss.add_key("AK", "secret")
    oss.clock_skew = NOW - oss.clock.now()
    target, headers = sign("GET", "k", {}, {})
    headers["Authorization"] = headers["Authorization"][:-4] + "0000"
    async with http.get(oss.endpoint + target.removesuffix("?"), headers=headers) as answer:
        text = await answer.text()

    assert (answer.status, "<EC>0002-00000201</EC>" in text) == (403, True)
    assert "<StringToSign>OSS4-HMAC-SHA256\n20260506T070809Z" in text
    assert "secret" not in text
    assert bucket.objects == {}
