"""The control side, through its client."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.remote import ControlRefused, RemoteOss
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client


@pytest.fixture
async def remote(oss: OssStandIn) -> AsyncIterator[RemoteOss]:
    """Connect to the control side."""
    async with RemoteOss(oss.endpoint) as remote:
        yield remote


async def test_state(client: Any, remote: RemoteOss, bucket: Bucket) -> None:
    """Objects, uploads and counts (requests, buckets, objects, bytes, uploads, parts) show."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"xyz", acl="private"))
    initiated = await run(
        client.initiate_multipart_upload, sdk.InitiateMultipartUploadRequest(BUCKET, "l")
    )
    await run(
        client.upload_part, sdk.UploadPartRequest(BUCKET, "l", 1, initiated.upload_id, body=b"x")
    )
    [stored] = await remote.objects(BUCKET)
    [pending] = await remote.uploads(BUCKET)
    stats = list((await remote.stats()).values())

    assert ("k", 3, bucket.objects["k"].crc64, "private") == (
        stored["key"],
        stored["size"],
        stored["crc64"],
        stored["acl"],
    )
    assert (pending["key"], [part["number"] for part in pending["parts"]]) == ("l", [1])
    assert stats == [3, 1, 1, 3, 1, 1]


async def test_log(client: Any, remote: RemoteOss, bucket: Bucket) -> None:
    """The log can be read, filtered and waited for."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x"))
    await run(client.delete_object, sdk.DeleteObjectRequest(BUCKET, "k"))
    everything = await remote.log()
    [put] = await remote.log("PutObject", at_least=1)
    never = await remote.log("CopyObject", at_least=1, timeout=0.05)

    assert [entry["operation"] for entry in everything] == ["PutObject", "DeleteObject"]
    assert (put["status"], put["params"]["key"], never) == (200, "k", [])
    assert bucket.objects == {}


async def test_faults(client: Any, remote: RemoteOss, bucket: Bucket) -> None:
    """Faults can be added, counted and cleared."""
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
    await remote.add_fault(Fault("PutObject", Effect.ERROR, times=0, args={"status": 503}))
    error = await refusal(client.put_object, request)
    [fault] = await remote.faults()
    await remote.clear_faults()
    await run(client.put_object, request)

    assert (error.status_code, fault["hits"], await remote.faults()) == (503, 1, [])
    assert [*bucket.objects] == ["k"]


async def test_shape(remote: RemoteOss, oss: OssStandIn) -> None:
    """The shape changes field by field; an unknown field is refused."""
    shape = await remote.set_shape(latency=0.01, up_total=5.0)
    with pytest.raises(ControlRefused, match="speed"):
        await remote.set_shape(speed=1.0)

    assert (oss.shape.latency, oss.shape.up_total, shape["down_total"]) == (0.01, 5.0, None)


async def test_clock(remote: RemoteOss, oss: OssStandIn) -> None:
    """The clock moves forward, and the service's own time apart from it."""
    before = oss.clock.now()
    now = await remote.advance(timedelta(hours=1))
    await remote.set_clock_skew(timedelta(minutes=-3))
    with pytest.raises(ControlRefused, match="cannot go back"):
        await remote.advance(timedelta(hours=-1))

    assert timedelta(hours=1) <= now - before < timedelta(hours=1, minutes=1)
    assert oss.clock_skew == timedelta(minutes=-3)


async def test_setup(remote: RemoteOss, oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """Buckets, keys and own domains can be added."""
    await remote.add_bucket("made-here", "public-read", region="cn-hongkong")
    await remote.add_key("LTAI-b", "s", allow=["oss:PutObject"])
    await remote.add_domain("files.example.com", "made-here")
    with sdk_client(oss, key_id="LTAI-b", secret="s") as client:
        await run(client.put_object, sdk.PutObjectRequest("made-here", "k", body=b"x"))
        denied = await refusal(client.delete_object, sdk.DeleteObjectRequest("made-here", "k"))
    async with http.get(f"{oss.endpoint}/k", headers={"Host": "files.example.com"}) as answer:
        assert await answer.read() == b"x"

    assert denied.code == "AccessDenied"


async def test_refusals(remote: RemoteOss) -> None:
    """A call that cannot be carried out says why."""
    with pytest.raises(ControlRefused, match="ACL"):
        await remote.add_bucket("made-here", "secret")
    with pytest.raises(ControlRefused, match="not valid"):
        await remote.add_bucket("X")
    with pytest.raises(ControlRefused, match="does not exist"):
        await remote.objects("missing")


async def test_needs_context() -> None:
    """Outside of its block the client says what is wrong."""
    with pytest.raises(RuntimeError, match="async with"):
        await RemoteOss("http://127.0.0.1:1").stats()
