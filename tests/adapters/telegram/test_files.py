"""Files of the cloud server, against the stand-in: every byte, or a named error and nothing
left.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import stamina
from telegram import Bot

from bot.adapters.telegram.download import MinimumThroughput
from bot.adapters.telegram.files import ATTEMPTS, CloudFiles
from bot.adapters.telegram.request import AiohttpRequest
from bot.core.errors import (
    DiskFull,
    FileEmpty,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    SourceGone,
    SourceUnavailable,
    SpoolQuotaTooSmall,
    TransferCancelled,
)
from bot.core.files import CLOUD_DOWNLOAD_LIMIT, FileKind, IncomingFile
from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Digest, FileSource
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import REAL_SIZE, TelegramStandIn
from bot.transfer.spool import Spool

MIB = 1 << 20
DATA = random.Random(1).randbytes(3 * MIB + 123)  # noqa: S311 - reproducible noise.
DIGEST = Digest(len(DATA), hashlib.sha256(DATA).hexdigest())


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@dataclass
class Scene:
    """A stand-in, a bot of it, a source and its spool."""

    tg: TelegramStandIn
    bot: Bot
    spool: Spool
    files: CloudFiles
    offset: int = 0
    others: list[CloudFiles] = field(default_factory=list)

    def source(self, **knobs: object) -> CloudFiles:
        """Make another source with other knobs."""
        base_url = self.tg.base_url.removesuffix("/bot")
        source = CloudFiles(self.bot, self.spool, base_url=base_url, **knobs)  # type: ignore[arg-type]  # a test's shorthand.
        self.others.append(source)
        return source

    async def incoming(
        self, content: bytes | Path = DATA, *, announced_size: int | None = REAL_SIZE
    ) -> IncomingFile:
        """Let a user send a file, and return what the bot sees of it."""
        chat = self.tg.private_chat(self.tg.add_user("Alice"))
        await chat.send_file(
            self.tg.add_user("Bob"), content=content, name="a.bin", announced_size=announced_size
        )
        (update,) = await self.bot.get_updates(offset=self.offset)
        self.offset = update.update_id + 1
        assert update.message is not None
        document = update.message.document
        assert document is not None
        return IncomingFile(
            document.file_id,
            document.file_unique_id,
            FileKind.DOCUMENT,
            "a.bin",
            None,
            document.file_size,
        )

    def downloads(self) -> list[tuple[object, int]]:
        """Return (range asked for, status) of every download so far."""
        return [(entry.params["range"], entry.status) for entry in self.tg.log.of("file")]

    def fault(self, operation: str, effect: Effect, times: int = 1, **args: int | str) -> Fault:
        """Let something go wrong."""
        return self.tg.faults.add(Fault(operation, effect, times=times, args=dict(args)))

    def assert_nothing_left(self) -> None:
        """No file, no reservation."""
        folder = self.spool.folder
        assert not folder.exists() or list(folder.iterdir()) == []
        assert self.spool.quota.reserved == 0


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Start everything."""
    async with TelegramStandIn(tmp_path, clock=SandboxClock()) as tg:
        request = AiohttpRequest()
        bot = Bot(tg.token, tg.base_url, tg.file_url, request=request, get_updates_request=request)
        spool = Spool(tmp_path / "spool", quota=64 * MIB, keep_free=0)
        files = CloudFiles(bot, spool, base_url=tg.base_url.removesuffix("/bot"))
        scene = Scene(tg, bot, spool, files)
        async with request:
            yield scene
        for source in [files, *scene.others]:
            await source.close()


async def fetch(
    source: FileSource, file: IncomingFile, meter: ProgressMeter | None = None
) -> tuple[Digest, bytes]:
    """Fetch a file and return its digest and its bytes as an upload would read them."""
    async with source.open(7, file, meter or ProgressMeter()) as content:
        digest = await content.fill()
        assert content.is_whole
        assert digest.size == content.size == await content.wait_for(1 << 40)
        return digest, content.pread(digest.size, 0)


