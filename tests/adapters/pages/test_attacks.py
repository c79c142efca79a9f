"""Attacks on the pages, byte by byte: what is no request, what is one of another address, and
what would put words into an answer.
"""

import asyncio
import logging
from collections.abc import Callable
from email.message import Message
from email.parser import BytesHeaderParser

import pytest

from bot.adapters.web import QUIET
from bot.core.ports.metrics import PageRefusal
from tests.adapters.pages.site import Site

CLOSE = "Host: files.example.org\r\nConnection: close\r\n"
EVIL = "evil.example"


async def raw(site: Site, sent: str | bytes) -> tuple[int, Message, bytes]:
    """Send bytes as they are, and return status, headers and body of what comes until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(sent if isinstance(sent, bytes) else sent.encode("latin-1"))
        async with asyncio.timeout(20):
            said = await reader.read()
            while more := await reader.read():
                said += more
    except ConnectionError:
        said = b""
    finally:
        writer.close()
    line, _, rest = said.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    status = int(line.split(b" ")[1]) if line else 0
    return status, BytesHeaderParser().parsebytes(head), body


NO_REQUESTS = {
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\r\n\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": "GET /TOKEN HTTP/3.0\r\nHost: x\r\n\r\n",
    "no host": "GET /TOKEN HTTP/1.1\r\n\r\n",
    "two hosts": "GET /TOKEN HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "open bracket": f"GET http://[::1/TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "port out of range": f"GET http://x:99999999/TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "no slash": f"GET TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "lower case": f"get /TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "unknown method": f"BREW /TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "endless method": "A" * 20_000 + f" /TOKEN HTTP/1.1\r\n{CLOSE}\r\n",
    "NUL": f"GET /TOKEN\x00 HTTP/1.1\r\n{CLOSE}\r\n",
    "blank": f"GET /TOKEN/a b HTTP/1.1\r\n{CLOSE}\r\n",
    "bare bytes": f"GET /TOKEN/\xe9 HTTP/1.1\r\n{CLOSE}\r\n",
    "long target": f"GET /TOKEN/{'a' * 9000} HTTP/1.1\r\n{CLOSE}\r\n",
    "long header": f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X: {'a' * 9000}\r\n\r\n",
    "many headers": f"GET /TOKEN HTTP/1.1\r\n{CLOSE}{'X: a' + chr(13) + chr(10)}" * 2000 + "\r\n",
    "folded header": f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X: a\r\n b\r\n\r\n",
    "blank in a name": f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X Y: z\r\n\r\n",
    "control in a value": f"GET /TOKEN HTTP/1.1\r\n{CLOSE}Cookie: pass=\x01\r\n\r\n",
    "two lengths": f"POST /TOKEN/1/get HTTP/1.1\r\n{CLOSE}Content-Length: 4\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /TOKEN HTTP/1.1\r\n\r\n",
    "chunked twice": f"POST /TOKEN/1/get HTTP/1.1\r\n{CLOSE}"
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "negative length": f"POST /TOKEN/1/get HTTP/1.1\r\n{CLOSE}Content-Length: -1\r\n\r\n",
    "signed length": f"POST /TOKEN/1/get HTTP/1.1\r\n{CLOSE}Content-Length: +0\r\n\r\n",
    "bad chunk": f"POST /TOKEN/password HTTP/1.1\r\n{CLOSE}"
    "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
}
"""What is refused before any of our code sees it. The library sees a TOKEN in most of them."""

REQUESTS = {
    "OPTIONS *": (f"OPTIONS * HTTP/1.1\r\n{CLOSE}\r\n", 405),
    "CONNECT": (f"CONNECT {EVIL}:443 HTTP/1.1\r\n{CLOSE}\r\n", 405),
    "TRACE": (f"TRACE /TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 405),
    "DELETE": (f"DELETE /TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 405),
    "another method by a header": (
        f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X-HTTP-Method-Override: DELETE\r\n\r\n",
        200,
    ),
    "expectation": (f"GET /TOKEN HTTP/1.1\r\n{CLOSE}Expect: 200-maybe\r\n\r\n", 417),
    "web socket": (
        "GET /TOKEN HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n"
        "Upgrade: websocket\r\n\r\n",
        200,
    ),
    "parameter": (f"GET /TOKEN;x=1 HTTP/1.1\r\n{CLOSE}\r\n", 303),
    "as a query": (f"GET /?TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "up": (f"GET /-/../TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "up, encoded": (f"GET /-/..%2fTOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "up, twice encoded": (f"GET /-/%252e%252e/TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "up, overlong": (f"GET /%c0%ae%c0%ae/TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "to the disk": (f"GET /-/../../../etc/passwd HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "two slashes": (f"GET //TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "backslash": (f"GET /\\TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "encoded token": (f"GET /%54OKEN HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "NUL after the token": (f"GET /TOKEN%00 HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "line in the token": (f"GET /TOKEN%0d%0a HTTP/1.1\r\n{CLOSE}\r\n", 404),
    "NUL in a name": (f"GET /TOKEN/%00 HTTP/1.1\r\n{CLOSE}\r\n", 303),
    "line in a name": (f"GET /TOKEN/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\n{CLOSE}\r\n", 303),
    "no UTF-8 in a name": (f"GET /TOKEN/%ff%c3%28 HTTP/1.1\r\n{CLOSE}\r\n", 303),
    "half an escape": (f"GET /TOKEN/%zz% HTTP/1.1\r\n{CLOSE}\r\n", 303),
    "another host": (f"GET /TOKEN HTTP/1.1\r\nHost: {EVIL}\r\nConnection: close\r\n\r\n", 200),
    "host with a tag": (
        "GET /TOKEN HTTP/1.1\r\nHost: a<b>\"'\r\nConnection: close\r\n\r\n",
        200,
    ),
    "host without a number": (
        "GET /TOKEN HTTP/1.1\r\nHost: x:abc\r\nConnection: close\r\n\r\n",
        200,
    ),
    "forwarded host": (
        f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X-Forwarded-Host: {EVIL}\r\nForwarded: host={EVIL}\r\n"
        f"X-Original-URL: /{EVIL}\r\nX-Rewrite-URL: /{EVIL}\r\n"
        f"X-Forwarded-Prefix: /{EVIL}\r\n\r\n",
        200,
    ),
    "target of another host": (f"GET http://{EVIL}/TOKEN HTTP/1.1\r\n{CLOSE}\r\n", 200),
    "cookies without end": (
        f"GET /TOKEN HTTP/1.1\r\n{CLOSE}Cookie: {';'.join(f'a{n}=b' for n in range(900))}\r\n\r\n",
        200,
    ),
    "addresses that are none": (
        f"GET /TOKEN HTTP/1.1\r\n{CLOSE}X-Forwarded-For: ,,%,[::1]:99999,\xe9\r\n\r\n",
        200,
    ),
    "range that is none": (f"GET /TOKEN/x HTTP/1.1\r\n{CLOSE}Range: bytes=-,,9-1\r\n\r\n", 303),
    "body of a GET": (f"GET /TOKEN HTTP/1.1\r\n{CLOSE}Content-Length: 3\r\n\r\nabc", 200),
    "compressed form": (
        f"POST /SECRET/password HTTP/1.1\r\n{CLOSE}Content-Encoding: gzip\r\n"
        "Content-Length: 5\r\n\r\nabcde",
        403,
    ),
    "charset that is none": (
        f"POST /SECRET/password HTTP/1.1\r\n{CLOSE}Content-Type: text/plain; charset=x\r\n"
        "Content-Length: 5\r\n\r\n\xff\xfe\x00ab",
        403,
    ),
    "large form": (
        f"POST /SECRET/password HTTP/1.1\r\n{CLOSE}Content-Length: 9000\r\n\r\n" + "a" * 9000,
        413,
    ),
}


async def test_what_is_no_request(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused without a byte of it in the answer, and without a line in the log."""
    token = (await site.page()).page.token
    for name, sent in NO_REQUESTS.items():
        status, headers, body = await raw(site, sent.replace("TOKEN", token))
        assert (status, body) == (400, b"400\n"), name
        assert {header: headers[header] for header in QUIET} == dict(QUIET), name

    assert [record.getMessage() for record in caplog.records if record.levelno > 20] == []


