"""Files of a local server: waited for, read in place, hashed once, and tidied up."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import stamina
from telegram import Bot

from bot.adapters.telegram.local_copies import CopyRecords, FileRoot, ServerCopies
from bot.adapters.telegram.local_files import ATTEMPTS, LocalFiles, LocalServer
from bot.adapters.telegram.request import AiohttpRequest
from bot.core.errors import (
    FileEmpty,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    SourceGone,
    SourceUnavailable,
    StoreUnavailable,
    TransferCancelled,
)
from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Digest, FileSource
from bot.transfer.pool import TransferPool
from tests.adapters.telegram.wire import Answer, Wire, api, http, refusal, reset, silence

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"
DATA = bytes(range(256)) * 20_000
DIGEST = Digest(len(DATA), hashlib.sha256(DATA).hexdigest())
FILE = IncomingFile("id", "unique", FileKind.DOCUMENT, "a.bin", None, None)
LIMIT = 6_000_000


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file where the server has put it."""
    path = tmp_path / "server" / "documents" / "file_0.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path


def found(place: Path, size: int | None = None) -> Answer:
    """The answer of a server that has the file."""
    result = {"file_id": "id", "file_unique_id": "u", "file_path": str(place)}
    return api(result if size is None else {**result, "file_size": size})


@dataclass
class Scene:
    """A local server, a source in front of it, and what the ledger says."""

    files: LocalFiles
    server: Wire
    notes: Path
    unfinished: dict[int, str]


@asynccontextmanager
async def local(
    tmp_path: Path, *answers: Answer, patience: timedelta = timedelta(seconds=30)
) -> AsyncIterator[Scene]:
    """Run a server that gives these answers; job 7 is unfinished."""
    request = AiohttpRequest()
    notes = tmp_path / "spool"
    unfinished: dict[int, str] = {7: FILE.file_unique_id}

    async def ask() -> dict[int, str]:
        return unfinished

    async with Wire(*answers) as server, request, TransferPool(4) as pool:
        bot = Bot(TOKEN, f"{server.url}/bot", f"{server.url}/file/bot", request=request)
        copies = ServerCopies(FileRoot(tmp_path / "server", {}), CopyRecords(notes))
        waiting = LocalServer(bot, pool, limit=LIMIT, patience=patience)
        files = LocalFiles(waiting, copies, pool, unfinished=ask)
        yield Scene(files, server, notes, unfinished)


async def failure(source: FileSource, file: IncomingFile = FILE) -> RelayError:
    """Ask for a file in vain and return the error; a waiter for bytes gets the same."""
    async with source.open(7, file, ProgressMeter()) as content:
        waiting = asyncio.create_task(content.wait_for(1))
        with pytest.raises(RelayError) as caught:
            await content.fill()
        with pytest.raises(RelayError) as same:
            await waiting
    assert same.value is caught.value
    return caught.value


async def attempt(scene: Scene, error: RelayError | None = None) -> None:
    """Run an attempt of job 7 that gets the file and then ends like this."""
    async with scene.files.open(7, FILE, ProgressMeter()) as content:
        await content.fill()
        if error is not None:
            raise error


def is_there(path: Path) -> bool:
    """Say whether a file is still there."""
    return path.exists()


def left(scene: Scene) -> list[str]:
    """Return the notes that are left."""
    return sorted(path.name for path in scene.notes.iterdir()) if scene.notes.exists() else []


async def test_in_place(tmp_path: Path, place: Path) -> None:
    """The file is read where it is, whole from the start, and is gone afterwards."""
    meter = ProgressMeter()
    async with local(tmp_path, found(place, len(DATA))) as scene:
        async with scene.files.open(7, FILE, meter) as content:
            assert (content.size, content.largest, content.is_whole) == (None, LIMIT, False)
            assert meter.phase is Phase.FETCHING
            filling = asyncio.create_task(content.fill())
            assert await content.wait_for(1) == len(DATA)
            assert (len(DATA), len(DATA), True) == (
                content.size,
                content.largest,
                content.is_whole,
            )
            assert DATA[5:9] == content.pread(4, 5)
            assert await filling == DIGEST
            assert (len(DATA), len(DATA), Phase.MOVING) == (
                meter.total,
                meter.downloaded,
                meter.phase,
            )
            assert left(scene) == ["7.copy"]

        assert not is_there(place)
        assert left(scene) == []