async def failure(source: FileSource, file: IncomingFile) -> RelayError:
    """Fetch a file in vain and return the error; a waiter for bytes gets the same."""
    async with source.open(7, file, ProgressMeter()) as content:
        waiting = asyncio.create_task(content.wait_for(1 << 40))
        with pytest.raises(RelayError) as caught:
            await content.fill()
        with pytest.raises(RelayError) as same:
            await waiting
    assert same.value is caught.value
    return caught.value


async def test_whole_file(scene: Scene) -> None:
    """Every byte arrives; the meter follows; nothing is left."""
    meter = ProgressMeter()
    file = await scene.incoming()

    assert await fetch(scene.files, file, meter) == (DIGEST, DATA)
    assert (len(DATA), len(DATA), Phase.MOVING) == (meter.downloaded, meter.total, meter.phase)
    assert scene.downloads() == [(None, 200)]
    scene.assert_nothing_left()


async def test_grows_while_it_arrives(scene: Scene) -> None:
    """Bytes can be read while later ones are still on their way."""
    scene.tg.shape.down_per_connection = 8.0 * MIB
    meter = ProgressMeter()
    file = await scene.incoming()
    async with scene.files.open(7, file, meter) as content:
        assert (len(DATA), len(DATA), False) == (content.size, content.largest, content.is_whole)
        assert meter.phase is Phase.FETCHING
        filling = asyncio.create_task(content.fill())
        on_disk = await content.wait_for(MIB)

        assert MIB <= on_disk < len(DATA)
        assert content.pread(MIB, 0) == DATA[:MIB]
        assert not filling.done()
        assert await filling == DIGEST


async def test_size_unknown(scene: Scene) -> None:
    """Without an announced size, space for the largest file is reserved until the
    size is known.
    """
    file = await scene.incoming(announced_size=None)
    assert file.announced_size is None
    async with scene.files.open(7, file, ProgressMeter()) as content:
        assert (content.size, content.largest) == (None, CLOUD_DOWNLOAD_LIMIT)
        assert scene.spool.quota.reserved == CLOUD_DOWNLOAD_LIMIT

        assert await content.fill() == DIGEST
        assert len(DATA) == content.size


async def test_too_large_as_announced(scene: Scene) -> None:
    """A file that is announced as too large is refused before the server is asked."""
    file = IncomingFile("x", "x", FileKind.DOCUMENT, "a", None, CLOUD_DOWNLOAD_LIMIT + 1)
    with pytest.raises(FileTooLarge) as caught:
        async with scene.files.open(7, file, ProgressMeter()):
            pass

    assert (caught.value.size, caught.value.limit) == (20_971_521, 20_971_520)
    assert scene.tg.log.of("getFile") == []
    scene.assert_nothing_left()


async def test_exactly_the_limit(scene: Scene, tmp_path: Path) -> None:
    """20 MiB to the byte are allowed, although the library's constant says less."""
    path = tmp_path / "20MiB"
    with path.open("wb") as sparse:
        sparse.truncate(CLOUD_DOWNLOAD_LIMIT)

    digest, _ = await fetch(scene.files, await scene.incoming(path))

    assert digest.size == CLOUD_DOWNLOAD_LIMIT


async def test_too_large_in_secret(scene: Scene, tmp_path: Path) -> None:
    """Without an announced size, the server's refusal or the size that it tells ends the fetch."""
    path = tmp_path / "large"
    with path.open("wb") as sparse:
        sparse.truncate(CLOUD_DOWNLOAD_LIMIT + 1)
    file = await scene.incoming(path, announced_size=None)
    assert isinstance(await failure(scene.files, file), FileTooLarge)

    smaller = await scene.incoming(announced_size=None)
    error = await failure(scene.source(limit=MIB), smaller)

    assert isinstance(error, FileTooLarge)
    assert scene.downloads() == []
    scene.assert_nothing_left()


@pytest.mark.parametrize("announced", [len(DATA) - 1, len(DATA) + 1])
async def test_other_size_than_announced(scene: Scene, announced: int) -> None:
    """A file that is longer or shorter than its message said is not the file."""
    error = await failure(scene.files, await scene.incoming(announced_size=announced))

    assert isinstance(error, SizeMismatch)
    assert (announced, len(DATA)) == (error.announced, error.received)
    scene.assert_nothing_left()


