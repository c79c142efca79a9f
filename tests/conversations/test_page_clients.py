"""Programs that download by the address of a page, whole bot and all: curl, wget and aria2."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch
from tests.conversations.test_pages import by_pages, page_of
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import put_empty_ledger

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

PATIENCE = 60.0
"""Real seconds that one program may take."""
NAMES = (
    "报告 2026.docx", "отчёт.pdf", "שלום.txt", "تقرير.pdf", "👩‍👩‍👧‍👦.png", "Ångström.txt",
    "ﬁle.txt", "ß.TXT", "a+b c.txt", "a%00b.txt", "%zz", "a,b=c.txt", "x; filename=evil.exe",
    "'single'.txt", "=utf-8Q=.txt", "-rf", "--help", "a.tar.gz", "#tag", "b&c=d.txt", "$HOME",
    "{name}", "[x](y).txt", "a;b.txt", "index.html",
)  # fmt: skip
"""Names that stay as they are on their way through the bot."""
LARGE = 8_000_000


@dataclass(frozen=True)
class Client:
    """A program and its options before the address; `out` comes before the name to write to, ""
    where the program finds the name itself.
    """

    command: tuple[str, ...]
    out: str = ""

    def arguments(self, url: str, name: str) -> list[str]:
        """Return the whole command."""
        where = [self.out, name] if self.out else []
        return [*self.command, *where, url]


ARIA2 = ("aria2c", "-q", "-x8", "-s8", "--min-split-size=1M", "--file-allocation=none")
FINDING_NAMES = {
    "curl -LOJ": Client(("curl", "-sSf", "-LOJ")),
    "wget -c": Client(("wget", "-q", "-c")),
    "wget --content-disposition": Client(("wget", "-q", "--content-disposition")),
    "aria2c -x8": Client(ARIA2),
}
RESUMING = {
    "curl -L -C - -o F": Client(("curl", "-sSf", "-L", "-C", "-"), "-o"),
    "wget -c": Client(("wget", "-q", "-c")),
    "aria2c -x8": Client(ARIA2),
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, for a bot with pages at a port of loopback."""
    async with LocalStack(tmp_path / "stage", more=by_pages(free_port())) as stage:
        put_empty_ledger(stage.folder / "relay.sqlite3")
        yield stage


def require(client: Client) -> None:
    """Skip the test where the program is missing."""
    if shutil.which(client.command[0]) is None:
        pytest.skip(f"{client.command[0]} is not here")


@asynccontextmanager
async def started(command: list[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program in a folder; at the end of the block it has ended."""
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder.parent)}
    for name in ("http_proxy", "all_proxy", "https_proxy"):
        environ = {key: value for key, value in environ.items() if key.lower() != name}
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def run(command: list[str], folder: Path) -> int:
    """Run a program to its end, and return its exit code."""
    async with started(command, folder) as process, asyncio.timeout(PATIENCE):
        return await process.wait()


def stored(path: Path) -> int:
    """Return the bytes of a file that the disk has, 0 where it is not there."""
    return path.stat().st_blocks * 512 if path.exists() else 0


async def redirected(url: str) -> str:
    """Return where an address leads to."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        return answer.headers["Location"]


def found(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", FINDING_NAMES)
async def test_bytes_and_names(stage: LocalStack, tmp_path: Path, name: str) -> None:
    """Of every name, from the address that the page shows."""
    client = FINDING_NAMES[name]
    require(client)
    alice = Person(stage)
    await stage.start_bot(alice.id)
    expected, got = {}, {}
    for number, sent in enumerate(NAMES):
        content = sent.encode() * 1000
        await alice.answered(await alice.send(content, sent))
        url = f"{page_of(stage)}/{quote(sent, safe='')}"
        # The chat takes a message a second.
        stage.clock.advance(timedelta(seconds=3))
        folder = tmp_path / "downloads" / str(number)
        folder.mkdir(parents=True)
        code = await run(client.arguments(url, ""), folder)
        expected[sent], got[sent] = (0, {sent: content}), (code, found(folder))

    assert got == expected


@pytest.mark.parametrize("name", RESUMING)
async def test_resumed_after_a_minute(stage: LocalStack, tmp_path: Path, name: str) -> None:
    """What was interrupted goes on from where it was, though its signed URL has died."""
    client = RESUMING[name]
    require(client)
    alice, content = Person(stage), os.urandom(LARGE)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(content, "f.bin"))
    url, folder = f"{page_of(stage)}/f.bin", tmp_path / "downloads"
    folder.mkdir()
    signed = await redirected(url)
    stage.oss.shape.down_total = 2e6
    command = client.arguments(url, "f.bin")
    async with started(command, folder), asyncio.timeout(PATIENCE):
        while stored(folder / "f.bin") < LARGE // 10:  # noqa: ASYNC110 -- of another process.
            await asyncio.sleep(0.02)
    kept = stored(folder / "f.bin")
    stage.clock.advance(timedelta(seconds=61))
    stage.oss.shape.down_total = None
    begun = len(stage.oss.log.of("GetObject"))
    code = await run(command, folder)
    resumed = stage.oss.log.of("GetObject")[begun:]

    assert kept < LARGE
    assert (await fetch(signed))[0] == 403
    assert (code, found(folder)) == (0, {"f.bin": content})
    assert 206 in {entry.status for entry in resumed}


async def test_head(stage: LocalStack) -> None:
    """`curl -I -L` sees the size and the name, from a URL that is signed for HEAD."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"x" * 4321, "f.bin"))
    command = ("curl", "-sS", "-I", "-L", f"{page_of(stage)}/f.bin")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    first, second = out.decode().lower().split("\r\n\r\n")[:2]

    assert first.startswith("http/1.1 303")
    assert second.startswith("http/1.1 200")
    assert "content-length: 4321" in second
    assert [entry.status for entry in stage.oss.log.of("HeadObject")][-1] == 200
