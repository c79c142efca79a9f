"""OSS through a SOCKS proxy: it works, and every wait ends at the deadline of its call."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import Literal

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.errors import StoreError, StoreUnavailable
from bot.core.jobs import MIB
from bot.core.ports.store import ObjectMeta
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET, QUICK, connect
from tests.adapters.oss.loopback import LoopbackServer, cut
from tests.fakes.body import BytesBody

META = ObjectMeta("application/octet-stream", "attachment", public=False)
LIMITS = replace(QUICK, connect_timeout=0.5, answer_timeout=0.2, call_deadline=0.2)
IPV4 = 1
Drips = Literal["greeting", "reply", "answer", ""]


class SocksProxy(LoopbackServer):
    """A SOCKS5 proxy (RFC 1928) that passes everything on to `port`, until it `drips`: then it
    sends a byte now and then, so that no single read takes long.
    """

    def __init__(self, port: int, drips: Drips = "") -> None:
        super().__init__()
        self._port = port
        self._drips = drips
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask for where to connect, and pass everything on."""
        await reader.readexactly(3)
        await self._send("greeting", writer, b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        length = 4 if kind == IPV4 else (await reader.readexactly(1))[0]
        self.asked.append(await reader.readexactly(length))
        await reader.readexactly(2)
        # A name of 255 bytes as the address that it bound.
        await self._send("reply", writer, b"\x05\x00\x00\x03\xff" + b"a" * 255 + b"\x00\x50")
        await self._send("answer", writer, b"")
        await self._pass_on(reader, writer)

    async def _send(self, what: str, writer: asyncio.StreamWriter, data: bytes) -> None:
        if what != self._drips:
            writer.write(data)
            return
        writer.write(data[:5])
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as halves:
                halves.create_task(_copy(reader, back))
                halves.create_task(_copy(there, writer))
        finally:
            await cut(back)

    @asynccontextmanager
    async def connection(
        self, oss: OssStandIn, endpoint: str = ""
    ) -> AsyncIterator[OssConnection]:
        """Listen on loopback, and connect through it."""
        async with self.listening() as port:
            limits = replace(LIMITS, proxy=f"socks5h://127.0.0.1:{port}")
            connection = connect(oss, limits=limits, endpoint=endpoint or oss.endpoint)
            with closing(connection):
                yield connection


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


def port_of(oss: OssStandIn) -> int:
    """Return where the stand-in listens."""
    return int(oss.endpoint.rsplit(":", 1)[1])


async def test_there_and_back(oss: OssStandIn) -> None:
    """Everything goes through the proxy; connections are kept."""
    proxy = SocksProxy(port_of(oss))
    async with proxy.connection(oss) as connection:
        bucket = OssBucket(connection)
        await asyncio.to_thread(bucket.put_object, "k", BytesBody(b"x" * MIB), META)
        stat = await asyncio.to_thread(bucket.head, "k")
        await asyncio.to_thread(bucket.delete, ["k"])

    assert stat is not None
    assert stat.size == MIB
    assert len(proxy.asked) == 1


async def test_names_are_resolved_by_the_proxy(oss: OssStandIn) -> None:
    """A host that only the proxy knows is reached."""
    proxy = SocksProxy(port_of(oss))
    async with proxy.connection(oss, endpoint="http://oss.invalid") as connection:
        with suppress(StoreError):
            await asyncio.to_thread(OssBucket(connection).head, "k")

    assert proxy.asked == [f"{BUCKET}.oss.invalid".encode()]


@pytest.mark.parametrize("drips", ["greeting", "reply", "answer"])
async def test_dripping_ends_at_the_deadline(oss: OssStandIn, drips: Drips) -> None:
    """Wherever a byte comes now and then, in what the proxy says or in the answer."""
    async with SocksProxy(port_of(oss), drips).connection(oss) as connection:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await asyncio.to_thread(OssBucket(connection).head, "k")
        took = time.monotonic() - begun

    assert took < 5.0


async def test_without_its_library(oss: OssStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the start fails with the name of what to install."""
    monkeypatch.setitem(__import__("sys").modules, "python_socks", None)

    with pytest.raises(RuntimeError, match=r"oss\.proxy.*file-relay-bot\[socks\]"):
        connect(oss, limits=replace(LIMITS, proxy="socks5://127.0.0.1:9"))
