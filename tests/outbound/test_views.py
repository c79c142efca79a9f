"""Views of a chat, composed from the ledger and the meters of running jobs."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.jobs import JobState, Phase
from bot.core.ports.views import ItemState
from tests.fakes import samples
from tests.fakes.samples import GROUP, LIFETIME, NOW, OWNER, SHA256, at
from tests.outbound.outbound_fixture import OutboundFixture


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def test_answer_tells_the_truth_of_its_moment(stage: OutboundFixture) -> None:
    """Live, over its end but not yet deleted, revoked but not yet deleted, and gone."""
    jobs = [await stage.accept() for _ in range(4)]
    stored = [await stage.done(job) for job in jobs]
    await stage.ledger.objects.revoke(jobs[1].id, NOW)
    await stage.gone(stored[2])
    read = await stage.ledger.jobs.get_many([job.id for job in jobs])
    early = await stage.views.answers.compose(read, OWNER)
    stage.clock.advance(LIFETIME)
    late = await stage.views.answers.compose(read, OWNER)
    live, deleted, expired = ItemState.LIVE, ItemState.DELETED, ItemState.EXPIRED

    assert [item.state for item in early.items] == [live, deleted, expired, live]
    assert [item.state for item in late.items] == [expired, deleted, expired, expired]
    assert [item.link is not None for item in early.items] == [True, False, False, True]
    assert early.now == NOW


@pytest.mark.parametrize("left", [0.999, 0.027, -0.393])
async def test_answer_in_the_last_second_of_a_link(stage: OutboundFixture, left: float) -> None:
    """What cannot be signed any more is shown as expired, and hides no other link."""
    first, second = await stage.accept(), await stage.accept()
    await stage.done(first)
    stage.clock.advance(timedelta(seconds=5))
    await stage.done(second)
    stage.clock.advance(LIFETIME - timedelta(seconds=5 + left))
    read = await stage.ledger.jobs.get_many([first.id, second.id])
    items = (await stage.views.answers.compose(read, OWNER)).items

    assert [item.state for item in items] == [ItemState.EXPIRED, ItemState.LIVE]
    assert [item.link is not None for item in items] == [False, True]


async def test_answer_to_a_done_job_has_size_and_digest(stage: OutboundFixture) -> None:
    """So that the receiver can check what arrived."""
    job = await stage.accept()
    await stage.done(job)
    [item] = (
        await stage.views.answers.compose([await samples.get(stage.ledger, job)], OWNER)
    ).items

    assert (item.size, item.sha256) == (1000, SHA256)


async def test_line_of_a_running_job_follows_its_meter(stage: OutboundFixture) -> None:
    """Phase, both halves, speed and the time that is left."""
    job = await stage.accept()
    running = await stage.run(job, total=1000)
    stage.views.jobs.status_message([job])
    stage.clock.advance(timedelta(seconds=2))
    running.meter.phase = Phase.MOVING
    running.meter.downloaded = 600
    running.meter.set_part(1, 200)
    [line] = stage.views.jobs.status_message([job]).lines

    assert (line.state, line.phase, line.moved, line.total) == (
        JobState.RUNNING,
        Phase.MOVING,
        400,
        1000,
    )
    assert (line.fraction, line.rate, line.time_left) == (0.4, 100, timedelta(seconds=8))
    assert line.elapsed is None


async def test_line_of_a_job_that_fetches_tells_how_long(stage: OutboundFixture) -> None:
    """There is nothing else to tell."""
    job = await stage.accept()
    await stage.run(job)
    stage.clock.advance(timedelta(seconds=90))
    [line] = stage.views.jobs.status_message([job]).lines

    assert (line.phase, line.elapsed) == (Phase.FETCHING, timedelta(seconds=90))


async def test_line_of_a_job_that_comes_back_tells_when_and_why(stage: OutboundFixture) -> None:
    """The wait before the next attempt and the reason of the last."""
    job = await stage.accept()
    running = await samples.acquire(stage.ledger, job)
    await stage.ledger.jobs.retry_later(running, at(30), "store_unavailable")
    stage.clock.advance(timedelta(seconds=10))
    [line] = stage.views.jobs.status_message([await samples.get(stage.ledger, job)]).lines

    assert (line.state, line.retry_in, line.code) == (
        JobState.QUEUED,
        timedelta(seconds=20),
        "store_unavailable",
    )


async def test_line_of_a_job_that_is_held(stage: OutboundFixture) -> None:
    """Where no job can start the line says why, also of a job that has not begun; one that waits
    after a failure of its own says when it is tried again.
    """
    waiting, failed = await stage.accept(), await stage.accept()
    running = await samples.acquire(stage.ledger, failed)
    await stage.ledger.jobs.retry_later(running, at(30), "disk_full")
    stage.queue.obstacle = "store_key_refused"

    async def lines() -> list[tuple[bool, str | None, bool]]:
        jobs = [await samples.get(stage.ledger, job) for job in (waiting, failed)]
        shown = stage.views.jobs.status_message(jobs).lines
        return [(line.held, line.code, line.retry_in is not None) for line in shown]

    before = await lines()
    stage.clock.advance(timedelta(seconds=40))
    after = await lines()

    assert before == [(True, "store_key_refused", False), (False, "disk_full", True)]
    assert after == [(True, "store_key_refused", False)] * 2


async def test_answer_is_told_in_the_zone_of_its_chat(stage: OutboundFixture) -> None:
    """Also where the job came from a group that has moved since: its admins chose in the new
    one.
    """
    people = stage.ledger.chats
    await people.set_chat(OWNER, zone="Asia/Hong_Kong")
    await people.set_chat(GROUP, zone="UTC+1")
    await stage.migrations.learn(GROUP, -501)
    moved = await stage.views.answers.compose([], GROUP)
    await people.set_chat(-501, zone="UTC+2")

    assert [
        (await stage.views.answers.compose([], chat)).zone for chat in (OWNER, OWNER + 1, GROUP)
    ] == [
        "Asia/Hong_Kong",
        "",
        "UTC+2",
    ]
    assert moved.zone == "UTC+1"
