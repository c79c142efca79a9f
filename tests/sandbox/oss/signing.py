"""Requests that the SDK signs, and their authentication by the stand-in."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

import alibabacloud_oss_v2.types as sdk
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer.v4 import SignerV4
from hypothesis import strategies as st

from bot.sandbox.oss.authentication import Authenticator
from bot.sandbox.oss.model import AccessKey, AuthMethod
from bot.sandbox.oss.request import OssRequest, decode
from tests.sandbox.oss.sdk import BUCKET

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
KEYS = {"AK": AccessKey("AK", "secret", "1")}
TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from(" /%+~()&=?#;:@$,'\"!*[]äß日本😀\\^`{|}<>"),
        st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=30,
)


def sign(
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    *,
    expires: timedelta | None = None,
    additional: set[str] | None = None,
) -> tuple[str, dict[str, str]]:
    """Let the SDK sign a path-style request; return its target and headers."""
    url = f"http://127.0.0.1/{BUCKET}/{quote(key)}"
    if query:
        url += "?" + urlencode(query, quote_via=quote)
    request = sdk.HttpRequest(method=method, url=url)
    request.headers.update(headers)
    context = sdk.SigningContext(
        product="oss",
        region="cn-hongkong",
        bucket=BUCKET,
        key=key,
        request=request,
        credentials=StaticCredentialsProvider("AK", "secret").get_credentials(),
        signing_time=NOW,
        additional_headers=additional,
    )
    if expires is not None:
        context.auth_method_query = True
        context.expiration_time = NOW + expires
    SignerV4().sign(context)
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}", dict(request.headers)


def arrive(method: str, target: str, headers: dict[str, str]) -> OssRequest:
    """Decode a signed request as the server does."""
    received = {name.lower(): value for name, value in headers.items()}
    return decode(method, target, {"host": "127.0.0.1:80", **received}, {})


def authenticate(request: OssRequest, now: datetime = NOW) -> AuthMethod:
    """Authenticate and return how the caller was recognized."""
    return Authenticator(KEYS, "cn-hongkong").authenticate(request, now).auth
