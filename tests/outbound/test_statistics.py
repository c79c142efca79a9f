"""The statistics of the bot."""

from datetime import timedelta
from pathlib import Path

from bot.adapters.ledger.database import Database
from bot.clock import CorrectedClock
from bot.core.ports.views import FailureCount
from bot.outbound.views import MOST_CODES, StatisticsViews
from bot.transfer.spool import Spool
from tests.fakes.samples import LIFETIME
from tests.outbound.outbound_fixture import OutboundFixture


async def test_statistics_of_this_moment(database: Database, tmp_path: Path) -> None:
    """What ended within a day, what there is now, and since when."""
    stage = OutboundFixture(database)
    spool = Spool(tmp_path / "spool", quota=5000, keep_free=0)
    versions = [("program", "1.2")]
    statistician = StatisticsViews(
        stage.ledger, stage.queue, spool, stage.clock, versions, link_clock=stage.clock
    )
    await stage.done(await stage.accept())
    stage.clock.advance(timedelta(hours=20))
    await stage.done(await stage.accept())
    await stage.fail(await stage.accept(), "disk_full")
    await stage.cancel(await stage.accept())
    waiting = await stage.accept()
    stage.queue.enqueue(waiting.id, waiting.origin.owner_id, stage.clock.now())
    stage.clock.advance(timedelta(hours=3, minutes=56))
    async with spool.open(9, largest=1234):
        told = await statistician.compose()

    assert (told.done, told.bytes, told.failed, told.cancelled) == (2, 2000, 1, 1)
    assert (FailureCount("disk_full", 1, timedelta(hours=3, minutes=56)),) == told.failures
    assert (told.running, told.waiting) == (0, 1)
    assert told.links == 1, "the first one is over, even if its bytes are not gone yet"
    assert (told.spool_used, told.spool_quota) == (1234, 5000)
    assert told.disk_free > 0
    assert timedelta(hours=23, minutes=56) == told.uptime
    assert told.versions == (("program", "1.2"),)
    assert timedelta(hours=23, minutes=56) > LIFETIME


async def test_only_the_latest_codes_are_told(database: Database, tmp_path: Path) -> None:
    """A message is not endless; all failures count."""
    stage = OutboundFixture(database)
    spool = Spool(tmp_path, quota=5000, keep_free=0)
    for number in range(MOST_CODES + 3):
        await stage.fail(await stage.accept(), f"code_{number}")
        stage.clock.advance(timedelta(seconds=1))
    views = StatisticsViews(stage.ledger, stage.queue, spool, stage.clock, link_clock=stage.clock)
    told = await views.compose()

    assert [f"code_{number}" for number in range(MOST_CODES + 2, 2, -1)] == [
        failed.code for failed in told.failures
    ]
    assert told.failed == MOST_CODES + 3


async def test_links_by_the_clock_of_oss(database: Database, tmp_path: Path) -> None:
    """A link is live as long as OSS serves it, also with a wrong clock of the machine."""
    stage = OutboundFixture(database)
    spool = Spool(tmp_path, quota=5000, keep_free=0)
    await stage.done(await stage.accept())
    found = []
    for ahead in (timedelta(0), LIFETIME):
        oss = CorrectedClock(stage.clock, lambda ahead=ahead: ahead)  # type: ignore[misc]  # bound early.
        views = StatisticsViews(stage.ledger, stage.queue, spool, stage.clock, link_clock=oss)
        found.append((await views.compose()).links)

    assert found == [1, 0]
