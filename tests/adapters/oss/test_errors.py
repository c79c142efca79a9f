"""Each refusal of OSS, and each way in which a connection fails, by its own name."""

import asyncio
import logging
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import requests
from alibabacloud_oss_v2 import exceptions
from urllib3.exceptions import LocationParseError, ProtocolError, ProxyError

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey
from bot.adapters.oss.connections import translated
from bot.adapters.oss.errors import ObjectMissing
from bot.core.errors import (
    AccountOverdue,
    BucketMissing,
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
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.transfer.pool import CancelFlag, working_for
from tests.adapters.oss.links import BUCKET, connect
from tests.fakes.body import BytesBody

sdk: Any = exceptions  # Its constructors have no annotations.
KEY = "relay/1/secret-token/file.bin"
META = ObjectMeta("application/octet-stream", "attachment", public=False)
PART = PartReceipt(1, '"e"', 1, 1)


async def failure(bucket: OssBucket) -> StoreError:
    """Ask for the parts of an upload and return what is raised."""
    with pytest.raises(StoreError) as caught:
        await asyncio.to_thread(bucket.list_parts, KEY, "0123456789ABCDEF")
    return caught.value


def refusing(oss: OssStandIn, status: int, code: str, **more: str | float) -> None:
    """Make the stand-in refuse everything."""
    args: dict[str, str | int | float] = {"status": status, "code": code, **more}
    oss.faults.add(Fault("*", Effect.ERROR, times=0, args=args))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", StoreForbidden),
        (403, "InvalidAccessKeyId", StoreKeyRefused),
        (403, "SignatureDoesNotMatch", StoreKeyRefused),
        (403, "InvalidSecurityToken", StoreKeyRefused),
        (403, "SecurityTokenExpired", StoreKeyRefused),
        (403, "RequestTimeTooSkewed", ClockSkewed),
        (403, "UserDisable", AccountOverdue),
        (403, "InDebt", AccountOverdue),
        (403, "InDebtOverdue", AccountOverdue),
        (403, "AbnormalBucketOwnerStatus", AccountOverdue),
        (403, "BucketDisable", StoreRefused),
        (404, "NoSuchBucket", BucketMissing),
        (404, "NoSuchUpload", UploadGone),
        (400, "InvalidPart", Corrupted),
        (400, "FilePartNotExist", Corrupted),
        (400, "InvalidPartOrder", StoreRefused),
        (400, "EntityTooLarge", StoreRefused),
        (400, "EntityTooSmall", StoreRefused),
        (400, "PublicEndpointForbidden", StoreRefused),
        (400, "RequestTimeout", StoreUnavailable),
        (400, "BadRequest", StoreUnavailable),
        (400, "IncompleteBody", StoreUnavailable),
        (409, "OperationAborted", StoreUnavailable),
        (409, "FileImmutable", ObjectRetained),
        (403, "InvalidObjectState", ObjectArchived),
        (401, "Whatever", StoreUnavailable),
        (408, "Whatever", StoreUnavailable),
        (409, "FileAlreadyExists", StoreRefused),
        (429, "TooManyRequests", StoreThrottled),
        (500, "InternalError", StoreUnavailable),
        (502, "BadGateway", StoreUnavailable),
        (503, "ServiceUnavailable", StoreUnavailable),
        (503, "SlowDown", StoreThrottled),
        (503, "UploadTrafficRateLimitExceeded", StoreThrottled),
    ],
)
async def test_refusals(
    oss: OssStandIn, bucket: OssBucket, status: int, code: str, expected: type[StoreError]
) -> None:
    """A code of OSS becomes exactly one class, and the text says which it was."""
    refusing(oss, status, code, ec="0003-00000001")
    error = await failure(bucket)

    assert expected is type(error)
    assert f"ListParts: {code} (HTTP {status}, EC 0003-00000001, request " in str(error)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("You are denied by bucket referer policy.", RefererRefused),
        ("Put public object acl is not allowed", PublicAccessBlocked),
        ("The bucket … must be addressed using the specified endpoint.", WrongRegion),
        ("You have no right to access this object.", StoreForbidden),
    ],
)
async def test_what_an_access_denied_is_about(
    oss: OssStandIn, bucket: OssBucket, message: str, expected: type[StoreError]
) -> None:
    """One code has several reasons, which its message tells apart and the text repeats."""
    refusing(oss, 403, "AccessDenied", message=message, ec="0016-00000901")
    error = await failure(bucket)

    assert type(error) is expected
    assert message in str(error)
    assert "EC 0016-00000901" in str(error)


