"""`getFile`: limits, paths and their end."""

from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.telegram import REAL_SIZE, PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.files import CLOUD_LIMIT
from bot.sandbox.telegram.model import Message
from tests.sandbox.telegram.conftest import Call


def id_of(message: Message) -> str:
    """Return the id of the file of a message."""
    assert message.attachment is not None
    return message.attachment.file.file_id


async def test_paths_expire(
    tg: TelegramStandIn, http: aiohttp.ClientSession, call: Call, chat: PrivateChat, alice: User
) -> None:
    """After an hour the path is gone until `getFile` is called again."""
    file_id = id_of(await chat.send_file(alice, content=b"x", name="a.bin"))
    path = (await call("getFile", file_id=file_id))["result"]["file_path"]
    url = f"{tg.file_url}{tg.token}/{path}"
    tg.clock.advance(timedelta(minutes=59))
    async with http.get(url) as answer:
        before = answer.status
    tg.clock.advance(timedelta(minutes=1))
    async with http.get(url) as answer:
        expired, body = answer.status, await answer.json()
    await call("getFile", file_id=file_id)
    async with http.get(url) as answer:
        after = answer.status

    assert (before, expired, after) == (200, 404, 200)
    assert body == {"ok": False, "error_code": 404, "description": "Not Found"}


@pytest.mark.parametrize(
    ("sizes", "allowed"),
    [
        ((CLOUD_LIMIT, REAL_SIZE), True),
        ((CLOUD_LIMIT + 1, REAL_SIZE), False),
        ((CLOUD_LIMIT + 1, None), False),
        ((10, CLOUD_LIMIT + 1), False),
        ((10, 7), True),
        ((10, None), True),
    ],
)
async def test_limit(
    call: Call,
    chat: PrivateChat,
    alice: User,
    tmp_path: Path,
    sizes: tuple[int, int | None],
    allowed: bool,  # noqa: FBT001 (a column of the table.)
) -> None:
    """20 MiB are handed out, one byte more is not, announced or real."""
    size, announced = sizes
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(size)
    message = await chat.send_file(alice, content=path, announced_size=announced)
    told = message.json()["document"].get("file_size")
    answer = await call("getFile", file_id=id_of(message))

    assert told == (size if announced == REAL_SIZE else announced)
    assert allowed == answer["ok"]
    if allowed:
        assert size == answer["result"]["file_size"]
    else:
        assert answer["description"] == "Bad Request: file is too big"


async def test_a_file_that_is_gone(
    call: Call, chat: PrivateChat, alice: User, tmp_path: Path
) -> None:
    """Bytes that the server lost are told in its own words."""
    path = tmp_path / "gone"
    path.write_bytes(b"x")
    message = await chat.send_file(alice, content=path)
    path.unlink()
    answer = await call("getFile", file_id=id_of(message))

    assert (
        answer["description"]
        == "Bad Request: wrong file_id or the file is temporarily unavailable"
    )


async def test_empty_file(call: Call, chat: PrivateChat, alice: User) -> None:
    """A size of nothing is left out, as by the real server."""
    message = await chat.send_file(alice, content=b"", name="empty.txt")
    file = (await call("getFile", file_id=id_of(message)))["result"]

    assert "file_size" not in message.json()["document"]
    assert "file_size" not in file
