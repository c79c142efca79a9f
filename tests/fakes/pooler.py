"""A pooler on loopback before a PostgreSQL server, as PgBouncer is: in transaction mode a client
has a session of the server only for a transaction.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

Message = tuple[bytes, bytes]
"""Type and content (source: PostgreSQL manual, "Message Formats")."""
_NO_PROCESS = b"\xff" * 8
"""Key for cancels: a pooler makes its own."""

_ANSWERED = {b"Q", b"S"}
"""A query of the simple protocol, and the end of several messages of the extended one."""


@dataclass(frozen=True, eq=False)
class _Session:
    """A connection to the server, after its login."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


async def _message(reader: asyncio.StreamReader) -> Message:
    kind = await reader.readexactly(1)
    return kind, await _content(reader)


async def _content(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    return await reader.readexactly(length - 4)


def _packed(message: Message) -> bytes:
    kind, content = message
    return kind + struct.pack("!I", len(content) + 4) + content


class Pooler:
    """Serves clients. `by_transaction` is its mode; otherwise a client keeps its session."""

    def __init__(self, port: int, *, by_transaction: bool) -> None:
        self._server_port = port
        self._by_transaction = by_transaction
        self._idle: deque[_Session] = deque()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client until it leaves."""
        self._writers.append(writer)
        startup = await _content(reader)
        while len(startup) == 4:
            # It asks for encryption.
            writer.write(b"N")
            startup = await _content(reader)
        session = await self._take(startup)
        writer.write(session.greeting)
        self._idle.appendleft(session)
        held: _Session | None = None
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (asked := await _message(reader))[0] != b"X":
                held = held or await self._take(startup)
                held.writer.write(_packed(asked))
                if asked[0] not in _ANSWERED:
                    continue
                if await self._answer(held, writer) == b"I" and self._by_transaction:
                    # The one that was used last is the next one.
                    self._idle.appendleft(held)
                    held = None
        writer.close()

    async def _take(self, startup: bytes) -> _Session:
        if self._idle:
            return self._idle.popleft()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers.append(writer)
        writer.write(struct.pack("!I", len(startup) + 4) + startup)
        greeting = b""
        while (message := await _message(reader))[0] != b"Z":
            greeting += _packed((b"K", _NO_PROCESS) if message[0] == b"K" else message)
        return _Session(reader, writer, greeting + _packed(message))

    async def _answer(self, session: _Session, to: asyncio.StreamWriter) -> bytes:
        """Pass an answer on; return the state of the transaction after it."""
        while True:
            message = await _message(session.reader)
            to.write(_packed(message))
            if message[0] == b"Z":
                await to.drain()
                return message[1]

    def close(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def pooler(port: int, *, by_transaction: bool) -> AsyncIterator[Pooler]:
    """Serve a pooler before the server at `port`, which asks for no password."""
    made = Pooler(port, by_transaction=by_transaction)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.close()
