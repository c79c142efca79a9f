"""Translation of the SDK's errors into those of `bot.core.errors`."""

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn
from xml.etree.ElementTree import ParseError

from alibabacloud_oss_v2 import exceptions as sdk
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import HTTPError, LocationParseError

from bot.core.errors import (
    AccountOverdue,
    BucketMissing,
    CertificateRefused,
    ClockSkewed,
    Corrupted,
    ObjectArchived,
    ObjectRetained,
    PublicAccessBlocked,
    RefererRefused,
    RelayError,
    StoreError,
    StoreForbidden,
    StoreIntercepted,
    StoreKeyRefused,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
    TransferCancelled,
    UploadGone,
    WrongRegion,
)
from bot.transfer.pool import current_flag


class ObjectMissing(StoreRefused):
    """There is no object of this key; never raised outside of this package."""


_BY_CODE: Final[Mapping[str, type[StoreError]]] = {
    "AccessDenied": StoreForbidden,
    "InvalidAccessKeyId": StoreKeyRefused,
    "InvalidSecurityToken": StoreKeyRefused,
    "SecurityTokenExpired": StoreKeyRefused,
    "SignatureDoesNotMatch": StoreKeyRefused,
    "RequestTimeTooSkewed": ClockSkewed,
    "NoSuchKey": ObjectMissing,
    "NoSuchBucket": BucketMissing,
    "NoSuchUpload": UploadGone,
    "UserDisable": AccountOverdue,
    "InDebt": AccountOverdue,
    "InDebtOverdue": AccountOverdue,
    "AbnormalBucketOwnerStatus": AccountOverdue,
    # OSS received other bytes than were sent.
    "InvalidPart": Corrupted,
    "FilePartNotExist": Corrupted,
    "InvalidDigest": Corrupted,
    "RequestTimeout": StoreUnavailable,
    "InternalError": StoreUnavailable,
    # The next attempt may succeed: the first by the vendor's own SDK (`retry/error_retryable.py`),
    # the second where the body was cut on its way, the third where two requests met.
    "BadRequest": StoreUnavailable,
    "IncompleteBody": StoreUnavailable,
    "OperationAborted": StoreUnavailable,
    "FileImmutable": ObjectRetained,
    "InvalidObjectState": ObjectArchived,
}
_BY_MESSAGE: Final[Mapping[str, type[StoreError]]] = {
    "must be addressed using the specified endpoint": WrongRegion,
    "denied by bucket referer policy": RefererRefused,
    # Of an object's ACL, a bucket's ACL or a bucket's policy.
    "Put public ": PublicAccessBlocked,
}
"""What an AccessDenied says that is not about the rights of the key (source: OSS documentation,
"HTTP status code 403"). ECs may change ("Error responses"), so they are shown and never compared.
"""
_WRONG_SIGNING_REGION: Final = "Invalid signing region"
"""Of an InvalidArgument: the region in the signature differs from that of the bucket (source: OSS
documentation, 0002-00000226 and 0002-00000228).
"""
_REGION_HEADERS: Final = ("x-oss-region", "x-oss-bucket-region")
"""The region of the bucket, in some refusals of an endpoint of another one."""
_RETRIED_STATUSES: Final = frozenset({401, 408})
"""Source: the vendor's SDK, as above, which also repeats every 5xx."""
_UNREADABLE: Final = "BadErrorResponse"
"""The SDK's own code for an answer without a readable error, such as that to a HEAD."""
_NETWORK: Final = (HTTPError, OSError)
"""Errors of requests without an answer. urllib3's own errors are raised as they are if its retries
are off (source: urllib3 2, `Retry.increment`); `requests.RequestException` is an `OSError`.
"""
_UNUSABLE: Final = (InvalidSchema, InvalidURL, MissingSchema, LocationParseError)
"""Errors about a proxy or an address, before anything was sent: no attempt can succeed."""
TRANSLATED: Final = (sdk.BaseError, *_NETWORK, ParseError)
"""What the SDK and the connections below it raise."""


def raise_translated(error: Exception, operation: str) -> NoReturn:
    """Raise the error of `bot.core.errors` that stands for an error of the SDK or of a connection.

    The original is not chained: its text contains the URL of the request, and with it the key,
    which in public mode is the link itself and must never reach a log.
    """
    reason = error
    if isinstance(error, sdk.OperationError):
        reason, operation = error.unwrap(), str(error.kwargs.get("name", operation))
    if isinstance(reason, sdk.CredentialsFetchError):
        inner = reason.kwargs.get("error")
        reason = inner if isinstance(inner, RelayError) else reason
    if isinstance(reason, RelayError) and not isinstance(reason, StoreUnavailable):
        raise reason from None  # Raised by a body; what the SDK wrapped around it says nothing.
    flag = current_flag()
    if flag is not None and flag.is_set:
        raise TransferCancelled(f"{operation} was cut short") from None
    if isinstance(reason, StoreUnavailable):  # Raised by our transport.
        raise type(reason)(f"{operation}: {reason}") from None
    if isinstance(reason, sdk.ServiceError):
        raise _from_service(reason, operation) from None
    if isinstance(reason, TRANSLATED):
        raise _from_client(reason, operation) from None
    raise reason  # A defect of ours; it needs its own traceback.


