"""Servers on loopback that are no stand-ins: they behave as no store does."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class LoopbackServer(ABC):
    """A server whose connections end with it; `serve` is one connection."""

    def __init__(self) -> None:
        self._busy: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; it is cut afterwards."""

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Listen, and give the port; then end every connection.

        Raises the first error of a connection.
        """
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            # A connection may be accepted in these turns of the loop, unseen by its task. Before
            # the end of the server: asyncio loses the socket of one that it accepts across it.
            for _ in range(10):
                await asyncio.sleep(0)
            server.close()
            ends: list[BaseException | None] = []
            while self._busy:
                task, writer = self._busy.popitem()
                task.cancel()
                # A task that has not begun yet would not.
                await cut(writer)
                ends += await asyncio.gather(task, return_exceptions=True)
            await server.wait_closed()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy[asyncio.create_task(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, EOFError):
                await self.serve(reader, writer)
        finally:
            await cut(writer)


async def cut(writer: asyncio.StreamWriter) -> None:
    """Cut a connection, and wait until its socket is closed."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