@pytest.mark.parametrize("where", ["Authorization header", "URL"])
async def test_region_of_the_signature(oss: OssStandIn, bucket: OssBucket, where: str) -> None:
    """A signature for another region is a mistake in the settings, not of the key, with any EC
    of OSS.
    """
    message = f"Invalid signing region in {where}."
    refusing(oss, 400, "InvalidArgument", message=message, ec="0002-99999999")

    assert type(await failure(bucket)) is WrongRegion


async def test_region_in_a_header(oss: OssStandIn, bucket: OssBucket) -> None:
    """The region that a refusal names in a header is passed on."""
    refusing(oss, 403, "AccessDenied", **{"x-oss-region": "oss-cn-shenzhen"})
    error = await failure(bucket)

    assert type(error) is WrongRegion
    assert "(endpoint: oss-cn-shenzhen)" in str(error)


async def test_wrong_region_in_the_settings(oss: OssStandIn) -> None:
    """A region that is not the bucket's is told apart from a wrong secret."""
    connection = connect(oss, region="cn-beijing")
    error = await failure(OssBucket(connection))
    connection.close()

    assert type(error) is WrongRegion


async def test_bucket_in_another_region_names_the_endpoint(oss: OssStandIn) -> None:
    """The operator is told where the bucket is."""
    oss.add_bucket("elsewhere", region="cn-beijing")
    connection = connect(oss, bucket="elsewhere")
    error = await failure(OssBucket(connection))
    connection.close()

    assert type(error) is WrongRegion
    assert "(endpoint: oss-cn-beijing.aliyuncs.com)" in str(error)


@pytest.mark.parametrize(
    ("key_id", "secret", "expected"),
    [
        ("LTAI-unknown", "whatever", StoreKeyRefused),
        ("LTAI-sandbox", "wrong", StoreKeyRefused),
        ("LTAI-disabled", "secret", StoreKeyRefused),
        ("LTAI-narrow", "secret", StoreForbidden),
    ],
)
async def test_keys(oss: OssStandIn, key_id: str, secret: str, expected: type[StoreError]) -> None:
    """Unknown, wrongly signed and disabled keys are refused keys; narrow ones are forbidden."""
    oss.add_key("LTAI-disabled", "secret", enabled=False)
    oss.add_key("LTAI-narrow", "secret", allow={"oss:GetObject"})
    key = AccessKey(access_key_id=key_id, access_key_secret=secret)
    connection = connect(oss, key=key)
    error = await failure(OssBucket(connection))
    connection.close()

    assert expected is type(error)


async def test_missing_bucket(oss: OssStandIn) -> None:
    """A bucket that does not exist is named so for every operation, HEAD included."""
    connection = connect(oss, bucket="no-such-bucket")
    bucket = OssBucket(connection)
    with pytest.raises(BucketMissing):
        await asyncio.to_thread(bucket.head, KEY)
    with pytest.raises(BucketMissing):
        await asyncio.to_thread(lambda: list(bucket.list_objects("relay/")))
    connection.close()


@pytest.mark.parametrize(
    ("answer", "expected", "kind"),
    [
        ((503, "x-oss-qos-delay-time", "1500"), 1.5, StoreThrottled),
        ((200 + 203, "x-oss-qos-delay-time", "250"), 0.25, StoreThrottled),
        ((503, "Retry-After", "7"), 7.0, StoreUnavailable),
        ((429, "Retry-After", "3"), 3.0, StoreThrottled),
        ((503, "Retry-After", "Mon, 23 Nov 2026 16:00:00 GMT"), 0.0, StoreUnavailable),
    ],
)
async def test_asked_delays(
    oss: OssStandIn,
    bucket: OssBucket,
    answer: tuple[int, str, str],
    expected: float,
    kind: type[StoreError],
) -> None:
    """The pause that OSS asks for is taken over, from milliseconds or seconds; an outage with a
    pause is no request to slow down.
    """
    status, header, value = answer
    refusing(oss, status, "Whatever", **{header: value})
    error = await failure(bucket)

    assert type(error) is kind
    assert expected == error.delay


