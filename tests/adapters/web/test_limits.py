"""Connections that never send a whole request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bot.adapters.web import SECRET_HEADER, WebhookRoute
from bot.adapters.web_limits import WebLimits
from tests.adapters.web.client import serving

HALF = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "
SHORT = WebLimits(connections=30, per_address=20, head=0.2, body=0.2)
PATIENT = WebLimits(connections=30, per_address=20, head=60.0)


@asynccontextmanager
async def half_open(
    port: int, count: int, sent: bytes = HALF
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open so many connections, send the beginning of a request on each, and keep them."""
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(sent)
            readers.append(reader)
        yield readers


async def _ends(readers: list[asyncio.StreamReader]) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(_end(reader) for reader in readers))


async def _end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass


async def test_head_that_never_ends() -> None:
    """A request whose head does not come in time is given up, even while bytes drip in."""
    async with serving(limits=SHORT) as client, half_open(client.port, 5) as readers:
        await _ends(readers)
        answer = await client.get("/healthz")

    assert answer.status == 200


async def test_more_than_fit() -> None:
    """The oldest connections that wait are closed in favour of new ones, which are answered."""
    async with serving(limits=PATIENT) as client, half_open(client.port, 100) as readers:
        await _ends(readers[:80])
        answers = [(await client.get("/healthz")).status for _ in range(3)]

    assert answers == [200, 200, 200]


async def test_body_that_never_ends() -> None:
    """A delivery whose body does not come in time is refused and its connection closed."""
    hook = WebhookRoute("/telegram", "secret")
    head = (
        f"POST /telegram HTTP/1.1\r\nHost: a\r\n{SECRET_HEADER}: secret\r\n"
        "Content-Length: 1000\r\n\r\n{"
    )
    async with (
        serving(hook=hook, limits=SHORT) as client,
        half_open(client.port, 1, head.encode()) as (reader,),
    ):
        async with asyncio.timeout(20):
            said = await reader.read()

    assert said.startswith(b"HTTP/1.1 408 ")


async def test_connection_is_used_again() -> None:
    """Requests that come in time share a connection, as those of Telegram do."""
    async with serving(limits=SHORT) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        said = []
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            said.append(await reader.readuntil(b"ok\n"))
        writer.close()

    assert [answer.split(b" ")[1] for answer in said] == [b"200"] * 3


@pytest.mark.parametrize("held", [0.5, 1.5])
async def test_time_counts_from_the_answer_before(held: float) -> None:
    """What the request before took is not taken from the next one, and what is answered never
    waits for ever.
    """
    loop, head = asyncio.get_running_loop(), 0.4
    answered_at = 0.0

    async def take(_: dict[str, Any]) -> None:
        nonlocal answered_at
        # The subject is real time.
        await asyncio.sleep(held * head)
        answered_at = loop.time()

    hook = WebhookRoute("/telegram", "secret")
    hook.open(take)
    request = (
        f"POST /telegram HTTP/1.1\r\nHost: a\r\n{SECRET_HEADER}: secret\r\n"
        'Content-Length: 16\r\n\r\n{"update_id": 7}'
    )
    limits = WebLimits(connections=30, per_address=20, head=head)
    async with (
        serving(hook=hook, limits=limits) as client,
        half_open(client.port, 1, request.encode()) as (reader,),
    ):
        async with asyncio.timeout(20):
            said = await reader.readuntil(b"\r\n\r\n")
            await _end(reader)
        closed_at = loop.time()

    assert said.startswith(b"HTTP/1.1 200 ")
    assert closed_at - answered_at >= head
