"""Both halves, measured."""

import asyncio
from datetime import timedelta

import pytest

from bot.core.errors import StoreUnavailable
from bot.core.ports.metrics import NoMetrics, Span
from bot.core.ports.source import Content
from bot.core.ports.store import ObjectMeta
from bot.core.progress import ProgressMeter
from bot.jobs.watched_transfer import WatchedSource, WatchedUploads
from bot.sandbox.clock import SandboxClock
from bot.transfer.uploader import Target
from tests.fakes.content import FakeContent
from tests.fakes.samples import NOW, make_file
from tests.fakes.source import FakeSource
from tests.fakes.uploads import FakeUploads

DATA = b"x" * 1000
TARGET = Target("relay/x", ObjectMeta("text/plain", "attachment", public=False))


class Stopwatch(NoMetrics):
    """Remembers what took how long."""

    def __init__(self) -> None:
        self.took_: list[tuple[Span, float]] = []

    def took(self, span: Span, seconds: float) -> None:
        """Remember a stretch."""
        self.took_.append((span, seconds))


class Journal:
    """Forgets everything."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Do nothing."""


@pytest.fixture
def clock() -> SandboxClock:
    """A clock that stands."""
    return SandboxClock(NOW, running=False)


async def test_fetch(clock: SandboxClock) -> None:
    """A content tells how long it took to fill, and is otherwise the one below."""
    watch, below = Stopwatch(), FakeSource()
    content = FakeContent(DATA, arrived=0)
    file = make_file()
    below.contents[file.file_unique_id] = content
    source = WatchedSource(below, watch, clock)
    async with source.open(1, file, ProgressMeter()) as seen:
        filling = asyncio.create_task(seen.fill())
        await asyncio.sleep(0)  # So that it has begun.
        before = (seen.size, seen.largest, seen.is_whole)
        clock.advance(timedelta(seconds=3))
        await content.arrive(len(DATA))
        digest = await filling
        read = (await seen.wait_for(10), seen.pread(4, 0), seen.is_whole)

    assert (source.limit, digest.size) == (below.limit, len(DATA))
    assert (len(DATA), len(DATA), False) == before
    assert (len(DATA), b"xxxx", True) == read
    assert below.closed == [1]
    assert watch.took_ == [(Span.FETCH, 3.0)]


async def upload(uploads: WatchedUploads, content: Content) -> int:
    """Upload a content and return its size."""
    return (await uploads.upload(content, TARGET, ProgressMeter(), Journal())).size


async def test_upload(clock: SandboxClock) -> None:
    """An upload tells how long it took."""
    watch, below = Stopwatch(), FakeUploads()
    below.may_end.clear()
    going = asyncio.create_task(upload(WatchedUploads(below, watch, clock), FakeContent(DATA)))
    await below.began.wait()
    clock.advance(timedelta(seconds=2))
    below.may_end.set()

    assert await going == len(DATA)
    assert watch.took_ == [(Span.UPLOAD, 2.0)]


async def test_failures_have_no_time(clock: SandboxClock) -> None:
    """What failed says nothing about how long things take."""
    watch, below = Stopwatch(), FakeUploads()
    below.failures.append(StoreUnavailable("down"))
    with pytest.raises(StoreUnavailable):
        await upload(WatchedUploads(below, watch, clock), FakeContent(DATA))

    assert watch.took_ == []
