"""The seconds of both halves of a relay."""

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import StoreUnavailable
from bot.core.jobs import ProgressMeter
from bot.core.ports.metrics import NoMetrics, Span
from tests.fakes.content import FakeContent
from tests.fakes.samples import acquire
from tests.jobs.runner_fixture import RunnerFixture

DATA = b"x" * 1000


class Stopwatch(NoMetrics):
    """Remembers what took how long."""

    def __init__(self) -> None:
        self.took_: list[tuple[Span, float]] = []
        self.fetched = asyncio.Event()

    def took(self, span: Span, seconds: float) -> None:
        """Remember a stretch."""
        self.took_.append((span, seconds))
        if span is Span.FETCH:
            self.fetched.set()


@pytest.fixture
def watch() -> Stopwatch:
    """Metrics that remember."""
    return Stopwatch()


@pytest.fixture
def shop(database: Database, watch: Stopwatch) -> RunnerFixture:
    """A relay with fakes around it, whose clock stands."""
    return RunnerFixture(database, relay_metrics=watch)


async def test_fetch_and_upload(shop: RunnerFixture, watch: Stopwatch) -> None:
    """Each half tells how long it took, and relays the file as it would otherwise."""
    job = await acquire(shop.ledger, await shop.accept())
    content = FakeContent(DATA, arrived=0)
    shop.source.contents[job.file.file_unique_id] = content
    shop.uploads.may_end.clear()
    relaying = asyncio.create_task(shop.relay.relay(job, ProgressMeter()))
    await shop.uploads.began.wait()
    shop.clock.advance(timedelta(seconds=3))
    await content.arrive(len(DATA))
    await watch.fetched.wait()
    shop.clock.advance(timedelta(seconds=2))
    shop.uploads.may_end.set()
    await relaying

    assert watch.took_ == [(Span.FETCH, 3.0), (Span.UPLOAD, 5.0)]


async def test_failures_have_no_time(shop: RunnerFixture, watch: Stopwatch) -> None:
    """What failed says nothing about how long things take."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.uploads.failures.append(StoreUnavailable("down"))
    shop.source.contents[job.file.file_unique_id] = FakeContent(DATA, arrived=0)
    with pytest.raises(StoreUnavailable):
        await shop.relay.relay(job, ProgressMeter())

    assert watch.took_ == []
