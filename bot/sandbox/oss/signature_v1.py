"""Signature version 1, as older clients send it: HMAC-SHA1 without region or scope.

Source: OSS documentation, "Include a V1 signature in the Authorization header" and "Add signatures
to URLs".
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bot.sandbox.oss.errors import access_denied, invalid_argument
from bot.sandbox.oss.request import OssRequest

SCHEME = "OSS "

_SIGNED_PARAMETERS = {
    "acl", "append", "asyncFetch", "bucketInfo", "callback", "callback-var", "cloudboxes", "cname",
    "comp", "continuation-token", "cors", "delete", "encryption", "endTime", "group", "inventory",
    "inventoryId", "lifecycle", "link", "live", "location", "logging", "metaQuery", "objectInfo",
    "objectMeta", "partNumber", "policy", "policyStatus", "position", "publicAccessBlock", "qos",
    "qosInfo", "referer", "regionList", "replication", "replicationLocation",
    "replicationProgress",
    "requestPayment", "resourceGroup", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type",
    "response-expires", "restore", "security-token", "sequential", "startTime", "stat", "status",
    "style", "styleName", "symlink", "tagging", "transferAcceleration", "uploadId", "uploads",
    "versionId", "versioning", "versions", "vod", "website", "worm", "wormExtend", "wormId",
    "x-oss-ac-forward-allow", "x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id",
    "x-oss-async-process", "x-oss-process", "x-oss-request-payer", "x-oss-traffic-limit",
    "x-oss-write-get-object-response",
}  # fmt: skip
"""Parameters that are part of the resource; all others are not protected by the signature."""


@dataclass(frozen=True)
class SignatureV1:
    """The signature of a request; `date` is the text signed in the place of the date."""

    key_id: str
    signature: str
    date: str
    moment: datetime
    """Of signing for a header, of expiry for a link."""


def read_header(request: OssRequest) -> SignatureV1:
    """Parse an Authorization header.

    Raises:
        OssError: the header or the date cannot be read.
    """
    value = request.header("authorization").removeprefix(SCHEME).strip()
    key_id, colon, signature = value.partition(":")
    if not colon:
        raise invalid_argument("Invalid Authorization header.", "Authorization", "")
    date = request.header("x-oss-date") or request.header("date")
    return SignatureV1(key_id, signature, date, _moment(date))


def _moment(text: str) -> datetime:
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError as error:
        raise access_denied("OSS authentication requires a valid Date.") from error


def read_query(request: OssRequest) -> SignatureV1:
    """Parse the query of a presigned URL.

    Raises:
        OssError: `Expires` is not a number of seconds since 1970.
    """
    expires = request.query("Expires")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 11):
        message = "Invalid date (should be seconds since epoch): " + expires
        raise access_denied(message, "0002-00000070")
    moment = datetime.fromtimestamp(int(expires), UTC)
    return SignatureV1(
        request.query("OSSAccessKeyId"), request.query("Signature"), expires, moment
    )


def string_to_sign(request: OssRequest, date: str) -> str:
    """Return the text that is signed."""
    return "\n".join(
        [
            request.method,
            request.header("content-md5"),
            request.header("content-type"),
            date,
            _oss_headers(request.headers) + _resource(request),
        ]
    )


def _oss_headers(headers: Mapping[str, str]) -> str:
    signed = sorted(
        (name, value.strip()) for name, value in headers.items() if name.startswith("x-oss-")
    )
    return "".join(f"{name}:{value}\n" for name, value in signed)


def _resource(request: OssRequest) -> str:
    path = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    pairs = sorted((n, v) for n, v in request.pairs if n in _SIGNED_PARAMETERS)
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    return f"{path}?{query}" if query else path


def sign(secret: str, text: str) -> str:
    """Return the signature of `text` in base64."""
    digest = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
    return base64.b64encode(digest).decode()
