"""A line of its own for one process: everything that it gets and sends passes here at a rate.

`python -m tests.bench.line RATE PORT...` listens on a port for each server at `PORT` of loopback,
prints the ports, and passes bytes on: `RATE` bytes per second in each direction, for all servers
together. Every line on standard input is answered with the bytes so far, those to the servers
first. It ends with standard input, so it cannot outlive its parent.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from bot.sandbox.shaping import Throttle

BLOCK: Final = 32 << 10
"""Bytes at once: four milliseconds of 8 MB/s."""
BUFFER: Final = 128 << 10
"""Bytes that the kernel holds for a connection: small, so that a sender feels the rate."""


class Direction:
    """One direction of the line. `passed` are the bytes so far."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._throttle = Throttle()
        self.passed = 0

    async def carry(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """Pass on what comes until it ends; then end the other side too."""
        with suppress(ConnectionError):
            while data := await reader.read(BLOCK):
                await self._throttle.pass_through(len(data), self._rate)
                self.passed += len(data)
                to.write(data)
                await to.drain()
        to.close()


class Line:
    """Both directions, for any number of servers."""

    def __init__(self, rate: float) -> None:
        self.up = Direction(rate)
        self.down = Direction(rate)

    @asynccontextmanager
    async def to(self, port: int) -> AsyncIterator[int]:
        """Listen for connections to the server at `port`, and yield the port to connect to."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection(sock=await _connected(port), limit=BLOCK)
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                self.up.carry(reader, there[1]), self.down.carry(there[0], writer)
            )

        listener = _small(socket.socket())
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(serve, sock=listener, limit=BLOCK)
        async with server:
            yield int(listener.getsockname()[1])


async def _connected(port: int) -> socket.socket:
    there = _small(socket.socket())
    await asyncio.get_running_loop().sock_connect(there, ("127.0.0.1", port))
    return there


def _small(made: socket.socket) -> socket.socket:
    made.setblocking(False)  # noqa: FBT003 -- the signature of the standard library.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    return made


async def serve(rate: float, ports: Sequence[int]) -> None:
    """Serve until standard input ends."""
    line = Line(rate)
    async with AsyncExitStack() as stack:
        own = [await stack.enter_async_context(line.to(port)) for port in ports]
        sys.stdout.write(" ".join(map(str, own)) + "\n")
        sys.stdout.flush()
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while await lines.readline():
            sys.stdout.write(f"{line.up.passed} {line.down.passed}\n")
            sys.stdout.flush()
        # Connections that are still open end with the process.
        sys.exit()


if __name__ == "__main__":
    # Ctrl-C goes to every process of a terminal; this one is stopped by its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(float(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