@pytest.mark.parametrize(
    "fault",
    [
        Fault("ListParts", Effect.RESET),
        Fault("ListParts", Effect.LOST),
        Fault("ListParts", Effect.HTML, args={"status": 502}),
        Fault("ListParts", Effect.TRUNCATE, args={"bytes": 20}),
    ],
    ids=lambda fault: fault.effect.value,
)
async def test_broken_answers(oss: OssStandIn, bucket: OssBucket, fault: Fault) -> None:
    """Broken connections, half answers and pages of a proxy are all OSS being out of reach."""
    upload_id = await asyncio.to_thread(bucket.initiate, KEY, META)
    oss.faults.add(fault)
    with pytest.raises(StoreUnavailable) as caught:
        await asyncio.to_thread(bucket.list_parts, KEY, upload_id)

    assert "ListParts: " in str(caught.value)


async def test_answer_of_200_with_a_strange_body(oss: OssStandIn, bucket: OssBucket) -> None:
    """A page where a document was expected is not the answer of OSS, which may pass."""
    oss.faults.add(Fault("*", Effect.HTML, times=0, args={"status": 200}))
    with pytest.raises(StoreIntercepted):
        await asyncio.to_thread(bucket.initiate, KEY, META)


async def test_nobody_listens(oss: OssStandIn) -> None:
    """A refused connection is OSS being out of reach, and says of what kind."""
    connection = connect(oss, endpoint="http://127.0.0.1:9")
    error = await failure(OssBucket(connection))
    connection.close()

    assert type(error) is StoreUnavailable
    assert "ConnectionRefusedError" in str(error) or "NewConnectionError" in str(error)


CALLS: dict[str, Callable[[OssBucket], object]] = {
    "PutObject": lambda bucket: bucket.put_object(KEY, BytesBody(b"x"), META),
    "InitiateMultipartUpload": lambda bucket: bucket.initiate(KEY, META),
    "UploadPart": lambda bucket: bucket.upload_part(KEY, "0", 1, BytesBody(b"x")),
    "CompleteMultipartUpload": lambda bucket: bucket.complete(KEY, "0", [PART], META),
    "CopyObject": lambda bucket: bucket.copy_object("relay/1/a", KEY, META),
    "AbortMultipartUpload": lambda bucket: bucket.abort(KEY, "0"),
    "HeadObject": lambda bucket: bucket.head(KEY),
    "ListParts": lambda bucket: bucket.list_parts(KEY, "0"),
    "DeleteObject": lambda bucket: bucket.delete([KEY]),
    "DeleteMultipleObjects": lambda bucket: bucket.delete([KEY, "relay/1/b"]),
    "ListObjectsV2": lambda bucket: list(bucket.list_objects("relay/")),
    "ListMultipartUploads": lambda bucket: list(bucket.list_uploads("relay/")),
}


@pytest.mark.parametrize("status", [200, 204, 301, 401, 403, 404, 407, 413, 502])
@pytest.mark.parametrize("operation", CALLS)
async def test_answer_that_is_not_of_oss_says_nothing(
    oss: OssStandIn, bucket: OssBucket, operation: str, status: int
) -> None:
    """Nothing is gone, complete or forbidden because something in between says so."""
    oss.faults.add(Fault("*", Effect.HTML, times=0, args={"status": status}))
    with pytest.raises(StoreIntercepted) as caught:
        await asyncio.to_thread(CALLS[operation], bucket)

    assert f"HTTP {status} for 127.0.0.1:" in str(caught.value)
    assert str(caught.value).startswith(operation)
    assert "secret-token" not in str(caught.value)


def test_proxy_that_refuses_to_connect_is_named() -> None:
    """A tunnel has no answer with headers; what is known of it is the status."""
    tunnel = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
    error = requests.exceptions.ProxyError(ProxyError("Unable to connect to proxy", tunnel))
    with pytest.raises(StoreIntercepted, match="407"), translated():
        raise sdk.OperationError(name="PutObject", error=sdk.RequestError(error=error))


