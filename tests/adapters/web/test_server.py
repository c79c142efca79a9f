"""The port itself."""

import asyncio

import pytest

from bot.adapters.web import QUIET, SECRET_HEADER, WebhookRoute
from bot.core.errors import PortTaken
from tests.adapters.web.client import serving
from tests.adapters.web.test_webhook import Receiver, deliver, hook_of


async def test_nothing_else() -> None:
    """Other pages do not exist, and without a webhook no update is taken."""
    async with serving() as client:
        statuses = [(await client.get(path)).status for path in ("/", "/telegram", "/metrics/x")]
        delivered = await client.post("/telegram", b"{}")

    assert statuses == [404, 404, 404]
    assert delivered.status == 404


async def _said(port: int, request: str) -> bytes:
    """Send a request, and return all that is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /healthz?x=1", 200),
        ("HEAD /healthz", 200),
        ("GET /%68ealthz", 200),
        ("GET http://other/healthz", 200),
        ("POST /healthz", 404),
        ("GET /healthz/", 404),
        ("GET //healthz", 404),
        ("OPTIONS *", 404),
    ],
)
async def test_routes(line: str, status: int) -> None:
    """A page has one path, however that is written, and is only looked at."""
    async with serving() as client:
        said = await _said(client.port, f"{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert said.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/a b", "/a%20b"), ("/%7Ebot/x", "/~bot/x"), ("//x", "//x"), ("/ü", "/%C3%BC")],
)
async def test_path_of_the_webhook(path: str, sent: str) -> None:
    """It is found as Telegram sends it, whose library may encode it otherwise."""
    receiver = Receiver()
    hook = WebhookRoute(path, "secret")
    hook.open(receiver.take)
    head = (
        f"POST {sent} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{SECRET_HEADER}: secret\r\n"
        "Content-Length: 16\r\n\r\n"
    )
    async with serving(hook=hook) as client:
        said = await _said(client.port, head + '{"update_id": 7}')

    assert said.startswith(b"HTTP/1.1 200 ")
    assert receiver.taken == [{"update_id": 7}]


async def test_client_that_waits_with_its_body() -> None:
    """It is told to go on, and gets a whole answer afterwards."""
    receiver = Receiver()
    async with serving(hook=hook_of(receiver)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(
            f"POST /telegram HTTP/1.1\r\nHost: a\r\n{SECRET_HEADER}: S-e_cret\r\n"
            "Content-Length: 16\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        async with asyncio.timeout(20):
            told = await reader.readuntil(b"\r\n\r\n")
            writer.write(b'{"update_id": 7}')
            said = await reader.read()
        writer.close()

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert said.startswith(b"HTTP/1.1 200 ")
    assert receiver.taken == [{"update_id": 7}]


async def test_unknown_expectation() -> None:
    """It is refused, and not repeated."""
    head = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: sausages\r\n\r\n"
    async with serving() as client:
        said = await _said(client.port, head)

    assert said.startswith(b"HTTP/1.1 417 ")
    assert b"sausages" not in said
    assert b"X-Robots-Tag: noindex" in said


async def test_headers_of_every_answer() -> None:
    """Those of pages, of what does not exist, and of a refusal by the library."""
    async with serving(hook=hook_of(Receiver())) as client:
        answers = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics", "/x")]
        answers.append(await deliver(client, b"x" * (1 << 20) + b"x"))

    assert [answer.status for answer in answers] == [200, 200, 200, 404, 413]
    assert [
        {name: answer.headers.get(name) for name in QUIET} == dict(QUIET) for answer in answers
    ] == [True] * 5


async def test_port_is_taken() -> None:
    """A port that is in use is an error that names the setting."""
    async with serving() as client:
        with pytest.raises(PortTaken, match=rf"web\.port: .*:{client.port}"):
            async with serving(port=client.port):
                pass
