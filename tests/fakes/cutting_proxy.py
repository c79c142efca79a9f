"""A proxy on loopback that cuts the connections between a client and a server of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Final

COMMIT: Final = b"COMMIT\x00"
"""As a client sends it (source: PostgreSQL manual, "Message Formats", Query)."""


class Cut(Enum):
    """The moment of a commit at which the connection is cut."""

    BEFORE_COMMIT = "the server never hears of it"
    AFTER_COMMIT = "the client never hears of it"


class CuttingProxy:
    """Passes bytes on; `cut_next` commits are cut off, by the oldest first."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._mutes: list[asyncio.Event] = []
        self.port = 0
        self.cut_next: list[Cut] = []
        self.is_open = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client with the server."""
        if not self.is_open:
            writer.close()
            return
        there, here = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, here}
        mute = asyncio.Event()
        self._mutes.append(mute)
        await asyncio.gather(
            self._from_client(reader, here, writer, mute), self._pass(there, writer, mute)
        )

    async def _from_client(
        self,
        reader: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        mute: asyncio.Event,
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if COMMIT in data and self.cut_next:
                    if self.cut_next.pop(0) is Cut.BEFORE_COMMIT:
                        break
                    mute.set()
                    to.write(data)
                    await to.drain()
                    # The answer comes, and goes nowhere.
                    await asyncio.sleep(0.2)
                    break
                to.write(data)
                await to.drain()
        to.close()
        client.close()

    async def _pass(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, mute: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not mute.is_set():
                    to.write(data)
                    await to.drain()
        to.close()

    def mute_all(self) -> None:
        """Let no answer of the server pass by the connections of now, and close none: as a proxy
        does before a server that is gone.
        """
        for mute in self._mutes:
            mute.set()

    def cut_all(self) -> None:
        """Cut all connections now."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[CuttingProxy]:
    """Serve a proxy before the server at `port`."""
    proxy = CuttingProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut_all()
