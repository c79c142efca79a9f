"""A proxy on loopback between clients and a server of PostgreSQL, which cuts connections, swallows
what they carry, or leads clients to another server.
"""

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


class _Line:
    """A connection of a client, and the one of the proxy for it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.is_mute = False
        """Whether answers go nowhere."""
        self.is_silent = False
        """Whether nothing passes, not even an end."""


class CuttingProxy:
    """Passes bytes on; `cut_next` commits are cut off, by the oldest first. New clients are led to
    `server_port`.
    """

    def __init__(self, port: int) -> None:
        self.server_port = port
        self._lines: list[_Line] = []
        self._waiting: list[asyncio.StreamWriter] = []
        self.port = 0
        self.cut_next: list[Cut] = []
        self.is_open = True
        self.answers = True
        """Whether new clients get an answer; otherwise they are connected with nothing."""
        self.silent_from: list[bytes] = []
        """Parts of messages of clients: each silences one connection, from that message on."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client with the server."""
        if not self.is_open:
            writer.close()
            return
        if not self.answers:
            self._waiting.append(writer)
            return
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            # The server is away.
            writer.close()
            return
        line = _Line(writer, here)
        self._lines.append(line)
        await asyncio.gather(self._from_client(reader, line), self._from_server(there, line))

    async def _from_client(self, reader: asyncio.StreamReader, line: _Line) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.silent_from and self.silent_from[0] in data:
                    self.silent_from.pop(0)
                    line.is_silent = True
                if line.is_silent:
                    continue
                if COMMIT in data and self.cut_next:
                    if self.cut_next.pop(0) is Cut.BEFORE_COMMIT:
                        break
                    line.is_mute = True
                    line.server.write(data)
                    await line.server.drain()
                    # The answer comes, and goes nowhere.
                    await asyncio.sleep(0.2)
                    break
                line.server.write(data)
                await line.server.drain()
        if not line.is_silent:
            line.server.close()
            line.client.close()

    async def _from_server(self, reader: asyncio.StreamReader, line: _Line) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not (line.is_mute or line.is_silent):
                    line.client.write(data)
                    await line.client.drain()
        if not line.is_silent:
            line.client.close()

    def mute_all(self) -> None:
        """Let no answer of the server pass by the connections of now, and close none: as a proxy
        does before a server that is gone.
        """
        for line in self._lines:
            line.is_mute = True

    def silence_all(self) -> None:
        """Let nothing pass by the connections of now, in either direction, and close none: as a
        firewall does that has forgotten them.
        """
        for line in self._lines:
            line.is_silent = True

    def cut_all(self) -> None:
        """Cut all connections now."""
        for writer in self._waiting:
            writer.close()
        for line in self._lines:
            line.client.close()
            line.server.close()
        self._lines.clear()
        self._waiting.clear()


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
