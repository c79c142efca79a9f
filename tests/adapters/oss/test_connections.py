"""Connections that hang, with and without encryption."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.core.errors import CertificateRefused, StoreUnavailable, TransferCancelled
from bot.core.jobs import MIB
from bot.core.ports.store import ObjectMeta
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.shaping import Shape
from bot.transfer.pool import CancelFlag, working_for
from tests.adapters.oss.links import BUCKET, QUICK, connect
from tests.adapters.oss.loopback import LoopbackServer
from tests.fakes.body import BytesBody

META = ObjectMeta("application/octet-stream", "attachment", public=False)
KEY = AccessKey(access_key_id="LTAI-id", access_key_secret="secret")
PATIENT = ConnectionLimits(minimum_rate=1024, connect_timeout=30.0, answer_timeout=60.0)
MAKE_CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-nodes", "-days", "2", "-subj", "/CN=sandbox", "-addext", "subjectAltName=IP:127.0.0.1"),
)


class Mute(LoopbackServer):
    """A server that reads `wanted` bytes of each request and then says nothing."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.received = 0
        self._wanted = wanted

    async def serve(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Serve one connection until the end of the server."""
        with suppress(ConnectionError):
            while self.received < self._wanted and (data := await reader.read(256 << 10)):
                self.received += len(data)
        self.reached.set()
        await asyncio.Event().wait()

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
        """Listen on loopback and give the endpoint."""
        async with self.listening(tls) as port:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, made now and gone with the folder."""
    if which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [*MAKE_CERTIFICATE, "-keyout", str(path), "-out", f"{path}.crt"],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> Path | None:
    """Both kinds of line."""
    if request.param == "plain":
        return None
    path: Path = request.getfixturevalue("certificate")
    return path


def server_side(certificate: Path | None) -> ssl.SSLContext | None:
    """Return what a server needs to encrypt."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def open_bucket(endpoint: str, certificate: Path | None, limits: ConnectionLimits) -> OssBucket:
    """Connect to a server that is no stand-in."""
    address = BucketAddress(bucket=BUCKET, region="cn-hongkong", endpoint=endpoint)
    connection = OssConnection(address, SandboxClock(), key=KEY, limits=limits)
    if certificate is not None:
        # The transport of the SDK has no public way to name an authority of one's own.
        http_client: Any = connection.client._client._options.http_client
        http_client._verify = f"{certificate}.crt"
    return OssBucket(connection)


async def cut(call: Callable[[], object], reached: asyncio.Event) -> float:
    """Run `call` in a thread, raise its flag once the server is there; return the seconds it
    takes to end.
    """
    flag = CancelFlag()

    def work() -> None:
        with working_for(flag):
            call()

    task = asyncio.create_task(asyncio.to_thread(work))
    await reached.wait()
    begun = time.monotonic()
    flag.set()
    with pytest.raises(TransferCancelled):
        await task
    return time.monotonic() - begun


async def test_certificate_of_an_unknown_issuer(certificate: Path) -> None:
    """A host that proves nothing is told apart from one that is out of reach."""
    server = Mute(1)
    async with server.serving(server_side(certificate)) as endpoint:
        bucket = open_bucket(endpoint, None, PATIENT)
        with pytest.raises(CertificateRefused, match="certificate is refused: self-signed"):
            await asyncio.to_thread(bucket.head, "secret-key")


@pytest.mark.parametrize("wanted", [1, 200 << 10, 64 * MIB])
async def test_cut_while_sending(tls: Path | None, wanted: int) -> None:
    """A server that stops reading, early or late, does not hold a cancelled request."""
    server = Mute(wanted)
    async with server.serving(server_side(tls)) as endpoint:
        bucket = open_bucket(endpoint, tls, PATIENT)
        body = BytesBody(bytes(80 * MIB), block=256 << 10)
        took = await cut(lambda: bucket.put_object("x", body, META), server.reached)

    assert took < 0.5


async def test_cut_while_waiting_for_the_answer(tls: Path | None) -> None:
    """A server that has read everything and keeps silent does not hold it either."""
    server = Mute(64 << 10)
    async with server.serving(server_side(tls)) as endpoint:
        bucket = open_bucket(endpoint, tls, PATIENT)
        body = BytesBody(bytes(64 << 10))
        took = await cut(lambda: bucket.put_object("x", body, META), server.reached)

    assert took < 0.5


async def test_raised_flag_prevents_the_request(tls: Path | None) -> None:
    """A request that begins under a raised flag is cut as soon as it has a socket, with TLS before
    the handshake.
    """
    server = Mute(1)
    async with server.serving(server_side(tls)) as endpoint:
        bucket = open_bucket(endpoint, tls, PATIENT)
        flag = CancelFlag()
        flag.set()

        def work() -> None:
            with working_for(flag):
                bucket.put_object("x", BytesBody(bytes(MIB)), META)

        with pytest.raises(TransferCancelled):
            await asyncio.to_thread(work)

    assert server.received == 0


async def test_request_outside_a_transfer_is_not_cut(oss: OssStandIn) -> None:
    """A flag raised after its request has ended does not hurt the next user of the socket."""
    connection = connect(oss)
    bucket = OssBucket(connection)
    flag = CancelFlag()

    def work() -> None:
        with working_for(flag):
            bucket.put_object("relay/1/a", BytesBody(b"a"), META)
        flag.set()
        bucket.put_object("relay/1/b", BytesBody(b"b"), META)

    await asyncio.to_thread(work)
    connection.close()

    assert {"relay/1/a", "relay/1/b"} == set(oss.buckets[BUCKET].objects)


async def test_stall_is_noticed_by_the_minimum_rate(tls: Path | None) -> None:
    """A line slower than the minimum rate is given up, long before any other time-out."""
    server = Mute(1)
    limits = replace(PATIENT, minimum_rate=1 << 20)
    async with server.serving(server_side(tls)) as endpoint:
        bucket = open_bucket(endpoint, tls, limits)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            await asyncio.to_thread(
                bucket.put_object, "x", BytesBody(bytes(80 * MIB), block=256 << 10), META
            )
        took = time.monotonic() - begun

    assert took < 5.0


async def test_stall_of_what_the_kernel_holds(oss: OssStandIn) -> None:
    """A body that fits into the kernel's buffers has not arrived yet; its stall is noticed too."""
    oss.faults.add(Fault("PutObject", Effect.STALL, args={"seconds": 20.0}))
    connection = connect(oss, limits=replace(QUICK, answer_timeout=60.0))
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(
            OssBucket(connection).put_object, "relay/1/x", BytesBody(bytes(MIB)), META
        )
    took = time.monotonic() - begun
    connection.close()

    assert took < 5.0


async def test_slow_line_is_not_taken_for_a_dead_one(oss: OssStandIn) -> None:
    """While the kernel's buffers drain, the time-out for the answer has not begun."""
    oss.shape = Shape(up_per_connection=2 * MIB)
    connection = connect(oss, limits=replace(QUICK, answer_timeout=0.6))
    data = bytes(3 * MIB)
    await asyncio.to_thread(OssBucket(connection).put_object, "relay/1/x", BytesBody(data), META)
    connection.close()

    assert len(data) == oss.buckets[BUCKET].objects["relay/1/x"].size
