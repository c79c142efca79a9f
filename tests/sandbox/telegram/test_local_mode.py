"""Local mode: files on the server's disk."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from telegram.error import NetworkError
from telegram.ext import ExtBot

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import TelegramStandIn
from bot.sandbox.telegram.model import Message
from tests.sandbox.telegram.conftest import Call

BIG = 3 << 30

Send = Callable[..., Awaitable[str]]


def sparse(folder: Path, size: int) -> Path:
    """Make a file that is large and takes no room."""
    path = folder / f"sparse-{size}"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def size_of(path: Path) -> int | None:
    """Return the bytes of a file, `None` when it is not there."""
    return path.stat().st_size if path.exists() else None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that server and bot share."""
    return tmp_path / "shared"


@pytest.fixture
async def tg(tmp_path: Path, root: Path, clock: SandboxClock) -> AsyncIterator[TelegramStandIn]:
    """A server in local mode."""
    async with TelegramStandIn(tmp_path, clock=clock, local_root=root) as running:
        yield running


@pytest.fixture
def send(tg: TelegramStandIn) -> Send:
    """Send a file and return its id."""
    alice = tg.add_user("Alice")

    async def send_file(content: bytes | Path) -> str:
        message: Message = await tg.private_chat(alice).send_file(
            alice, content=content, name="a.bin"
        )
        assert message.attachment is not None
        return message.attachment.file.file_id

    return send_file


async def test_large_file_in_place(
    tg: TelegramStandIn, bot: ExtBot[None], send: Send, root: Path, tmp_path: Path
) -> None:
    """A file of any size is told by its absolute path below the root."""
    found = await bot.get_file(await send(sparse(tmp_path, BIG)))
    assert found.file_path is not None
    path = Path(found.file_path)

    assert path.is_absolute()
    assert path.is_relative_to(root)
    assert (found.file_size, path.stat().st_size) == (BIG, BIG)
    assert [path] == tg.local.paths


async def test_waits_until_it_is_there(tg: TelegramStandIn, bot: ExtBot[None], send: Send) -> None:
    """`getFile` answers when the download is over; two calls share one download."""
    tg.local.hold()
    file_id = await send(b"x")
    calls = [asyncio.create_task(bot.get_file(file_id, read_timeout=20)) for _ in range(2)]
    await tg.wait_for(lambda: len(tg.log.of("getFile")) == 2 and tg.local.downloading == 1)
    before = tg.local.paths
    tg.local.release()
    files = await asyncio.gather(*calls)

    assert before == []
    assert files[0].file_path == files[1].file_path


async def test_idle_cut(tg: TelegramStandIn, bot: ExtBot[None], send: Send) -> None:
    """After 500 s without an answer the connection closes; asking again joins the download."""
    tg.local.delay = timedelta(seconds=700)
    file_id = await send(b"x")
    first = asyncio.create_task(bot.get_file(file_id, read_timeout=20))
    await tg.wait_for(lambda: tg.local.downloading == 1)
    tg.clock.advance(timedelta(seconds=500))
    with pytest.raises(NetworkError):
        await first
    second = asyncio.create_task(bot.get_file(file_id, read_timeout=20))
    await tg.wait_for(lambda: len(tg.log.of("getFile")) == 2)
    tg.clock.advance(timedelta(seconds=200))

    assert (await second).file_path is not None
    assert [entry.status for entry in tg.log.of("getFile")] == [0, 200]


async def test_vanished_files_come_back(
    tg: TelegramStandIn, bot: ExtBot[None], send: Send
) -> None:
    """A file that is gone is brought again by the next call."""
    file_id = await send(b"again")
    path = Path((await bot.get_file(file_id)).file_path or "")
    tg.local.vanish(path)
    gone = size_of(path) is None
    await bot.get_file(file_id)

    assert gone
    assert path.read_bytes() == b"again"


async def test_clean_up(
    tg: TelegramStandIn, bot: ExtBot[None], send: Send, tmp_path: Path
) -> None:
    """Once a day: what was not used for 23 hours goes; beyond 100 MiB, what is older than one."""
    old = Path((await bot.get_file(await send(b"old"))).file_path or "")
    tg.clock.advance(timedelta(hours=2))
    large = Path((await bot.get_file(await send(sparse(tmp_path, 200 << 20)))).file_path or "")
    immune = tg.local.clean_up()
    tg.clock.advance(timedelta(minutes=61))
    beyond = tg.local.clean_up()
    kept = Path((await bot.get_file(await send(b"kept"))).file_path or "")
    tg.clock.advance(timedelta(days=1))
    await tg.wait_for(lambda: size_of(kept) is None)

    assert ([old], [large]) == (immune, beyond)


async def test_no_file_route(tg: TelegramStandIn, bot: ExtBot[None], send: Send) -> None:
    """A local server serves no files over HTTP."""
    await bot.get_file(await send(b"x"))
    with pytest.raises(NetworkError, match="Not Found"):
        await _fetch(bot, f"{tg.file_url}{tg.token}/documents/file_0.bin")


async def _fetch(bot: ExtBot[None], url: str) -> None:
    try:
        await bot.request.retrieve(url)
    except Exception as error:
        # The library reads any 404 as a wrong token.
        raise NetworkError(str(error)) from error


async def test_uploads_by_path(call: Call, tg: TelegramStandIn, tmp_path: Path) -> None:
    """A local server takes files of its own disk by name."""
    chat = tg.private_chat(tg.add_user("Alice"))
    path = tmp_path / "own.txt"
    path.write_bytes(b"own")
    sent = await call("sendDocument", chat_id=chat.id, document=path.as_uri())
    missing = await call("sendDocument", chat_id=chat.id, document=f"{path.as_uri()}.none")
    document = sent["result"]["document"]

    assert (document["file_name"], document["file_size"]) == ("own.txt", 3)
    assert missing["description"] == "Bad Request: wrong file identifier/HTTP URL specified"


async def test_folder_from_the_start(tg: TelegramStandIn, root: Path) -> None:
    """It is there before the first file, as that of the server: a worker waits for it."""
    assert tg.local.root == root
    assert root.is_dir()


async def test_only_with_a_root(tmp_path: Path) -> None:
    """A cloud server has no local files."""
    with pytest.raises(RuntimeError, match="local_root"):
        _ = TelegramStandIn(tmp_path).local