def _from_service(error: sdk.ServiceError, operation: str) -> StoreError:
    text = (
        f"{operation}: {error.code} (HTTP {error.status_code}, EC {error.ec or '-'}, "
        f"request {error.request_id or '-'})"
    )
    if error.code != _UNREADABLE:  # Else its page may repeat the address.
        text = f"{text}: {error.message}"
    if where := _region_of_bucket(error):
        text = f"{text} (endpoint: {where})"
    translation = StoreThrottled(text) if _throttles(error) else _class_of(error)(text)
    translation.delay = _asked_delay(error)
    return translation


def _class_of(error: sdk.ServiceError) -> type[StoreError]:
    if _is_of_another_region(error):
        return WrongRegion
    if error.code == "AccessDenied":
        said = (kind for text, kind in _BY_MESSAGE.items() if text in (error.message or ""))
        return next(said, StoreForbidden)
    if (known := _BY_CODE.get(error.code or "")) is not None:
        return known
    if error.code == _UNREADABLE and error.status_code == 404:
        return ObjectMissing
    if error.status_code >= 500 or error.status_code in _RETRIED_STATUSES:
        return StoreUnavailable
    return StoreRefused


def _is_of_another_region(error: sdk.ServiceError) -> bool:
    if error.code == "InvalidArgument" and _WRONG_SIGNING_REGION in (error.message or ""):
        return True
    if (error.error_fileds or {}).get("Endpoint"):
        return True
    return error.code in {"AccessDenied", _UNREADABLE} and bool(_region_of_bucket(error))


def _region_of_bucket(error: sdk.ServiceError) -> str:
    """Return the endpoint or region that a refusal names and that the request did not use, or
    nothing.
    """
    endpoint = str((error.error_fileds or {}).get("Endpoint") or "")
    headers = error.headers or {}
    region = next((headers[name] for name in _REGION_HEADERS if headers.get(name)), "")
    is_here = region.removeprefix("oss-") in (error.request_target or "")
    return endpoint or ("" if is_here else region)


def _throttles(error: sdk.ServiceError) -> bool:
    """Return whether OSS asks to slow down; any other 503 is an outage.

    Source of the codes: OSS documentation, "HTTP status code 503".
    """
    code = error.code or ""
    return (
        bool(_number((error.headers or {}).get("x-oss-qos-delay-time")))
        or error.status_code == 429
        or code == "SlowDown"
        or (error.status_code == 503 and code.endswith("LimitExceeded"))
    )


def _asked_delay(error: sdk.ServiceError) -> float:
    """Return the seconds that OSS asks to wait, 0 if it asks for none."""
    headers = error.headers or {}
    if delay := _number(headers.get("x-oss-qos-delay-time")):
        return delay / 1000
    return _number(headers.get("Retry-After"))


def _number(text: str | None) -> float:
    # Retry-After may be a date; OSS sends no dates, and our own backoff serves as well.
    return float(text) if text and text.isdigit() else 0.0


def _from_client(error: Exception, operation: str) -> StoreError:
    if isinstance(error, sdk.CredentialsBaseError):
        return StoreKeyRefused(f"{operation}: no access key to sign with")
    if isinstance(error, (sdk.RequestError, sdk.ResponseError, *_NETWORK)):
        return _from_network(error, operation)
    if isinstance(error, sdk.DeserializationError | ParseError):
        return StoreUnavailable(f"{operation}: the answer cannot be read")
    return StoreRefused(f"{operation}: {type(error).__name__}: {error}")


def _from_network(error: Exception, operation: str) -> StoreError:
    """Translate an error without an answer."""
    if (status := _tunnel_status(error)) is not None:
        return StoreIntercepted(f"{operation}: the proxy answered HTTP {status} to CONNECT")
    for reason in _reasons(error):
        if isinstance(reason, _UNUSABLE):
            return StoreRefused(f"{operation}: address or proxy cannot be used: {_kind(error)}")
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message or "it cannot be verified"
            return CertificateRefused(f"{operation}: the certificate is refused: {why}")
    return StoreUnavailable(f"{operation}: {_kind(error)}")


def _kind(error: BaseException) -> str:
    """Name the causes of `error`, innermost first, without their texts, which may contain a
    URL.
    """
    return " ← ".join(type(reason).__name__ for reason in reversed(list(_reasons(error))))


def _tunnel_status(error: BaseException) -> str | None:
    """Return the status with which a proxy refused to connect us, if that is what happened."""
    # `http.client` has no class for it (source: CPython, `HTTPConnection._tunnel`).
    found = (re.match(r"Tunnel connection failed: (\d{3})", str(r)) for r in _reasons(error))
    return next((match[1] for match in found if match), None)


def _reasons(error: BaseException) -> Iterator[BaseException]:
    inner: BaseException | None = error
    for _ in range(8):
        if inner is None:
            return
        yield inner
        inner = _reason_of(inner)


def _reason_of(error: BaseException) -> BaseException | None:
    # The SDK has `unwrap`, urllib3 `reason` or an argument that is an error.
    if isinstance(error, sdk.RequestError | sdk.ResponseError):
        candidates: tuple[object, ...] = (error.unwrap(),)
    else:
        candidates = (getattr(error, "reason", None), *error.args)
    return next((inner for inner in candidates if isinstance(inner, BaseException)), None)
