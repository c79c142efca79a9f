"""Translation of the SDK's errors into those of `bot.core.errors`."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn
from xml.etree.ElementTree import ParseError

from alibabacloud_oss_v2 import exceptions as sdk
from urllib3.exceptions import HTTPError

from bot.core.errors import (
    AccountOverdue,
    BucketMissing,
    ClockSkewed,
    Corrupted,
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
}
_UNREADABLE: Final = "BadErrorResponse"
"""The SDK's own code for an answer without a readable error, such as that to a HEAD."""
_WRONG_REGION_ECS: Final = frozenset({"0002-00000226", "0002-00000228"})
"""The region in the signature differs from that of the bucket (source: OSS help, pages of these
names).
"""
_NETWORK: Final = (HTTPError, OSError)
"""Errors of requests without an answer. urllib3's own errors are raised as they are if its retries
are off (source: urllib3 2, `Retry.increment`); `requests.RequestException` is an `OSError`.
"""


@contextmanager
def translated(operation: str = "OSS") -> Iterator[None]:
    """Translate the errors of the block. One attempt, one error; `TransferCancelled` propagates
    unchanged.

    `operation` begins the text of an error that does not name the call itself.

    The original is not chained: its text contains the URL of the request, and with it the key,
    which in public mode is the link itself and must never reach a log.
    """
    try:
        yield
    except (sdk.BaseError, *_NETWORK, ParseError) as error:
        _raise(error, operation)


Answered = Callable[[str, str], None]
"""Called with the operation and the error code ("" after a success) of every call, in its
thread.
"""


def unnoted(_operation: str, _code: str) -> None:
    """Ignore the outcome of a call."""


@contextmanager
def noted(operation: str, answered: Answered) -> Iterator[None]:
    """Report the outcome of the block, which is one call of the `ObjectStore` port.

    A cancelled call shows nothing about the store and is not reported.
    """
    try:
        yield
    except StoreError as error:
        answered(operation, error.code)
        raise
    answered(operation, "")


def _raise(error: Exception, operation: str) -> NoReturn:
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
    if isinstance(reason, (sdk.BaseError, *_NETWORK, ParseError)):
        raise _from_client(reason, operation) from None
    raise reason  # A defect of ours; it needs its own traceback.


def _from_service(error: sdk.ServiceError, operation: str) -> StoreError:
    text = (
        f"{operation}: {error.code} (HTTP {error.status_code}, EC {error.ec or '-'}, "
        f"request {error.request_id or '-'})"
    )
    if error.code != _UNREADABLE:  # Else its page may repeat the address.
        text = f"{text}: {error.message}"
    if endpoint := (error.error_fileds or {}).get("Endpoint"):
        text = f"{text} (endpoint: {endpoint})"
    if (delay := _asked_delay(error)) is not None:
        return StoreThrottled(text, delay)
    return _class_of(error)(text)


def _class_of(error: sdk.ServiceError) -> type[StoreError]:
    if error.ec in _WRONG_REGION_ECS or (error.error_fileds or {}).get("Endpoint"):
        return WrongRegion
    if (known := _BY_CODE.get(error.code or "")) is not None:
        return known
    if error.code == _UNREADABLE and error.status_code == 404:
        return ObjectMissing
    if error.status_code >= 500 or error.status_code == 408:
        return StoreUnavailable
    return StoreRefused


def _asked_delay(error: sdk.ServiceError) -> float | None:
    """Return the seconds that OSS asks to wait, or `None` if it does not throttle."""
    headers = error.headers or {}
    if delay := _number(headers.get("x-oss-qos-delay-time")):
        return delay / 1000
    if error.status_code in {429, 503}:
        return _number(headers.get("Retry-After"))
    return None


def _number(text: str | None) -> float:
    # Retry-After may be a date; OSS sends no dates, and our own backoff serves as well.
    return float(text) if text and text.isdigit() else 0.0


def _from_client(error: Exception, operation: str) -> StoreError:
    if isinstance(error, sdk.CredentialsBaseError):
        return StoreKeyRefused(f"{operation}: no access key to sign with")
    if isinstance(error, (sdk.RequestError, sdk.ResponseError, *_NETWORK)):
        if (status := _tunnel_status(error)) is not None:
            return StoreIntercepted(f"{operation}: the proxy answered HTTP {status} to CONNECT")
        return StoreUnavailable(f"{operation}: {_kind(error)}")
    if isinstance(error, sdk.DeserializationError | ParseError):
        return StoreUnavailable(f"{operation}: the answer cannot be read")
    return StoreRefused(f"{operation}: {type(error).__name__}: {error}")


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