async def test_long_wait(tmp_path: Path, place: Path) -> None:
    """A server that takes longer than a call may last is asked again, as often as it takes."""
    patience = timedelta(seconds=0.1)
    answers = (*[silence] * (ATTEMPTS + 3), found(place))
    async with (
        local(tmp_path, *answers, patience=patience) as scene,
        scene.files.open(7, FILE, ProgressMeter()) as content,
    ):
        assert await content.fill() == DIGEST
        assert len(scene.server.asked) == ATTEMPTS + 4


async def test_server_hangs_up(tmp_path: Path, place: Path) -> None:
    """A server that hangs up after a long wait (500 s in reality) is asked again."""
    # An eighth of the patience is what counts as long; of none at all, any time does.
    answers = (*[reset] * (ATTEMPTS + 3), found(place))
    async with (
        local(tmp_path, *answers, patience=timedelta(0)) as scene,
        scene.files.open(7, FILE, ProgressMeter()) as content,
    ):
        assert await content.fill() == DIGEST


@pytest.mark.parametrize("answer", [reset, http(502, b""), refusal(500, "restart")])
async def test_server_down(tmp_path: Path, answer: Answer) -> None:
    """A server that fails at once, again and again, is given up for now."""
    async with local(tmp_path, answer) as scene:
        assert isinstance(await failure(scene.files), SourceUnavailable)
        assert len(scene.server.asked) == ATTEMPTS


async def test_too_large(tmp_path: Path, place: Path) -> None:
    """The bot's own limit holds before the server is asked, and for files without
    announced size.
    """
    announced = IncomingFile("id", "unique", FileKind.DOCUMENT, "a", None, LIMIT + 1)
    async with local(tmp_path, found(place)) as scene:
        with pytest.raises(FileTooLarge):
            async with scene.files.open(7, announced, ProgressMeter()):
                pass
        assert scene.server.asked == []

        os.truncate(place, LIMIT + 1)
        error = await failure(scene.files)

        assert isinstance(error, FileTooLarge)
        assert (error.size, error.limit) == (LIMIT + 1, LIMIT)
        assert not is_there(place)


async def test_empty(tmp_path: Path, place: Path) -> None:
    """A file without bytes is refused, announced or not."""
    announced = IncomingFile("id", "unique", FileKind.DOCUMENT, "a", None, 0)
    os.truncate(place, 0)
    async with local(tmp_path, found(place)) as scene:
        with pytest.raises(FileEmpty):
            async with scene.files.open(7, announced, ProgressMeter()):
                pass
        assert isinstance(await failure(scene.files), FileEmpty)
        assert not is_there(place)


@pytest.mark.parametrize(("by_message", "by_server"), [(5, None), (None, 5)])
async def test_other_size(
    tmp_path: Path, place: Path, by_message: int | None, by_server: int | None
) -> None:
    """A file of another size than message or server say is not the file."""
    file = IncomingFile("id", "unique", FileKind.DOCUMENT, "a", None, by_message)
    async with local(tmp_path, found(place, by_server)) as scene:
        error = await failure(scene.files, file)

        assert isinstance(error, SizeMismatch)
        assert (5, len(DATA)) == (error.announced, error.received)


@pytest.mark.parametrize("by", [-1, 1])
async def test_size_changes_while_it_is_read(tmp_path: Path, place: Path, by: int) -> None:
    """A file that changes while it is read is not the one announced."""
    async with (
        local(tmp_path, found(place)) as scene,
        scene.files.open(7, FILE, ProgressMeter()) as content,
    ):
        await content.fill()
        os.truncate(place, len(DATA) + by)
        with pytest.raises(SizeMismatch):
            content._digest()  # what a thread does, at a moment of our choice


async def test_gone_before_it_was_opened(tmp_path: Path, place: Path) -> None:
    """A file that the server has tidied away meanwhile is asked for again."""
    gone = found(place.with_name("gone.bin"))
    async with (
        local(tmp_path, gone, gone, found(place)) as scene,
        scene.files.open(7, FILE, ProgressMeter()) as content,
    ):
        assert await content.fill() == DIGEST
        assert len(scene.server.asked) == 3


