"""Faults on request, the log of requests, and the headers of every answer."""

import asyncio
import io
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, fetch, refusal, run

PUT = sdk.PutObjectRequest(BUCKET, "k", body=b"x" * 1000)
GET = sdk.GetObjectRequest(BUCKET, "k")


async def failure(client: Any, request: Any = PUT) -> Any:
    """Put an object that must fail below the protocol and return what the SDK says."""
    with pytest.raises(sdk.exceptions.OperationError) as caught:
        await run(client.put_object, request)
    return caught.value.unwrap()


async def test_error(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """ERROR refuses as often as asked, with further arguments as headers, and applies nothing."""
    fault = oss.faults.add(
        Fault(
            "PutObject",
            Effect.ERROR,
            times=2,
            args={"status": 503, "code": "Busy", "message": "m", "x-oss-qos-delay-time": 250},
        )
    )
    errors = [await refusal(client.put_object, PUT) for _ in range(2)]
    assert bucket.objects == {}
    await run(client.put_object, PUT)

    assert {(503, "Busy", "m", "250")} == {
        (e.status_code, e.code, e.message, e.headers["x-oss-qos-delay-time"]) for e in errors
    }
    assert (fault.hits, [*bucket.objects]) == (2, ["k"])


async def test_error_and_close(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """An early 403 with `close` ends the connection; the next request has another one."""
    oss.faults.add(Fault("*", Effect.ERROR, args={"status": 403, "ec": "1", "close": 1}))
    error = await refusal(client.put_object, PUT)
    await run(client.put_object, PUT)

    assert (error.status_code, error.code, error.ec) == (403, "AccessDenied", "1")
    assert [*bucket.objects] == ["k"]


async def test_html(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """HTML answers as a proxy in between does."""
    oss.faults.add(Fault("PutObject", Effect.HTML))
    error = await refusal(client.put_object, PUT)

    assert (error.status_code, error.headers["Content-Type"]) == (502, "text/html")
    assert bucket.objects == {}


async def test_reset(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """RESET breaks the connection before anything is applied, after some bytes if asked."""
    oss.faults.add(Fault("PutObject", Effect.RESET))
    oss.faults.add(Fault("PutObject", Effect.RESET, args={"bytes": 500}))
    failures = [await failure(client), await failure(client)]

    assert [type(error) for error in failures] == [sdk.exceptions.RequestError] * 2
    assert ([entry.status for entry in oss.log], bucket.objects) == ([0, 0], {})


async def test_lost(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """LOST applies the request and never answers."""
    oss.faults.add(Fault("PutObject", Effect.LOST))
    error = await failure(client)

    assert isinstance(error, sdk.exceptions.RequestError)
    assert ([*bucket.objects], [entry.status for entry in oss.log]) == (["k"], [0])


async def test_late(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """LATE applies at once and answers later."""
    oss.faults.add(Fault("PutObject", Effect.LATE, args={"seconds": 0.3}))
    put = asyncio.create_task(run(client.put_object, PUT))
    await oss.wait_for(lambda: "k" in bucket.objects)
    assert not put.done()

    assert (await put).status_code == 200


async def test_stall(oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession) -> None:
    """STALL stops reading for a while and then breaks the connection."""
    bucket.acl = "public-read-write"
    # Twice, because aiohttp repeats a PUT whose connection broke.
    oss.faults.add(
        Fault("PutObject", Effect.STALL, times=2, args={"bytes": 100_000, "seconds": 0.3})
    )
    started = asyncio.get_running_loop().time()
    with pytest.raises(aiohttp.ClientError):
        async with http.put(f"{oss.endpoint}/{BUCKET}/k", data=io.BytesIO(bytes(20 << 20))):
            pass
    elapsed = asyncio.get_running_loop().time() - started

    assert (elapsed > 0.25, bucket.objects) == (True, {})


@pytest.mark.parametrize("count", [0, 1, 300])
async def test_truncate(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, count: int
) -> None:
    """TRUNCATE sends fewer bytes than the headers promise, and they do arrive."""
    bucket.acl = "public-read"
    await run(client.put_object, PUT)
    oss.faults.add(Fault("GetObject", Effect.TRUNCATE, args={"bytes": count}))
    async with http.get(f"{oss.endpoint}/{BUCKET}/k") as answer:
        got = await answer.content.readexactly(count)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()

    assert (answer.headers["Content-Length"], got) == ("1000", b"x" * count)


async def test_wrong_crc(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """WRONG_CRC stores the right bytes and tells a wrong CRC, which the SDK notices."""
    oss.faults.add(Fault("PutObject", Effect.WRONG_CRC))
    error = await failure(client)

    assert isinstance(error, sdk.exceptions.InconsistentError)
    assert bucket.objects["k"].read_bytes() == b"x" * 1000


async def test_fault_selects(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A fault can be bound to one part of one upload."""
    initiated = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "k")
    )
    oss.faults.add(Fault("UploadPart", Effect.ERROR, where={"partNumber": "2", "key": "k"}))
    for number, fails in [(1, False), (2, True), (2, False)]:
        request = sdk.UploadPartRequest(BUCKET, "k", number, initiated.upload_id, body=b"x")
        if fails:
            assert (await refusal(client.upload_part, request)).code == "InternalError"
        else:
            await run(client.upload_part, request)
    [pending] = bucket.uploads.values()

    assert sorted(pending.parts) == [1, 2]


async def test_log(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """The log holds operation, parameters and status, and no signature."""
    await run(client.put_object, PUT)
    await refusal(client.get_object, sdk.GetObjectRequest(BUCKET, "missing"))
    [put, get] = oss.log
    expected = {"bucket": BUCKET, "key": "k", "size": 1000, "auth": "header"}

    assert ("PutObject", expected, 200) == (put.operation, put.params, put.status)
    assert ("GetObject", 404, bucket.name) == (get.operation, get.status, get.params["bucket"])


async def test_log_of_link(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A presigned request is remembered without what makes it work."""
    link = client.presign(GET)
    async with http.get(link.url) as answer:
        assert answer.status == 404
    [entry] = oss.log

    assert entry.params["auth"] == "query"
    assert not {"x-oss-signature", "x-oss-credential"} & set(entry.params)
    assert bucket.objects == {}


async def test_common_headers(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Every answer has a request id, the server's name and the service's own time."""
    oss.clock_skew = timedelta(minutes=5)
    result = await run(client.put_object, PUT)
    date = parsedate_to_datetime(result.headers["Date"])

    assert (len(result.request_id), result.headers["Server"]) == (24, "AliyunOSS")
    assert abs(date - oss.clock.now() - timedelta(minutes=5)) < timedelta(seconds=5)
    assert [*bucket.objects] == ["k"]


async def test_client_vanishes(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A body that ends early stores nothing, and leaves no file."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(oss.endpoint.split(":")[-1]))
    link = client.presign(sdk.PutObjectRequest(BUCKET, "k"))
    target = link.url.removeprefix(oss.endpoint)
    head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    writer.write(head.encode() + b"x" * 5000)
    await writer.drain()
    await oss.wait_for(lambda: len(oss.log) == 1)
    writer.close()
    assert await reader.read() == b""
    await oss.wait_for(lambda: oss.log.of("PutObject")[0].params["size"] == 5000)
    await run(oss.world.storage.close)

    assert bucket.objects == {}


@pytest.mark.parametrize("limit", ["819199", "838860801", "fast"])
async def test_bad_traffic_limit(client: Any, bucket: Bucket, limit: str) -> None:
    """A client may ask for 819,200 to 838,860,800 bits per second."""
    request = sdk.GetObjectRequest(BUCKET, "k", parameters={"x-oss-traffic-limit": limit})
    error = await refusal(client.get_object, request)

    assert (error.status_code, error.code, bucket.objects) == (400, "InvalidArgument", {})


async def test_traffic_limit(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A traffic limit slows this one download down."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=bytes(40_000)))
    started = asyncio.get_running_loop().time()
    _, content = await fetch(client, "k", traffic_limit=819_200)
    elapsed = asyncio.get_running_loop().time() - started

    assert (len(content), elapsed > 0.25) == (40_000, True)
    assert len(oss.log) == 2 * len(bucket.objects)
