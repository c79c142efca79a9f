"""Construction of the connection."""

import asyncio
import sys
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.core.errors import Corrupted, StoreKeyRefused, StoreUnavailable
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.shaping import Shape
from tests.adapters.oss.links import BUCKET, QUICK, address_of, connect
from tests.fakes.body import BytesBody

META = ObjectMeta("application/octet-stream", "attachment", public=False)
VARIABLES = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")


async def put(connection: OssConnection) -> None:
    """Store something through a connection and close it."""
    await asyncio.to_thread(OssBucket(connection).put_object, "relay/1/x", BytesBody(b"x"), META)
    connection.close()


async def test_key_from_the_environment(oss: OssStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the SDK's own variables sign, a token among them."""
    oss.add_key("STS.env", "secret", token="token")
    for name, value in zip(VARIABLES, ("STS.env", "secret", "token"), strict=True):
        monkeypatch.setenv(name, value)
    connection = OssConnection(address_of(oss), oss.clock, limits=QUICK)
    await put(connection)

    assert connection.credentials_are_temporary
    assert len(oss.log.of("PutObject")) == 1


def test_no_key_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key is said at once, with the names of the variables."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    address = BucketAddress(bucket=BUCKET, region="cn-hongkong")

    with pytest.raises(StoreKeyRefused, match="OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"):
        OssConnection(address, SandboxClock())


async def test_netrc_and_proxies_of_the_environment_are_ignored(
    oss: OssStandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither may replace the signature or send the bytes elsewhere."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    await put(connect(oss))

    assert oss.log.of("PutObject")[0].status == 200


async def test_proxy_is_used(oss: OssStandIn) -> None:
    """A dead proxy makes every request fail: nothing goes past it."""
    connection = connect(oss, limits=ConnectionLimits(proxy="http://127.0.0.1:9"))

    with pytest.raises(StoreUnavailable, match="Proxy"):
        await put(connection)
    assert len(oss.log) == 0


async def test_request_through_a_proxy(oss: OssStandIn) -> None:
    """A proxy sees the whole address and the signature, as plain HTTP proxies do."""
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        limits = ConnectionLimits(proxy=f"http://{host}:{port}")
        with pytest.raises(StoreUnavailable):
            await put(connect(oss, endpoint="http://oss.test", limits=limits))

    assert heads[0].startswith(b"PUT http://relay-sandbox.oss.test/relay/1/x HTTP/1.1\r\n")
    assert b"Authorization: OSS4-HMAC-SHA256 Credential=" in heads[0]


async def test_clock_of_a_proxy_is_ignored(oss: OssStandIn) -> None:
    """Only OSS's own answers correct the time; a page in between may carry any date."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nDate: Mon, 23 Nov 2020 16:00:00 GMT\r\n")
        writer.write(b"Content-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        connection = connect(oss, endpoint=f"http://127.0.0.1:{port}")
        with pytest.raises(StoreUnavailable):
            await put(connection)

    assert timedelta(0) == connection.time.offset


async def test_list_of_many_parts_may_take_its_time(oss: OssStandIn) -> None:
    """A document larger than a block is not taken for a stall on a line just fast enough."""
    oss.shape = Shape(up_per_connection=1 << 20)
    limits = replace(QUICK, minimum_rate=700 << 10)
    connection = connect(oss, limits=limits)
    bucket = OssBucket(connection)
    upload_id = await asyncio.to_thread(bucket.initiate, "relay/1/x", META)
    parts = [PartReceipt(number, '"' + "0" * 60 + '"', 1, None) for number in range(1, 10_001)]
    with pytest.raises(Corrupted, match="InvalidPart"):
        await asyncio.to_thread(bucket.complete, "relay/1/x", upload_id, parts, META)
    connection.close()


async def test_connections_are_kept_for_all_threads(oss: OssStandIn) -> None:
    """Sixteen threads use at most sixteen connections, without a word in the log."""
    connection = connect(oss)
    bucket = OssBucket(connection)
    for _ in range(3):
        await asyncio.gather(
            *(
                asyncio.to_thread(bucket.put_object, f"relay/1/{n}", BytesBody(b"x"), META)
                for n in range(16)
            )
        )
    connection.close()

    assert len(oss.log.of("PutObject")) == 48


def test_secrets_do_not_show() -> None:
    """Nothing secret is in a `repr`."""
    key = AccessKey(access_key_id="LTAI-id", access_key_secret="s3cret", security_token="t0ken")
    limits = ConnectionLimits(proxy="http://user:passw0rd@proxy:3128")

    assert "LTAI-id" in repr(key)
    assert not [word for word in ("s3cret", "t0ken", "passw0rd") if word in repr((key, limits))]


@pytest.mark.parametrize(("rate", "deadline"), [(16 << 10, 16.0), (1 << 20, 0.25)])
def test_send_deadline_follows_the_minimum_rate(rate: int, deadline: float) -> None:
    """A block of 256 KiB must get through in the time that the slowest allowed line takes."""
    assert deadline == ConnectionLimits(minimum_rate=rate).send_deadline


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(1 << 16):
        writer.write(block)
        await writer.drain()
    writer.close()


async def _join(
    oss: OssStandIn, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Connect a client with the stand-in until one of both ends."""
    parts = urlsplit(oss.endpoint)
    far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
    await asyncio.gather(_forward(reader, far_writer), _forward(far_reader, writer))


async def test_ipv6_endpoint(oss: OssStandIn) -> None:
    """An address of IPv6 has the bucket in the path, as one of IPv4 has."""
    async with await asyncio.start_server(partial(_join, oss), "::1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = connect(oss, endpoint=f"http://[::1]:{port}")
        await put(connection)

    assert list(oss.buckets[BUCKET].objects) == ["relay/1/x"]
    assert connection.address.object_url("k") == f"http://[::1]:{port}/{BUCKET}/k"


class Socks:
    """A SOCKS5 proxy (RFC 1928) in front of the stand-in, for every host."""

    def __init__(self, oss: OssStandIn) -> None:
        self._oss = oss
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: a greeting, a request with a name (type 3), then its bytes."""
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x00")
        head = await reader.readexactly(5)
        self.asked.append(await reader.readexactly(head[4]))
        await reader.readexactly(2)
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        await _join(self._oss, reader, writer)


async def test_socks_proxy(oss: OssStandIn) -> None:
    """With the extra, a SOCKS proxy carries the requests, and the deadlines of calls hold."""
    socks = Socks(oss)
    oss.faults.add(Fault("HeadObject", Effect.LATE, args={"seconds": 30}))
    async with await asyncio.start_server(socks.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy = f"socks5h://127.0.0.1:{port}"
        limits = replace(QUICK, proxy=proxy, call_deadline=0.5, answer_timeout=60.0)
        address = f"http://oss-{oss.region}.aliyuncs.com"
        await put(connect(oss, endpoint=address, limits=limits))
        connection = connect(oss, endpoint=address, limits=limits)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no whole answer came in time"):
            await asyncio.to_thread(OssBucket(connection).head, "relay/1/x")
        connection.close()

    assert time.monotonic() - begun < 15
    assert list(oss.buckets[BUCKET].objects) == ["relay/1/x"]
    assert set(socks.asked) == {f"{BUCKET}.oss-{oss.region}.aliyuncs.com".encode()}


def test_socks_without_its_library(oss: OssStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra no attempt could succeed; it is said at once, by name."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(RuntimeError, match=r"file-relay-bot\[socks\]"):
        connect(oss, limits=replace(QUICK, proxy="socks5h://127.0.0.1:9"))
