"""Signature version 4, computed from the decoded request and compared.

Source: OSS documentation, "Include a V4 signature in the header" and "Include a V4 signature in a
URL"; the exact bytes are those of the official SDKs.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import quote

from bot.sandbox.oss.errors import OssError, access_denied, invalid_argument
from bot.sandbox.oss.request import OssRequest

ALGORITHM = "OSS4-HMAC-SHA256"
_PLACES = {False: ("Authorization", "Authorization header"), True: ("x-oss-credential", "URL")}
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES = 604_800
"""Seconds; seven days."""


@dataclass(frozen=True)
class Scope:
    """The credential of a signature."""

    key_id: str
    date: str
    region: str
    product: str
    terminator: str

    @property
    def text(self) -> str:
        """The scope as it is signed."""
        return f"{self.date}/{self.region}/{self.product}/{self.terminator}"


@dataclass(frozen=True)
class SignatureV4:
    """The signature of a request: signer, time, additional headers, signature (hex)."""

    scope: Scope
    moment: str
    additional: tuple[str, ...]
    signature: str
    signed_at: datetime
    expires: int | None = None

    @property
    def is_link(self) -> bool:
        """Whether the signature is in a URL instead of a header."""
        return self.expires is not None


def read_header(request: OssRequest) -> SignatureV4:
    """Parse an Authorization header.

    Raises:
        OssError: the header is incomplete.
    """
    fields = _fields(request.header("authorization"))
    moment, signed_at = _moment(request)
    scope = _scope(fields.get("Credential", ""), is_link=False)
    if request.header("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
        value = request.header("x-oss-content-sha256")
        raise invalid_argument(
            "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.", "x-oss-content-sha256", value
        )
    names = fields.get("AdditionalHeaders", "").lower()
    additional = tuple(sorted(name for name in names.split(";") if name))
    return SignatureV4(scope, moment, additional, fields.get("Signature", ""), signed_at)


def _fields(header: str) -> dict[str, str]:
    pieces = header.removeprefix(ALGORITHM).split(",")
    return {name.strip(): value.strip() for name, _, value in (p.partition("=") for p in pieces)}


def _moment(request: OssRequest) -> tuple[str, datetime]:
    """Return the time of signing as signed text and as a datetime."""
    text = request.header("x-oss-date") or request.header("date")
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            return text, _parse(text)
        signed_at = parsedate_to_datetime(text).astimezone(UTC)
    except ValueError as error:
        raise access_denied("OSS authentication requires a valid Date.") from error
    return signed_at.strftime("%Y%m%dT%H%M%SZ"), signed_at


def _parse(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _scope(credential: str, *, is_link: bool) -> Scope:
    pieces = credential.rsplit("/", 4)
    if len(pieces) != 5:
        raise _bad_credential(credential, is_link=is_link)
    return Scope(*pieces)


def read_query(request: OssRequest) -> SignatureV4:
    """Parse the query of a presigned URL.

    Raises:
        OssError: a parameter is missing or out of range (validity: 1 to 604,800 seconds).
    """
    date, expires = request.query("x-oss-date"), request.query("x-oss-expires")
    if not re.fullmatch(r"\d{8}T\d{6}Z", date):
        raise invalid_argument("Invalid x-oss-date in the query.", "x-oss-date", date)
    if not (expires.isdigit() and 1 <= int(expires) <= MAX_EXPIRES):
        message = "x-oss-expires must be between 1 and 604800."
        raise invalid_argument(message, "x-oss-expires", expires, "0002-00000232")
    names = request.query("x-oss-additional-headers").lower()
    return SignatureV4(
        _scope(request.query("x-oss-credential"), is_link=True),
        date,
        tuple(sorted(name for name in names.split(";") if name)),
        request.query("x-oss-signature"),
        _parse(date),
        int(expires),
    )


def check_scope(claim: SignatureV4, region: str) -> None:
    """Refuse a credential for another date, region or product.

    Raises:
        OssError: date, region, product or terminator differ from the request's.

    Sources: an answer of the live service for the region in a header (EC 0002-00000226), and the
    documentation's pages of the others.
    """
    scope, is_link = claim.scope, claim.is_link
    if scope.terminator != "aliyun_v4_request":
        raise _bad_credential(scope.terminator, is_link=is_link)
    if scope.date != claim.moment[:8]:
        ec = "0002-00000223" if is_link else "0002-00000212"
        raise _bad_scope("date", scope.date, ec, is_link=is_link)
    if scope.region != region:
        ec = "0002-00000228" if is_link else "0002-00000226"
        raise _bad_scope("region", scope.region, ec, is_link=is_link)
    if scope.product != "oss":
        ec = "" if is_link else "0002-00000227"
        raise _bad_scope("product", scope.product, ec, is_link=is_link)


def _bad_scope(what: str, value: str, ec: str, *, is_link: bool) -> OssError:
    name, where = _PLACES[is_link]
    return invalid_argument(f"Invalid signing {what} in {where}.", name, value, ec)


def _bad_credential(value: str, *, is_link: bool) -> OssError:
    _, where = _PLACES[is_link]
    ec = "0002-00000224" if is_link else "0002-00000213"
    return invalid_argument(f"Invalid Credential in {where}.", "Credential", value, ec)


def canonical_request(request: OssRequest, additional: tuple[str, ...]) -> str:
    """Return the text whose hash is signed, from the decoded key and query."""
    path = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    signed = _signed_headers(request.headers, additional)
    return "\n".join(
        [
            request.method,
            quote(path, safe="/"),
            _canonical_query(request),
            "".join(f"{name}:{value}\n" for name, value in signed),
            ";".join(additional),
            request.header("x-oss-content-sha256") or "UNSIGNED-PAYLOAD",
        ]
    )


def _canonical_query(request: OssRequest) -> str:
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in request.pairs
        if name != "x-oss-signature"
    )
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def _signed_headers(
    headers: Mapping[str, str], additional: tuple[str, ...]
) -> list[tuple[str, str]]:
    return sorted(
        (name, value.strip())
        for name, value in headers.items()
        if name.startswith("x-oss-")
        or name in {"content-type", "content-md5"}
        or name in additional
    )


def string_to_sign(claim: SignatureV4, canonical: str) -> str:
    """Return the four lines that are signed."""
    digest = sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return "\n".join([ALGORITHM, claim.moment, claim.scope.text, digest])


def sign(secret: str, scope: Scope, text: str) -> str:
    """Return the signature of `text` in hex."""
    key = b"aliyun_v4" + secret.encode()
    for step in (scope.date, scope.region, scope.product, scope.terminator):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.new(key, text.encode(), sha256).hexdigest()
