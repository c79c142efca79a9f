"""An uploader on a store in memory, with everything that a test wants to look at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.core.errors import StoreError
from bot.core.jobs import MIB, ProgressMeter
from bot.core.ports.chat import Content
from bot.core.ports.store import ObjectMeta
from bot.transfer.multipart import Uploaded
from bot.transfer.pool import CancelFlag, RetryPolicy, TransferPool
from bot.transfer.uploader import Target, Uploader
from tests.fakes.store import FakeStore

KEY = "relay/1/token/file.bin"
META = ObjectMeta("application/octet-stream", 'attachment; filename="file.bin"', public=False)


def make_data(size: int) -> bytes:
    """Make bytes in which no two mebibytes are equal."""
    block = bytes(range(256)) * 4096
    parts = [bytes([n % 251]) + block[1:] for n in range(-(-size // MIB))]
    return b"".join(parts)[:size]


def no_wait(flag: CancelFlag, seconds: float) -> bool:
    """Skip the pause between attempts."""
    del seconds
    return flag.is_set


PATIENT = RetryPolicy(attempts=5, wait=no_wait)


@dataclass
class Journal:
    """Remembers each upload, and how many parts had been sent by then."""

    store: FakeStore
    entries: list[tuple[str, int]] = field(default_factory=list)
    parts_before: list[int] = field(default_factory=list)
    completes_before: list[int] = field(default_factory=list)
    """How many requests that complete had been sent at each intention."""
    progress: list[int] = field(default_factory=list)
    """How many parts had been sent at each note of progress."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Note an upload."""
        self.entries.append((upload_id, part_size))
        self.parts_before.append(self.store.count("upload_part"))

    async def progressed(self) -> None:
        """Note how many parts had been stored."""
        self.progress.append(self.store.count("upload_part"))

    async def completing(self) -> None:
        """Note an intention."""
        sent = self.store.count("complete") + self.store.count("put_object")
        self.completes_before.append(sent)

    async def completed(self) -> None:
        """Nothing is recorded."""


@dataclass
class UploaderFixture:
    """An uploader, its store and its journal."""

    store: FakeStore
    pool: TransferPool
    uploader: Uploader
    journal: Journal
    meter: ProgressMeter = field(default_factory=ProgressMeter)

    async def upload(self, content: Content, target: Target | None = None) -> Uploaded:
        """Upload to the end."""
        target = target or Target(KEY, META)
        return await self.uploader.upload(content, target, self.meter, self.journal)

    def begin(self, content: Content, target: Target | None = None) -> asyncio.Task[Uploaded]:
        """Upload in a task of its own."""
        return asyncio.create_task(self.upload(content, target))

    def stored(self) -> bytes | None:
        """Return what the key holds."""
        stored = self.store.objects.get(KEY)
        return stored.data if stored else None


@asynccontextmanager
async def rigged(
    *,
    threads: int = 8,
    connections: int = 4,
    retry: RetryPolicy = PATIENT,
    store: FakeStore | None = None,
) -> AsyncIterator[UploaderFixture]:
    """Set up a rig that pauses for no time."""
    store = store or FakeStore()
    async with TransferPool(threads) as pool:
        uploader = Uploader(store, pool, connections_per_file=connections, retry=retry)
        yield UploaderFixture(store, pool, uploader, Journal(store))


def raising(error: StoreError) -> Callable[[], None]:
    """Make something that raises `error` when called."""

    def act() -> None:
        raise error

    return act