async def test_vanishes_while_it_is_read(tmp_path: Path, place: Path) -> None:
    """A file that is open can be read after it was removed."""
    async with (
        local(tmp_path, found(place)) as scene,
        scene.files.open(7, FILE, ProgressMeter()) as content,
    ):
        filling = asyncio.create_task(content.fill())
        await content.wait_for(1)
        os.unlink(place)  # noqa: PTH108 - pathlib is refused in coroutines.

        assert await filling == DIGEST
        assert DATA[:4] == content.pread(4, 0)


def secret_and_link(tmp_path: Path, place: Path) -> tuple[Path, Path]:
    """Make a file outside of the server's folder, and a link inside that leads to it."""
    secret, link = tmp_path / "secret", place.with_name("link")
    secret.write_bytes(DATA)
    link.symlink_to(secret)
    return secret, link


async def test_outside(tmp_path: Path, place: Path) -> None:
    """A path outside of the folder is not opened, and not removed."""
    other, link = secret_and_link(tmp_path, place)
    for path in (other, link):
        async with local(tmp_path, found(path)) as scene:
            assert isinstance(await failure(scene.files), SourceGone)

    assert is_there(other)


async def test_no_file_at_all(tmp_path: Path, place: Path) -> None:
    """A folder, or anything else that is no file, is not read."""
    async with local(tmp_path, found(place.parent)) as scene:
        assert isinstance(await failure(scene.files), SourceGone)


async def test_kept_for_the_next_attempt(tmp_path: Path, place: Path) -> None:
    """A transient failure keeps the copy; the end of the job, whichever, removes it."""
    async with local(tmp_path, found(place)) as scene:
        with pytest.raises(StoreUnavailable):
            await attempt(scene, StoreUnavailable("down"))
        assert is_there(place)

        await attempt(scene, None)
        assert not is_there(place)


async def test_given_up_after_a_transient_failure(tmp_path: Path, place: Path) -> None:
    """A copy left by an attempt that is never repeated is found by the next sweep."""
    async with local(tmp_path, found(place)) as scene:
        with pytest.raises(StoreUnavailable):
            await attempt(scene, StoreUnavailable("down"))
        del scene.unfinished[7]

        assert await scene.files.sweep() == 1
        assert not is_there(place)


async def test_needed_by_another_job(tmp_path: Path, place: Path) -> None:
    """The copy stays while another job waits for the same file, and goes with the last one."""
    async with local(tmp_path, found(place)) as scene:
        scene.unfinished[8] = FILE.file_unique_id
        async with scene.files.open(7, FILE, ProgressMeter()) as content:
            await content.fill()
        assert is_there(place)

        del scene.unfinished[7]
        async with scene.files.open(8, FILE, ProgressMeter()) as content:
            await content.fill()

        assert not is_there(place)
        assert left(scene) == []


async def test_kept_at_a_stop(tmp_path: Path, place: Path) -> None:
    """When the process stops the copy stays, and its note with it."""
    async with local(tmp_path, found(place)) as scene:
        async with scene.files.open(7, FILE, ProgressMeter()) as content:
            await content.fill()
            scene.files.keeps = True

        assert is_there(place)
        assert left(scene) == ["7.copy"]


async def test_cancelled_while_waiting(tmp_path: Path) -> None:
    """A user need not wait for a server that takes hours."""
    async with local(tmp_path, silence) as scene:
        async with scene.files.open(7, FILE, ProgressMeter()) as content:
            filling = asyncio.create_task(content.fill())
            waiting = asyncio.create_task(content.wait_for(1))
            await scene.server.was_asked.wait()
            filling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await filling

            with pytest.raises(TransferCancelled):
                await waiting
        assert left(scene) == []


async def test_cancelled_while_hashing(tmp_path: Path, place: Path) -> None:
    """A cancel stops the thread that reads; the file is closed and removed."""
    os.truncate(place, LIMIT)
    async with local(tmp_path, found(place)) as scene:
        async with scene.files.open(7, FILE, ProgressMeter()) as content:
            filling = asyncio.create_task(content.fill())
            await content.wait_for(1)
            filling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await filling

        assert not is_there(place)
        with pytest.raises(ValueError, match="not open"):
            content.pread(1, 0)
