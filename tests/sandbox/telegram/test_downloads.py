"""`getFile` and the download behind it."""

import asyncio
import time

import aiohttp
import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.downloads import ByteRange, parse_range
from bot.sandbox.telegram.model import Message
from tests.sandbox.telegram.conftest import Call

BODY = bytes(range(256)) * 1000


def id_of(message: Message) -> str:
    """Return the id of the file of a message."""
    assert message.attachment is not None
    return message.attachment.file.file_id


@pytest.fixture
async def url(tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User) -> str:
    """The address of a file of 256,000 bytes."""
    message = await chat.send_file(alice, content=BODY, name="a.bin")
    file = (await call("getFile", file_id=id_of(message)))["result"]
    return f"{tg.file_url}{tg.token}/{file['file_path']}"


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, ByteRange(0, 100, partial=False)),
        ("bytes=0-", ByteRange(0, 100, partial=True)),
        ("bytes=10-19", ByteRange(10, 20, partial=True)),
        ("bytes=90-500", ByteRange(90, 100, partial=True)),
        ("bytes=-5", ByteRange(95, 100, partial=True)),
        ("bytes=100-", None),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", ByteRange(0, 100, partial=False)),
        ("lines=1-2", ByteRange(0, 100, partial=False)),
        ("bytes=-", ByteRange(0, 100, partial=False)),
    ],
)
def test_span(header: str | None, span: ByteRange | None) -> None:
    """One range of bytes is honoured, nonsense is ignored, nothing to give is no span."""
    assert span == parse_range(header, 100)


async def test_whole_file(url: str, http: aiohttp.ClientSession, tg: TelegramStandIn) -> None:
    """A download has its length and its bytes, and is remembered."""
    async with http.get(url) as answer:
        body = await answer.read()
    entry = tg.log.of("file")[0]

    assert (200, len(BODY)) == (answer.status, answer.content_length)
    assert body == BODY
    assert (entry.params["path"], entry.status) == ("documents/file_0.bin", 200)


async def test_range(url: str, http: aiohttp.ClientSession, tg: TelegramStandIn) -> None:
    """Range is honoured or not, as it is set."""
    headers = {"Range": "bytes=1000-1999"}
    async with http.get(url, headers=headers) as answer:
        part, status, told = await answer.read(), answer.status, answer.headers["Content-Range"]
    tg.ranges = False
    async with http.get(url, headers=headers) as answer:
        whole = await answer.read()

    assert (status, told) == (206, "bytes 1000-1999/256000")
    assert (BODY[1000:2000], BODY) == (part, whole)


async def test_range_beyond_the_end(url: str, http: aiohttp.ClientSession) -> None:
    """A range behind the end is refused with the size."""
    async with http.get(url, headers={"Range": "bytes=256000-"}) as answer:
        told = answer.headers["Content-Range"]

    assert (answer.status, told) == (416, "bytes */256000")


async def test_never_asked_for(
    tg: TelegramStandIn, http: aiohttp.ClientSession, chat: PrivateChat, alice: User
) -> None:
    """A path works only after `getFile`, and only with the right token."""
    await chat.send_file(alice, content=b"x", name="a.bin")
    async with http.get(f"{tg.file_url}{tg.token}/documents/file_0.bin") as answer:
        unasked = answer.status
    async with http.get(f"{tg.file_url}1:wrong/documents/file_0.bin") as answer:
        wrong = answer.status

    assert (unasked, wrong) == (404, 401)


async def test_bandwidth(url: str, http: aiohttp.ClientSession, tg: TelegramStandIn) -> None:
    """A rate holds for each connection, another for all together."""
    tg.shape.down_per_connection = 1_280_000
    started = time.monotonic()
    async with http.get(url) as answer:
        await answer.read()
    took = time.monotonic() - started

    assert took >= 0.1


@pytest.mark.parametrize("effect", [Effect.TRUNCATE, Effect.RESET, Effect.STALL])
async def test_bodies_break(
    url: str, http: aiohttp.ClientSession, tg: TelegramStandIn, effect: Effect
) -> None:
    """A body that breaks off has the bytes before the break, and can be resumed."""
    args: dict[str, str | int | float] = {"bytes": 100_000, "seconds": 0}
    tg.faults.add(Fault("file", effect, args=args))
    got = bytearray()
    with pytest.raises(aiohttp.ClientError):
        await _read(http, url, got)
    broken = len(got)
    await _read(http, url, got, {"Range": f"bytes={broken}-"})

    assert broken <= 100_000
    assert got == BODY
    assert [entry.status for entry in tg.log.of("file")] == [0, 206]


async def _read(
    http: aiohttp.ClientSession,
    url: str,
    into: bytearray,
    headers: dict[str, str] | None = None,
) -> None:
    async with http.get(url, headers=headers) as answer:
        async for block in answer.content.iter_any():
            into.extend(block)


@pytest.mark.parametrize(
    ("effect", "args", "status"),
    [
        (Effect.ERROR, {"status": 404}, 404),
        (Effect.ERROR, {"status": 500}, 500),
        (Effect.HTML, {"status": 502}, 502),
        (Effect.LATE, {"seconds": 0.01}, 200),
    ],
)
async def test_refused_downloads(
    url: str,
    http: aiohttp.ClientSession,
    tg: TelegramStandIn,
    effect: Effect,
    args: dict[str, str | int | float],
    status: int,
) -> None:
    """The front end can fail in its own ways."""
    tg.faults.add(Fault("file", effect, args=args))
    async with http.get(url) as answer:
        await answer.read()

    assert status == answer.status == tg.log.of("file")[0].status


async def test_many_at_once(url: str, http: aiohttp.ClientSession) -> None:
    """Downloads do not get into each other's way."""

    async def fetch() -> bytes:
        async with http.get(url) as answer:
            return await answer.read()

    bodies = await asyncio.gather(*(fetch() for _ in range(8)))

    assert bodies == [BODY] * 8
