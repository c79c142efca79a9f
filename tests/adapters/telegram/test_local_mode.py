"""The source of local mode against the stand-in's local mode: waiting, cuts, files that vanish."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import stamina
from telegram import Bot

from bot.adapters.telegram.local_copies import CopyRecords, FileRoot, ServerCopies
from bot.adapters.telegram.local_files import LocalFiles, LocalServer
from bot.adapters.telegram.request import AiohttpRequest
from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Digest
from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import TelegramStandIn
from bot.transfer.pool import TransferPool

SIZE = 24 << 20
DIGEST = Digest(SIZE, hashlib.sha256(bytes(SIZE)).hexdigest())


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@dataclass
class Scene:
    """A server in local mode, a source in front of it, and a file over the cloud's limit."""

    tg: TelegramStandIn
    files: LocalFiles
    file: IncomingFile
    unfinished: dict[int, str]

    async def relay(self, job_id: int = 7, meter: ProgressMeter | None = None) -> Digest:
        """Fetch the file as a job does, and read its end as an upload would."""
        async with self.files.open(job_id, self.file, meter or ProgressMeter()) as content:
            digest = await content.fill()
            assert content.pread(10, SIZE - 5) == bytes(5)
            return digest


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Start everything; the job 7 wants the file."""
    large = tmp_path / "large"
    with large.open("wb") as sparse:
        sparse.truncate(SIZE)
    root = tmp_path / "server"
    root.mkdir()
    clock = SandboxClock(running=False)
    async with (
        TelegramStandIn(tmp_path, clock=clock, local_root=root) as tg,
        AiohttpRequest() as request,
        TransferPool(4) as pool,
    ):
        bot = Bot(tg.token, tg.base_url, tg.file_url, request=request, get_updates_request=request)
        alice = tg.add_user("Alice")
        await tg.private_chat(alice).send_file(alice, content=large, name="large.bin")
        (update,) = await bot.get_updates()
        assert update.message is not None
        document = update.message.document
        assert document is not None
        file = IncomingFile(
            document.file_id,
            document.file_unique_id,
            FileKind.DOCUMENT,
            "large.bin",
            None,
            document.file_size,
        )
        unfinished = {7: file.file_unique_id}

        async def ask() -> dict[int, str]:
            return unfinished

        copies = ServerCopies(FileRoot(root, {}), CopyRecords(tmp_path / "notes"))
        server = LocalServer(bot, pool, limit=64 << 20)
        yield Scene(tg, LocalFiles(server, copies, pool, unfinished=ask), file, unfinished)


async def test_waits_and_tidies_up(scene: Scene) -> None:
    """No byte counts until the server has the whole file; then all do, and then
    nothing is left.
    """
    scene.tg.local.hold()
    meter = ProgressMeter()
    relaying = asyncio.create_task(scene.relay(meter=meter))
    await scene.tg.wait_for(lambda: scene.tg.local.downloading == 1)
    assert (meter.phase, meter.downloaded, meter.total) == (Phase.FETCHING, 0, SIZE)

    scene.tg.local.release()

    assert await relaying == DIGEST
    assert (meter.phase, meter.downloaded) == (Phase.MOVING, SIZE)
    assert scene.tg.local.paths == []


async def test_idle_cut(scene: Scene) -> None:
    """A call that the server cuts off after 500 s is repeated and joins the same download."""
    scene.tg.local.hold()
    relaying = asyncio.create_task(scene.relay())
    for calls in (1, 2, 3):
        await scene.tg.wait_for(
            lambda calls=calls: (
                len(scene.tg.log.of("getFile")) == calls  # type: ignore[misc]  # mypy cannot tell a lambda's default.
                and scene.tg.local.downloading == 1
            )
        )
        scene.tg.clock.advance(timedelta(seconds=500))
    scene.tg.local.release()

    assert await relaying == DIGEST
    assert len(scene.tg.log.of("getFile")) >= 3


async def test_vanished_copy(scene: Scene) -> None:
    """A copy that the server has tidied away since an earlier attempt is brought again."""
    scene.unfinished[8] = scene.file.file_unique_id
    assert await scene.relay() == DIGEST
    (path,) = scene.tg.local.paths
    scene.tg.local.vanish(path)
    scene.unfinished.clear()

    assert await scene.relay(8) == DIGEST
    assert scene.tg.local.paths == []


async def test_cancel(scene: Scene) -> None:
    """A user who does not want to wait leaves nothing of ours behind."""
    scene.tg.local.hold()
    relaying = asyncio.create_task(scene.relay())
    await scene.tg.wait_for(lambda: scene.tg.local.downloading == 1)
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying

    assert await scene.files.sweep() == 0
