"""Authentication: read the signature of a request, check time, key and signature."""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.sandbox.oss import signature_v1 as v1
from bot.sandbox.oss import signature_v4 as v4
from bot.sandbox.oss.errors import OssError, access_denied
from bot.sandbox.oss.model import AccessKey, AuthMethod, Caller
from bot.sandbox.oss.request import OssRequest

LINK_PARAMETERS = ("x-oss-signature", "Signature", "OSSAccessKeyId", "Expires")


class Authenticator:
    """Checks signatures against the keys it knows, for one region."""

    def __init__(self, keys: Mapping[str, AccessKey], region: str) -> None:
        self._keys = keys
        self._region = region

    def authenticate(self, request: OssRequest, now: datetime) -> Caller:
        """Return the caller. `now` is the service's own time at arrival.

        Raises:
            OssError: the key, the time or the signature is wrong.
        """
        authorization = request.header("authorization")
        if authorization and any(request.has(name) for name in LINK_PARAMETERS):
            message = "A signature is in the header or in the URL, never in both."
            raise OssError(400, "InvalidArgument", message, "0002-00000039")
        if authorization.startswith(v4.ALGORITHM):
            return self._header_v4(request, now)
        if authorization.startswith(v1.SCHEME):
            return self._header_v1(request, now)
        if authorization:
            message = "Unsupported Authorization Type."
            details = {"ArgumentName": "Authorization", "ArgumentValue": ""}
            raise OssError(400, "InvalidArgument", message, "0002-00000002", details)
        if request.query("x-oss-signature-version") == v4.ALGORITHM:
            return self._query_v4(request, now)
        if request.has("OSSAccessKeyId") and request.has("Signature"):
            return self._query_v1(request, now)
        return Caller(AuthMethod.ANONYMOUS)

    def _header_v4(self, request: OssRequest, now: datetime) -> Caller:
        claim = v4.read_header(request)
        key = self._key(claim.scope.key_id, request.header("x-oss-security-token"), now)
        check_skew(claim.signed_at, now)
        v4.check_scope(claim, self._region)
        self._compare_v4(request, claim, key)
        return Caller(AuthMethod.HEADER, key)

    def _query_v4(self, request: OssRequest, now: datetime) -> Caller:
        claim = v4.read_query(request)
        key = self._key(claim.scope.key_id, request.query("x-oss-security-token"), now)
        v4.check_scope(claim, self._region)
        if now < claim.signed_at - v4.MAX_SKEW:
            raise access_denied("Request is not valid yet.", "0002-00000235")
        ends = claim.signed_at + timedelta(seconds=claim.expires or 0)
        check_expiry(ends, now, "0002-00000236")
        self._compare_v4(request, claim, key)
        return Caller(AuthMethod.QUERY, key)

    def _compare_v4(self, request: OssRequest, claim: v4.SignatureV4, key: AccessKey) -> None:
        canonical = v4.canonical_request(request, claim.additional)
        text = v4.string_to_sign(claim, canonical)
        expected = v4.sign(key.secret, claim.scope, text)
        if not _equals(expected, claim.signature):
            raise mismatch(key.key_id, claim.signature, text, canonical)

    def _header_v1(self, request: OssRequest, now: datetime) -> Caller:
        claim = v1.read_header(request)
        token = request.header("x-oss-security-token") or request.header("security-token")
        key = self._key(claim.key_id, token, now)
        check_skew(claim.moment, now)
        _compare_v1(request, claim, key)
        return Caller(AuthMethod.HEADER, key)

    def _query_v1(self, request: OssRequest, now: datetime) -> Caller:
        claim = v1.read_query(request)
        key = self._key(claim.key_id, request.query("security-token"), now)
        check_expiry(claim.moment, now, "0002-00000069")
        _compare_v1(request, claim, key)
        return Caller(AuthMethod.QUERY, key)

    def _key(self, key_id: str, token: str, now: datetime) -> AccessKey:
        """Return an access key that works at this moment."""
        key = self._keys.get(key_id)
        if key is None:
            message = "The OSS Access Key Id you provided does not exist in our records."
            raise _bad_key(key_id, message, "0002-00000902")
        if not key.enabled:
            message = "The OSS Access Key Id you provided is disabled."
            raise _bad_key(key_id, message, "0002-00000903")
        if key.token is not None and not token:
            message = (
                "The OSS Access Key Id you provided does not exist in our records. "
                "The Security Token may be lost to specify that it is a STS Access Id."
            )
            raise _bad_key(key_id, message, "0002-00000003")
        if key.token is not None and not _equals(key.token, token):
            message = "The security token you provided is invalid."
            raise OssError(403, "InvalidSecurityToken", message)
        if key.expires_at is not None and now >= key.expires_at:
            message = "The security token you provided has expired."
            # The live service repeats the token (source: github jxxghp/MoviePilot issue 6295).
            details = {"SecurityToken": token}
            raise OssError(403, "SecurityTokenExpired", message, "0002-00000007", details)
        return key


def _compare_v1(request: OssRequest, claim: v1.SignatureV1, key: AccessKey) -> None:
    text = v1.string_to_sign(request, claim.date)
    expected = v1.sign(key.secret, text)
    if not _equals(expected, claim.signature):
        raise mismatch(key.key_id, claim.signature, text)


def _equals(expected: str, given: str) -> bool:
    """Compare in constant time; input may be any text."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def _bad_key(key_id: str, message: str, ec: str) -> OssError:
    return OssError(403, "InvalidAccessKeyId", message, ec, {"OSSAccessKeyId": key_id})


def check_skew(signed_at: datetime, now: datetime) -> None:
    """Refuse a header signature more than 15 minutes away from the service's clock.

    Raises:
        OssError: it is.
    """
    if abs(now - signed_at) <= v4.MAX_SKEW:
        return
    message = "The difference between the request time and the current time is too large."
    details = {
        "MaxAllowedSkewMilliseconds": str(int(v4.MAX_SKEW.total_seconds() * 1000)),
        "RequestTime": timestamp(signed_at),
        "ServerTime": timestamp(now),
    }
    raise OssError(403, "RequestTimeTooSkewed", message, "0002-00000504", details)


def check_expiry(expires_at: datetime, now: datetime, ec: str) -> None:
    """Refuse a presigned URL that has expired when the request arrives.

    Raises:
        OssError: it has expired.
    """
    if now < expires_at:
        return
    details = {"Expires": timestamp(expires_at), "ServerTime": timestamp(now)}
    raise access_denied("Request has expired.", ec, **details)


def mismatch(key_id: str, provided: str, text: str, canonical: str = "") -> OssError:
    """Return the 403 with the string that the service signed."""
    details = {
        "OSSAccessKeyId": key_id,
        "SignatureProvided": provided,
        "StringToSign": text,
        "StringToSignBytes": _hex(text),
    }
    if canonical:
        details |= {"CanonicalRequest": canonical, "CanonicalRequestBytes": _hex(canonical)}
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    ec = "0002-00000201" if canonical else "0002-00000040"
    return OssError(403, "SignatureDoesNotMatch", message, ec, details)


def _hex(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex(" ").upper() + " "


def timestamp(moment: datetime) -> str:
    """Return a time as OSS writes it in documents: UTC, whole seconds, written with
    milliseconds.

    Source: oss2 2.18.4 reads nothing else.
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
