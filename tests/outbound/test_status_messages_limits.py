"""Status messages leave calls for the answers, and keep little in memory."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.ports.ledger import OutboxKind
from bot.core.ports.views import Welcome
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


@pytest.mark.parametrize("chat_id", [OWNER, GROUP])
async def test_progress_provokes_no_flood(stage: OutboundFixture, chat_id: int) -> None:
    """Three status messages that change all the time, for more than two minutes."""
    jobs = [await stage.accept(chat_id) for _ in range(3)]
    running = [await stage.run(job) for job in jobs]
    for second in range(0, 135, 3):
        for found in running:
            found.meter.downloaded = second
        await stage.after(3)

    assert stage.messenger.floods == []
    assert len(stage.status_messages) > 30


async def _busy_group(stage: OutboundFixture) -> None:
    running = [await stage.run(await stage.accept(GROUP)) for _ in range(3)]
    for second in range(0, 66, 3):
        for found in running:
            found.meter.downloaded = second
        await stage.after(3)


async def test_progress_leaves_room_for_answers_in_a_group(stage: OutboundFixture) -> None:
    """A group has one rate limit for everything; an answer is sent at once all the same."""
    await _busy_group(stage)
    [job] = await stage.finish_many(1, GROUP)
    await stage.speak()

    assert answered(stage.answers) == [job.id]


async def test_progress_leaves_room_for_replies_in_a_group(stage: OutboundFixture) -> None:
    """And for what people ask, even behind an answer."""
    await _busy_group(stage)
    await stage.finish_many(1, GROUP)
    await stage.speak()
    await stage.post("start", chat_id=GROUP, kind=OutboxKind.WELCOME)
    await stage.speak()

    assert isinstance(stage.messenger.said[-1].view, Welcome)
    assert stage.messenger.floods == []


async def test_narrator_forgets_cards_that_are_gone(stage: OutboundFixture) -> None:
    """Memory does not grow with the number of jobs that there ever were."""
    for end in (stage.done, stage.cancel, stage.fail):
        job = await stage.accept()
        await stage.after(2)
        await end(job)
        await stage.after(10)

    # A private attribute, because no public one shows that memory.
    assert stage.status_sender._shown == {}