@pytest.mark.parametrize("name", ["ETag", "x-oss-hash-crc64ecma"])
async def test_complete_without_etag_or_checksum_proves_nothing(
    oss: OssStandIn, bucket: OssBucket, name: str
) -> None:
    """A document that lacks a part of what is documented is not believed."""
    oss.faults.add(Fault("CompleteMultipartUpload", Effect.WITHOUT, args={"name": name}))
    upload_id = await asyncio.to_thread(bucket.initiate, KEY, META)
    receipt = await asyncio.to_thread(bucket.upload_part, KEY, upload_id, 1, BytesBody(b"x"))

    assert await asyncio.to_thread(bucket.complete, KEY, upload_id, [receipt], META) is None


async def test_only_named_keys_are_gone(oss: OssStandIn, bucket: OssBucket) -> None:
    """A key that the answer to a deletion of many leaves out is reported as being there."""
    kept, other = "relay/1/a", "relay/1/b"
    oss.faults.add(Fault("*", Effect.UNDELETED, times=0, args={"key": kept}))
    for key in (kept, other):
        await asyncio.to_thread(bucket.put_object, key, BytesBody(b"x"), META)
    left = await asyncio.to_thread(bucket.delete, [kept, other])

    assert list(left) == [kept]
    assert type(left[kept]) is StoreUnavailable
    assert list(oss.buckets[BUCKET].objects) == [kept]
    with pytest.raises(StoreError):
        await asyncio.to_thread(bucket.delete, [kept])


async def test_keys_and_uploads_stay_out_of_error_texts(
    oss: OssStandIn, bucket: OssBucket, caplog: pytest.LogCaptureFixture
) -> None:
    """In public mode the key is the link: neither the text nor the traceback may show it."""
    errors = []
    for fault in (
        Fault("*", Effect.ERROR, args={"status": 403, "code": "AccessDenied"}),
        Fault("*", Effect.RESET),
        Fault("*", Effect.HTML),
    ):
        oss.faults.add(fault)
        errors.append(await failure(bucket))
    with caplog.at_level(logging.INFO):
        for error in errors:
            logging.getLogger("test").info("failed", exc_info=error)
    renderer = ["".join(traceback.format_exception(error)) for error in errors]

    assert not [text for text in [*renderer, caplog.text] if "secret-token" in text]


def test_defects_keep_their_traceback() -> None:
    """An unknown exception is a defect; it comes out as it was."""
    with pytest.raises(ZeroDivisionError), translated():
        raise sdk.OperationError(name="PutObject", error=ZeroDivisionError("a defect"))


def test_errors_of_the_program_pass() -> None:
    """An error of the body comes out as it is, without the SDK's wrapper."""
    error = TransferCancelled("stop")
    with pytest.raises(TransferCancelled) as caught, translated():
        raise sdk.OperationError(name="PutObject", error=error)

    assert error is caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sdk.CredentialsEmptyError(), StoreKeyRefused),
        (sdk.CredentialsFetchError(error="no answer"), StoreKeyRefused),
        (sdk.ObjectNameInvalidError(), StoreRefused),
        (sdk.DeserializationError(error="odd"), StoreUnavailable),
        (sdk.RequestError(error=requests.ConnectionError("x")), StoreUnavailable),
        (requests.ReadTimeout("x"), StoreUnavailable),
        (LocationParseError("x"), StoreRefused),
        (requests.exceptions.InvalidSchema("no SOCKS"), StoreRefused),
        (requests.exceptions.InvalidProxyURL("x"), StoreRefused),
        (ProtocolError("x", ConnectionResetError()), StoreUnavailable),
        (ConnectionResetError(), StoreUnavailable),
        (ssl.SSLError("x"), StoreUnavailable),
    ],
)
def test_errors_of_the_client(error: Exception, expected: type[RelayError]) -> None:
    """An error before the request or in its answer is classified too, wrapped or not."""
    for raised in (error, sdk.OperationError(name="PutObject", error=error)):
        with pytest.raises(expected), translated():
            raise raised


def test_failure_under_a_raised_flag_is_a_cancel() -> None:
    """A failure of a socket that the flag has cut is a cancel, in any form."""
    flag = CancelFlag()
    flag.set()
    with pytest.raises(TransferCancelled), working_for(flag), translated():
        raise sdk.OperationError(
            name="UploadPart", error=sdk.RequestError(error=requests.ConnectionError("cut"))
        )


def test_missing_object_is_a_refusal_of_this_package() -> None:
    """The class that `head` turns into `None` adds no code of its own."""
    assert StoreRefused.code == ObjectMissing.code