async def test_empty(scene: Scene) -> None:
    """A file without bytes is refused, announced or not."""
    file = await scene.incoming(b"", announced_size=None)
    assert isinstance(await failure(scene.files, file), FileEmpty)

    announced = IncomingFile("x", "x", FileKind.DOCUMENT, "a", None, 0)
    with pytest.raises(FileEmpty):
        async with scene.files.open(7, announced, ProgressMeter()):
            pass
    scene.assert_nothing_left()


@pytest.mark.parametrize("effect", [Effect.TRUNCATE, Effect.RESET])
async def test_goes_on_where_it_broke(scene: Scene, effect: Effect) -> None:
    """A connection that breaks is replaced by one that asks for the rest only."""
    scene.fault("file", effect, bytes=MIB)
    scene.fault("file", effect, bytes=MIB)

    assert await fetch(scene.files, await scene.incoming()) == (DIGEST, DATA)
    ranges = [asked for asked, _ in scene.downloads()]
    assert len(ranges) == 3
    assert ranges[0] is None
    assert all(str(asked).startswith("bytes=") for asked in ranges[1:])
    assert len(scene.tg.log.of("getFile")) == 1


async def test_starts_over_where_it_must(scene: Scene) -> None:
    """A server without Range sends everything again, and the bytes on disk are
    compared with it.
    """
    scene.tg.ranges = False
    scene.fault("file", Effect.TRUNCATE, bytes=MIB)
    scene.fault("file", Effect.TRUNCATE, bytes=MIB // 2)

    assert await fetch(scene.files, await scene.incoming()) == (DIGEST, DATA)
    assert len(scene.downloads()) == 3


async def test_range_after_starting_over(scene: Scene) -> None:
    """A restart that breaks early does not put later bytes into the wrong place."""
    scene.fault("file", Effect.TRUNCATE, bytes=2 * MIB)
    second = scene.fault("file", Effect.TRUNCATE, bytes=MIB)
    scene.tg.ranges = False
    file = await scene.incoming()
    async with scene.files.open(7, file, ProgressMeter()) as content:
        filling = asyncio.create_task(content.fill())
        await scene.tg.wait_for(lambda: second.hits > 0)
        scene.tg.ranges = True

        assert await filling == DIGEST
        assert content.pread(len(DATA), 0) == DATA


async def test_path_expired(scene: Scene) -> None:
    """A path that is no longer valid is asked for anew, and the download goes on."""
    scene.fault("file", Effect.TRUNCATE, bytes=MIB)
    scene.fault("file", Effect.ERROR, status=404)

    assert await fetch(scene.files, await scene.incoming()) == (DIGEST, DATA)
    assert len(scene.tg.log.of("getFile")) == 2


async def test_path_expires_for_ever(scene: Scene) -> None:
    """A file with paths that always expire at once is given up after some attempts."""
    scene.tg.file_path_lifetime = timedelta(0)

    error = await failure(scene.files, await scene.incoming())

    assert isinstance(error, SourceUnavailable)
    assert len(scene.tg.log.of("getFile")) == ATTEMPTS
    scene.assert_nothing_left()


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.HTML])
@pytest.mark.parametrize("operation", ["getFile", "file"])
async def test_broken_for_ever(scene: Scene, operation: str, effect: Effect) -> None:
    """An error that never ends becomes `SourceUnavailable`, in any call."""
    fault = scene.fault(operation, effect, times=0)

    error = await failure(scene.files, await scene.incoming())

    assert isinstance(error, SourceUnavailable)
    assert scene.tg.token not in f"{error} {error.__cause__}"
    assert fault.hits == ATTEMPTS
    scene.assert_nothing_left()


async def test_flooded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood limit is left to the queue, which waits longer."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    scene.fault("getFile", Effect.ERROR, times=0, retry_after=5)

    error = await failure(scene.files, await scene.incoming())

    assert isinstance(error, SourceUnavailable)
    assert len(scene.tg.log.of("getFile")) == 1


async def test_gone(scene: Scene) -> None:
    """A file that Telegram does not know is gone for good."""
    file = IncomingFile("BQACAgIAAxkBAAIunknown", "x", FileKind.DOCUMENT, "a", None, 5)

    assert isinstance(await failure(scene.files, file), SourceGone)
    scene.assert_nothing_left()


