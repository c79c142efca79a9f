"""The pace of bodies: what a shape does to uploads and downloads."""

import asyncio
from time import monotonic
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.bodies import piece_size, slower
from bot.sandbox.oss.disk import BLOCK
from bot.sandbox.oss.model import Bucket
from bot.sandbox.shaping import Shape
from tests.sandbox.oss.sdk import BUCKET, fetch, run

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("rates", "expected"),
    [((), None), ((None, None), None), ((None, 5.0), 5.0), ((7.0, 5.0, None), 5.0)],
)
def test_slower(rates: tuple[float | None, ...], expected: float | None) -> None:
    """The lowest of several rates counts; `None` is no limit."""
    assert slower(*rates) == expected


def test_piece_size() -> None:
    """A shaped transfer moves in pieces of about ten milliseconds."""
    rates = [None, 1000.0, 4.0e6, 1.0e9]

    assert [piece_size(rate) for rate in rates] == [BLOCK, 16 * 1024, 40_000, BLOCK]


async def put_side_by_side(client: Any, count: int) -> float:
    """Put `count` objects of 1 MiB at the same time and return the seconds that it took."""
    started = monotonic()
    requests = [sdk.PutObjectRequest(BUCKET, str(n), body=bytes(MEGABYTE)) for n in range(count)]
    await asyncio.gather(*(run(client.put_object, request) for request in requests))
    return monotonic() - started


async def test_up_per_connection(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A cap for each connection lets uploads go side by side; in turn they would need
    almost 2 s.
    """
    oss.shape.up_per_connection = 2 * MEGABYTE
    elapsed = await put_side_by_side(client, 4)

    assert (0.4 < elapsed < 1.3, 4) == (True, len(bucket.objects))


async def test_up_total(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A cap for all connections is shared."""
    oss.shape = Shape(up_total=4 * MEGABYTE)
    elapsed = await put_side_by_side(client, 2)

    assert (elapsed > 0.4, 2) == (True, len(bucket.objects))


@pytest.mark.parametrize("field", ["down_per_connection", "down_total"])
async def test_down(client: Any, oss: OssStandIn, bucket: Bucket, field: str) -> None:
    """Downloads have their own caps."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=bytes(MEGABYTE)))
    setattr(oss.shape, field, 4 * MEGABYTE)
    started = monotonic()
    _, content = await fetch(client, "k")

    assert (len(content), monotonic() - started > 0.15) == (MEGABYTE, True)
    assert len(bucket.objects) == 1


async def test_latency(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """Latency is added once for each request."""
    oss.shape.latency = 0.1
    elapsed = await put_side_by_side(client, 1)

    assert (elapsed >= 0.1, 1) == (True, len(bucket.objects))


async def test_expect_continue(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A client that waits for `100 Continue` before it sends gets it."""
    link = client.presign(sdk.PutObjectRequest(BUCKET, "k"))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(oss.endpoint.split(":")[-1]))
    target = link.url.removeprefix(oss.endpoint)
    head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    answer = await reader.read()
    writer.close()

    assert (answer.startswith(b"HTTP/1.1 200"), bucket.objects["k"].size) == (True, 3)


async def test_content_encoding_is_kept(client: Any, bucket: Bucket) -> None:
    """Bytes that are called gzip are stored as they came."""
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"no gzip at all", content_encoding="gzip")
    await run(client.put_object, request)

    assert bucket.objects["k"].read_bytes() == b"no gzip at all"
