"""A server that answers with bytes as they are written down, or breaks the connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from types import TracebackType
from typing import Self

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """Serves `answers` in turn, one connection each, the last one for ever.

    `asked` has head and body of every request; `was_asked` is set with the first.
    """

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.was_asked = asyncio.Event()
        self._answers = list(answers)
        self._at_work: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client may connect, think better of it and go.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            async with closing(writer):
                await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.asked.append((head, await reader.readexactly(_length(head))))
        self.was_asked.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        await answer(writer)


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close the connection at the end, and wait until it is."""
    try:
        yield
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def _length(head: str) -> int:
    lines = (line.partition(":") for line in head.lower().splitlines())
    return next((int(value) for name, _, value in lines if name == "content-length"), 0)


def http(status: int, body: bytes, **headers: str) -> Answer:
    """Answer in HTTP; a header's underscores stand for hyphens."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()

    return answer


def api(result: object) -> Answer:
    """Answer as the Bot API does when all is well."""
    return http(200, json.dumps({"ok": True, "result": result}).encode())


def refusal(status: int, description: str, **parameters: int) -> Answer:
    """Answer as the Bot API does when it refuses."""
    body: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return http(status, json.dumps(body).encode(), Content_Type="application/json")


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection without a word."""
    writer.transport.abort()


async def silence(_: asyncio.StreamWriter) -> None:
    """Say nothing until the test is over."""
    await asyncio.Event().wait()
