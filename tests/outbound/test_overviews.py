"""The lists of `/status` and `/links`, and their pages."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.ledger.database import Database
from bot.core.jobs import Job
from bot.core.limits import OwnerLimits, TransferLimits
from bot.core.ports.views import Listing, Overview, Usage
from bot.outbound.views import PAGE_SIZE
from tests.fakes import samples
from tests.fakes.samples import GROUP, LIFETIME, NOW, OWNER
from tests.outbound.outbound_fixture import OutboundFixture

OTHER = 101
STATUS, LINKS = Listing.STATUS, Listing.LINKS
SUCCESSOR = -1_000_000_000_500


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


def ids_of(overview: Overview) -> list[int]:
    """Return which jobs a page lists, in its order."""
    return [line.job_id for line in overview.running] + [link.job_id for link in overview.live]


async def in_group(stage: OutboundFixture, owner: int, *, done: bool) -> Job:
    """Let a member share a file in the group."""
    job = await samples.accept(stage.ledger, chat_id=GROUP, owner_id=owner, now=stage.clock.now())
    if done:
        await stage.done(job)
    return job


async def test_status_shows_what_is_under_way_and_alive(stage: OutboundFixture) -> None:
    """The sender's own jobs, running before waiting, the newest links first, none
    that has ended.
    """
    waiting, running = await stage.accept(), await stage.accept()
    await stage.run(running)
    links = [await stage.accept() for _ in range(3)]
    for job in links:
        await stage.done(job)
        stage.clock.advance(timedelta(seconds=1))
    await stage.ledger.objects.revoke(links[1].id, NOW)
    await stage.done(await stage.accept(OTHER))
    overview = await stage.views.overviews.compose(STATUS, OWNER, chat_id=OWNER)

    assert [line.job_id for line in overview.running] == [running.id, waiting.id]
    assert [link.job_id for link in overview.live] == [links[2].id, links[0].id]
    assert (overview.page, overview.pages, overview.subject) == (1, 1, OWNER)
    assert Usage(files=5, bytes=5000) == overview.use


async def test_links_show_nothing_but_links(stage: OutboundFixture) -> None:
    """A running job has no link yet."""
    await stage.accept()
    job = await stage.accept()
    await stage.done(job)
    overview = await stage.views.overviews.compose(LINKS, OWNER, chat_id=OWNER)

    assert [job.id] == ids_of(overview)
    assert (overview.listing, overview.use) == (LINKS, None)


async def test_links_that_are_over_are_left_out(stage: OutboundFixture) -> None:
    """Expired links are left out even if their objects could not be deleted yet."""
    await stage.done(await stage.accept())
    stage.clock.advance(LIFETIME)

    assert (await stage.views.overviews.compose(LINKS, OWNER, chat_id=OWNER)).live == ()


@pytest.mark.parametrize("listing", [STATUS, LINKS])
async def test_links_in_their_last_second_are_left_out(
    stage: OutboundFixture, listing: Listing
) -> None:
    """Links in their last second cannot be signed any more; the others are listed."""
    first, second = await stage.accept(), await stage.accept()
    await stage.done(first)
    stage.clock.advance(timedelta(seconds=5))
    await stage.done(second)
    stage.clock.advance(LIFETIME - timedelta(seconds=5.5))
    overview = await stage.views.overviews.compose(listing, OWNER, chat_id=OWNER)

    assert [link.job_id for link in overview.live] == [second.id]


async def test_group_sees_what_came_from_it(stage: OutboundFixture) -> None:
    """The status of a group has the jobs of all members there, a member's links only those from
    there; what they have elsewhere stays elsewhere.
    """
    private = await stage.accept()
    await stage.done(private)
    mine, other = await in_group(stage, OWNER, done=True), await in_group(stage, OTHER, done=True)
    waits = await in_group(stage, OTHER, done=False)
    status = await stage.views.overviews.compose(STATUS, GROUP, chat_id=GROUP)
    links = await stage.views.overviews.compose(LINKS, OWNER, chat_id=GROUP)
    alone = await stage.views.overviews.compose(STATUS, OWNER, chat_id=OWNER)

    assert [waits.id, other.id, mine.id] == ids_of(status)
    assert (status.in_group, status.discreet, status.use) == (True, False, None)
    assert [mine.id] == ids_of(links)
    assert [mine.id, private.id] == ids_of(alone)
    assert not alone.in_group


async def test_discreet_where_answers_are_private(stage: OutboundFixture) -> None:
    """A list in such a group has no links; in private it has them all."""
    await in_group(stage, OWNER, done=True)
    await stage.ledger.chats.set_chat(GROUP, privately=True)

    assert (await stage.views.overviews.compose(STATUS, GROUP, chat_id=GROUP)).discreet
    assert (await stage.views.overviews.compose(LINKS, OWNER, chat_id=GROUP)).discreet
    assert not (await stage.views.overviews.compose(LINKS, OWNER, chat_id=OWNER)).discreet


async def test_group_that_has_moved_since_it_asked(stage: OutboundFixture) -> None:
    """An overview requested under the old id lists and hides what the successor would."""
    await in_group(stage, OWNER, done=True)
    await stage.migrations.learn(GROUP, SUCCESSOR)
    later = await stage.accept(SUCCESSOR)
    await stage.ledger.chats.set_chat(SUCCESSOR, privately=True)
    status = await stage.views.overviews.compose(STATUS, GROUP, chat_id=GROUP)

    assert later.id in ids_of(status)
    assert status.discreet


async def test_use_against_limits(stage: OutboundFixture) -> None:
    """A user sees the user's own limits, a group those of the group where it has some."""
    limits = OwnerLimits(TransferLimits(files=5, bytes=9000), TransferLimits(files=7))
    overviews = stage.overviews(stage.views.jobs, limits)
    await in_group(stage, OWNER, done=True)
    await in_group(stage, OTHER, done=True)
    await stage.accept()
    stage.clock.advance(timedelta(hours=23))
    mine = await overviews.compose(STATUS, OWNER, chat_id=OWNER)
    groups = await overviews.compose(STATUS, GROUP, chat_id=GROUP)
    stage.clock.advance(timedelta(hours=1))
    later = await overviews.compose(STATUS, OWNER, chat_id=OWNER)

    assert Usage(files=2, bytes=2000, most_files=5, most_bytes=9000) == mine.use
    assert Usage(files=2, bytes=2000, most_files=7, most_bytes=0) == groups.use
    assert Usage(files=0, bytes=0, most_files=5, most_bytes=9000) == later.use