async def test_odd_requests(site: Site) -> None:
    """They are answered as others are; no header of the request gets into an answer."""
    token = (await site.page()).page.token
    secret = (await site.page(password_hash=await site.passwords.hash("a b c d"))).page.token
    encoded = f"%{ord(token[0]):x}{token[1:]}"
    for name, (form, expected) in REQUESTS.items():
        sent = form.replace("%54OKEN", encoded).replace("TOKEN", token).replace("SECRET", secret)
        status, headers, body = await raw(site, sent)
        assert status == expected, name
        assert headers["Server"] == "file-relay", name
        assert set(QUIET) <= set(headers), name
        assert EVIL not in f"{headers.items()} {body!r}", name
        assert "Set-Cookie" not in headers, name


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the server does."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- a server in this loop, without an event.
            await asyncio.sleep(0)


async def test_cut_off_bodies(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A visitor who leaves, or sends other than announced, is no error of ours."""
    token = (await site.page(password_hash="x")).page.token
    head = f"POST /{token}/password HTTP/1.1\r\n{CLOSE}"
    for rest in ("Content-Length: 50\r\n\r\npass", "Transfer-Encoding: chunked\r\n\r\n5\r\npa"):
        before = len(site.metrics.refusals)
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"{head}{rest}".encode())
        await writer.drain()
        writer.close()
        await until(lambda n=before: len(site.metrics.refusals) > n)  # type: ignore[misc]

    assert site.metrics.refusals == [PageRefusal.MALFORMED] * 2
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
