"""The counts that runner, reaper and status messages report."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import FileTooLarge, StoreForbidden, StoreUnavailable
from bot.core.jobs import StopReason
from bot.core.ports.metrics import Span
from bot.jobs.reaper import Reaper
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import LIFETIME, at
from tests.jobs.reaper_fixture import Graveyard
from tests.jobs.runner_fixture import RunnerFixture
from tests.outbound.outbound_fixture import OutboundFixture


@pytest.fixture
def metrics() -> FakeMetrics:
    """Nothing has been counted."""
    return FakeMetrics()


@pytest.fixture
def shop(database: Database, metrics: FakeMetrics) -> RunnerFixture:
    """A relay whose attempts are counted."""
    return RunnerFixture(database, metrics=metrics)


async def test_done(shop: RunnerFixture, metrics: FakeMetrics) -> None:
    """A job that is done: its outcome, its bytes, how long it waited and took in all."""
    job = await shop.accept()
    shop.clock.advance(at(2) - at(0))
    await shop.attempt(job)

    assert metrics.ended == [("done", "")]
    assert metrics.bytes == [(0, 1000)]
    assert metrics.spans == [(Span.WAIT, 2.0), (Span.WHOLE, 2.0)]


async def test_failed(shop: RunnerFixture, metrics: FakeMetrics) -> None:
    """Attempts that are repeated and the end of a job are told apart; the wait counts once."""
    job = await shop.accept()
    again_at = await shop.fail(job, StoreUnavailable("down"))
    assert again_at is not None
    shop.clock.advance(again_at - shop.clock.now())
    await shop.fail(job, StoreForbidden("no"))

    assert metrics.failed == ["store_unavailable"]
    assert metrics.ended == [("failed", "store_forbidden")]
    assert metrics.spans == [(Span.WAIT, 0.0)]


async def test_rejected(shop: RunnerFixture, metrics: FakeMetrics) -> None:
    """What was sent is no fault of the bot: such a job is not counted as a failure."""
    await shop.fail(await shop.accept(), FileTooLarge(11, 10))

    assert metrics.ended == [("rejected", "file_too_large")]


async def test_cancelled(shop: RunnerFixture, metrics: FakeMetrics) -> None:
    """A job that its user has cancelled has ended; one that is interrupted has not."""
    shop.uploads.may_end.clear()
    interrupted, cancelled = [shop.begin(await shop.accept()) for _ in range(2)]
    await shop.uploads.began.wait()
    interrupted.stop(StopReason.SHUTDOWN)
    await interrupted.task
    before = list(metrics.ended)
    cancelled.stop(StopReason.USER)
    await cancelled.task

    assert before == []
    assert metrics.ended == [("cancelled", "")]


async def test_late(database: Database, metrics: FakeMetrics) -> None:
    """Every link tells how late its bytes went, each its own."""
    yard = Graveyard(database)
    reaper = Reaper(
        yard.ledger.objects, yard.store, yard.threads, yard.clock, yard.signals, metrics
    )
    await yard.live()
    await yard.live(at(20))
    yard.clock.advance(LIFETIME + (at(30) - at(0)))
    await reaper.sweep()

    assert metrics.late == [30.0, 10.0]


async def test_skipped(database: Database, metrics: FakeMetrics) -> None:
    """News that come too soon after the last are counted; what has not changed is no news."""
    stage = OutboundFixture(database)
    stage.restart(metrics)
    running = await stage.run(await stage.accept(), total=1000)
    await stage.after(1)
    quiet = list(metrics.skipped)
    running.meter.downloaded = 500
    await stage.after(1)

    assert quiet == []
    assert metrics.skipped[0] == "interval"