@settings(
    deadline=None,
    max_examples=10,
    # Each example begins where the last one ended, which is as good as empty for what it checks.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(running=st.integers(0, 6), live=st.integers(0, 6))
async def test_pages_show_everything_once(stage: OutboundFixture, running: int, live: int) -> None:
    """For all numbers of jobs: no gap, no overlap, no page but the last is not full."""
    for _ in range(running):
        await stage.accept()
    for _ in range(live):
        await stage.done(await stage.accept())
    first = await stage.views.overviews.compose(STATUS, OWNER, chat_id=OWNER)
    pages = [
        await stage.views.overviews.compose(STATUS, OWNER, chat_id=OWNER, page=page)
        for page in range(1, first.pages + 1)
    ]
    listed = [job_id for page in pages for job_id in ids_of(page)]
    unfinished = {job.id for job in await stage.ledger.jobs.unfinished()}
    alive = {job.id for job, _ in await stage.ledger.objects.live_of(OWNER)}

    assert sorted(unfinished | alive) == sorted(listed)
    assert set(listed[: len(unfinished)]) == unfinished
    assert all(len(ids_of(page)) == PAGE_SIZE for page in pages[:-1])


@pytest.mark.parametrize(("asked", "shown"), [(-3, 1), (0, 1), (2, 2), (3, 2), (10**6, 2)])
async def test_page_that_is_gone_is_the_last(
    stage: OutboundFixture, asked: int, shown: int
) -> None:
    """A list may have become shorter since the button was made: the last page is shown."""
    for _ in range(PAGE_SIZE + 1):
        await stage.accept()
    overview = await stage.views.overviews.compose(STATUS, OWNER, chat_id=OWNER, page=asked)

    assert (shown, 2) == (overview.page, overview.pages)
