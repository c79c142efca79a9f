"""A server that sends one byte after the other holds no call longer than its deadline."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from bot.adapters.oss.access_checks import open_anonymously
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, OssConnection
from bot.adapters.oss.connections import DeadlineThread
from bot.core.errors import StoreUnavailable, TransferCancelled
from bot.core.ports.store import ObjectMeta
from bot.sandbox.clock import SandboxClock
from bot.transfer.pool import CancelFlag, working_for
from tests.adapters.oss.links import BUCKET, QUICK
from tests.adapters.oss.loopback import LoopbackServer
from tests.fakes.body import BytesBody

META = ObjectMeta("application/octet-stream", "attachment", public=False)
KEY = AccessKey(access_key_id="LTAI-id", access_key_secret="secret")
LIMITS = replace(QUICK, answer_timeout=0.2, call_deadline=0.2, complete_timeout=0.2)
HEADERS = b"HTTP/1.1 200 OK\r\nx-oss-request-id: 1\r\nContent-Length: 1000000\r\n"
WITHOUT_BODY = b"HTTP/1.1 204 No Content\r\nx-oss-request-id: 1\r\nX-Slow: "


class Dripping(LoopbackServer):
    """A server that sends `at_once`, then `rest` over and over, a hundred times a second."""

    def __init__(self, at_once: bytes, rest: bytes = b"x") -> None:
        super().__init__()
        self._at_once = at_once
        self._rest = rest
        self.reached = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client leaves."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._at_once)
        self.reached.set()
        while not writer.is_closing():
            writer.write(self._rest)
            await writer.drain()
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[OssConnection]:
        """Listen on loopback, and connect."""
        async with self.listening() as port:
            endpoint = f"http://127.0.0.1:{port}"
            address = BucketAddress(bucket=BUCKET, region="cn-hongkong", endpoint=endpoint)
            connection = OssConnection(address, SandboxClock(), key=KEY, limits=LIMITS)
            with closing(connection):
                yield connection


CALLS: dict[str, Callable[[OssBucket], object]] = {
    "put_object": lambda bucket: bucket.put_object("k", BytesBody(b"x"), META),
    "initiate": lambda bucket: bucket.initiate("k", META),
    "upload_part": lambda bucket: bucket.upload_part("k", "u", 1, BytesBody(b"x")),
    "complete": lambda bucket: bucket.complete("k", "u", [], META),
    "copy_object": lambda bucket: bucket.copy_object("a", "k", META),
    "abort": lambda bucket: bucket.abort("k", "u"),
    "head": lambda bucket: bucket.head("k"),
    "list_parts": lambda bucket: bucket.list_parts("k", "u"),
    "delete": lambda bucket: bucket.delete(["k"]),
    "delete many": lambda bucket: bucket.delete(["k", "l"]),
    "list_objects": lambda bucket: list(bucket.list_objects("p")),
    "list_uploads": lambda bucket: list(bucket.list_uploads("p")),
}


SERVERS = {
    "status line": lambda: Dripping(b"", b"H"),
    "headers": lambda: Dripping(HEADERS + b"X-Slow: "),
    "body": lambda: Dripping(HEADERS + b"\r\n"),
}
HAVE_NO_BODY = {"head"}


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (where, name)
        for where in SERVERS
        for name in CALLS
        if where != "body" or name not in HAVE_NO_BODY
    ],
)
async def test_dripping_answer_ends_at_the_deadline(where: str, name: str) -> None:
    """Each call ends, wherever its answer drips."""
    async with SERVERS[where]().connection() as connection:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await asyncio.to_thread(CALLS[name], OssBucket(connection))
        took = time.monotonic() - begun

    assert took < 5.0


async def test_answer_that_is_cut_inside_its_headers_is_no_success() -> None:
    """The status line has come, and says that the object is gone; the end of it never did."""
    async with Dripping(WITHOUT_BODY).connection() as connection:
        with pytest.raises(StoreUnavailable, match="DeleteObject: no whole answer came in time"):
            await asyncio.to_thread(OssBucket(connection).delete, ["k"])


async def test_stranger_is_bound_too() -> None:
    """The requests without a signature have the same deadline."""
    async with Dripping(HEADERS).connection() as connection:
        url = connection.address.object_url("k")
        with pytest.raises(StoreUnavailable):
            await asyncio.to_thread(open_anonymously, connection, url, b"")


async def test_cancelled_call_stays_a_cancelled_one() -> None:
    """A cut that was asked for is not taken for a failure."""
    flag = CancelFlag()

    def work(connection: OssConnection) -> None:
        with working_for(flag):
            OssBucket(connection).head("k")

    server = Dripping(HEADERS)
    async with server.connection() as connection:
        task = asyncio.create_task(asyncio.to_thread(work, connection))
        await server.reached.wait()
        flag.set()
        with pytest.raises(TransferCancelled):
            await task


async def test_deadlines_come_in_their_order() -> None:
    """A shorter deadline that is set later is not held up by a longer one, nor is one that the
    block has left acted upon.
    """
    deadlines, loop = DeadlineThread(), asyncio.get_running_loop()
    acted: list[str] = []
    done = asyncio.Event()

    def short() -> None:
        acted.append("short")
        loop.call_soon_threadsafe(done.set)

    with deadlines.after(60.0, lambda: acted.append("long")):
        with deadlines.after(0.05, lambda: acted.append("left")):
            pass
        with deadlines.after(0.1, short):
            await asyncio.wait_for(done.wait(), 5.0)

    assert acted == ["short"]