async def test_stall(scene: Scene) -> None:
    """A connection that falls silent is replaced."""
    source = scene.source(throughput=MinimumThroughput(patience=timedelta(seconds=0.2)))
    scene.fault("file", Effect.STALL, bytes=MIB, seconds=30)

    assert await fetch(source, await scene.incoming()) == (DIGEST, DATA)
    assert len(scene.downloads()) == 2


async def test_trickle(scene: Scene) -> None:
    """A connection below the minimum rate counts as broken too."""
    source = scene.source(
        throughput=MinimumThroughput(minimum_rate=64 * MIB, patience=timedelta(seconds=0.1))
    )
    scene.tg.shape.down_per_connection = 2.0 * MIB

    error = await failure(source, await scene.incoming())

    assert isinstance(error, SourceUnavailable)
    assert "bytes/s" in str(error)


async def test_cancelled(scene: Scene) -> None:
    """A cancel ends the connection, wakes the waiters, and leaves nothing."""
    scene.fault("file", Effect.STALL, bytes=MIB, seconds=30)
    file = await scene.incoming()
    async with scene.files.open(7, file, ProgressMeter()) as content:
        filling = asyncio.create_task(content.fill())
        await content.wait_for(MIB // 2)
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling

        with pytest.raises(TransferCancelled):
            await content.wait_for(1 << 40)
    scene.assert_nothing_left()


async def test_disk_full(scene: Scene) -> None:
    """A full disk is not the network's fault and is not tried again here."""
    scene.spool.folder.mkdir()
    (scene.spool.folder / "7.part").symlink_to("/dev/full")  # full(4)

    error = await failure(scene.files, await scene.incoming())

    assert isinstance(error, DiskFull)
    assert len(scene.downloads()) == 1


async def test_quota_too_small(scene: Scene) -> None:
    """A file that the spool can never hold is refused before the server is asked."""
    base_url = scene.tg.base_url.removesuffix("/bot")
    spool = Spool(scene.spool.folder, quota=MIB, keep_free=0)
    source = CloudFiles(scene.bot, spool, base_url=base_url)
    with pytest.raises(SpoolQuotaTooSmall):
        async with source.open(7, await scene.incoming(), ProgressMeter()):
            pass

    assert scene.tg.log.of("getFile") == []


async def test_many_at_once(scene: Scene) -> None:
    """Files that come together share connections and do not mix."""
    contents = [DATA[number:] for number in range(8)]
    incoming = [await scene.incoming(content) for content in contents]

    async def one(job_id: int, file: IncomingFile) -> Digest:
        async with scene.files.open(job_id, file, ProgressMeter()) as content:
            return await content.fill()

    digests = await asyncio.gather(*(one(*numbered) for numbered in enumerate(incoming)))

    assert [hashlib.sha256(content).hexdigest() for content in contents] == [
        digest.sha256 for digest in digests
    ]
    scene.assert_nothing_left()


async def test_goes_on_with_an_earlier_run(scene: Scene) -> None:
    """Bytes that a stopped process left are taken over where they are trusted, and only there."""
    file = await scene.incoming()
    scene.spool.folder.mkdir()
    path = scene.spool.folder / "7.part"

    path.write_bytes(DATA[:MIB])
    assert await fetch(scene.source(trusts=lambda _: True), file) == (DIGEST, DATA)
    path.write_bytes(b"x" * MIB)
    assert await fetch(scene.files, file) == (DIGEST, DATA)

    assert [(f"bytes={MIB}-", 206), (None, 200)] == scene.downloads()


async def test_local_server_by_mistake(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hands out local paths is never read from this machine's disk in this mode."""
    monkeypatch.setattr("bot.sandbox.telegram.files.StoredFile.remote_path", "/etc/passwd")

    error = await failure(scene.files, await scene.incoming())

    assert isinstance(error, SourceGone)
    assert scene.downloads() == []


async def test_no_token_in_repr(scene: Scene) -> None:
    """The address of the files has the token in it, and is not shown."""
    assert scene.tg.token not in repr(scene.files)
