"""Uploads: what is stored, what is refused, and that nothing is left of that."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.telegram import ControlRefused, RemoteTelegram, TelegramStandIn, User
from bot.sandbox.telegram.page.uploads import Uploads


async def put(
    tg: TelegramStandIn, http: aiohttp.ClientSession, body: bytes, name: str = "a.bin"
) -> tuple[int, dict[str, object]]:
    """Upload and return the HTTP status, and the result or the refusal."""
    url, headers = f"{tg.control_url}/page/upload", {"Content-Type": "image/png"}
    async with http.post(url, params={"name": name}, data=body, headers=headers) as answer:
        document = await answer.json()
        return answer.status, document.get("result", document)


def stored(tmp_path: Path) -> list[Path]:
    """Return the files of all uploads."""
    return list((tmp_path / "telegram" / "page").glob("*"))


async def test_an_upload_is_sent(
    tg: TelegramStandIn,
    http: aiohttp.ClientSession,
    remote: RemoteTelegram,
    alice: User,
    tmp_path: Path,
) -> None:
    """An upload lies below the stand-in's folder, and can be sent by its id, with its name."""
    status, upload = await put(tg, http, b"123", "Holiday 假期?.png")
    where = {"chat_id": alice.id, "user_id": alice.id}
    await remote.ask("send_file", **where, upload=upload["id"], caption="look")
    file = tg.chat(alice.id).messages[0].file

    assert (status, upload["size"]) == (200, 3)
    assert stored(tmp_path) == [Path(str(upload["path"]))]
    assert file is not None
    assert (file.name, file.mime, file.size) == ("Holiday 假期?.png", "image/png", 3)
    assert file.path.read_bytes() == b"123"


async def test_an_album(
    tg: TelegramStandIn, http: aiohttp.ClientSession, remote: RemoteTelegram, alice: User
) -> None:
    """Several uploads are one album, with the caption at the first."""
    items = [{"upload": (await put(tg, http, b"1", name))[1]["id"]} for name in ("a", "b")]
    where = {"chat_id": alice.id, "user_id": alice.id}
    ids = await remote.ask("send_album", **where, items=items, caption="both")
    sent = [tg.chat(alice.id).require(message_id) for message_id in ids]

    assert len({message.media_group_id for message in sent} - {None}) == 1
    assert [message.body.text if message.body else None for message in sent] == ["both", None]


async def test_an_unknown_upload(remote: RemoteTelegram, alice: User) -> None:
    """Only what was uploaded can be sent by an id."""
    with pytest.raises(ControlRefused):
        await remote.ask("send_file", chat_id=alice.id, user_id=alice.id, upload="../1")


async def test_an_empty_file(
    tg: TelegramStandIn, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """An empty file is refused, as by Telegram's apps."""
    status, refusal = await put(tg, http, b"")

    assert (status, "empty" in str(refusal["error"])) == (400, True)
    assert stored(tmp_path) == []


async def test_a_file_beyond_the_bound(
    tg: TelegramStandIn, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """A file may have the largest size, and not one byte more."""
    tg.uploads.largest = 10
    at_bound, _ = await put(tg, http, b"1" * 10)
    beyond, _ = await put(tg, http, b"1" * 11)

    assert (at_bound, beyond) == (200, 413)
    assert [path.stat().st_size for path in stored(tmp_path)] == [10]


async def test_all_files_beyond_the_bound(
    tg: TelegramStandIn, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """All files together are bounded too; one that was refused takes no room."""
    tg.uploads.total = 10
    statuses = [(await put(tg, http, b"1" * size))[0] for size in (6, 6, 4, 1)]

    assert statuses == [200, 507, 200, 507]
    assert sorted(path.stat().st_size for path in stored(tmp_path)) == [4, 6]


class BrokenRequest:
    """A request whose connection breaks within the body."""

    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.content = self

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the first bytes of the body."""
        yield b"abc"
        raise ConnectionResetError


async def test_a_broken_connection(tmp_path: Path) -> None:
    """Nothing is left of an upload that ends early, and it takes no room."""
    uploads = Uploads(tmp_path / "telegram" / "page", total=3)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await uploads.receive(cast("web.BaseRequest", BrokenRequest()))

    assert stored(tmp_path) == []


async def test_a_page_that_goes(
    tg: TelegramStandIn,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An upload that breaks off is no error of the server."""
    broken = cast("web.BaseRequest", BrokenRequest())
    receive = tg.uploads.receive
    monkeypatch.setattr(tg.uploads, "receive", lambda _: receive(broken))
    async with http.post(f"{tg.control_url}/page/upload", data=b"123") as answer:
        assert answer.status == 400

    assert caplog.records == []
