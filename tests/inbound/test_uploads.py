"""Files in private: accepted, or refused before anything is asked of Telegram."""

import pytest

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import NOW, OWNER, found, make_file, make_origin
from tests.inbound.inbound_fixture import LIMIT, InboundFixture


@pytest.mark.parametrize("size", [1, LIMIT, None])
async def test_file_that_fits_is_accepted(inbound: InboundFixture, size: int | None) -> None:
    """It waits for its turn, and no message is sent: the answer comes when it is done."""
    origin, file = make_origin(), make_file(size=size)
    await inbound.use_cases.uploads.sent(origin, found(file))
    [job] = await inbound.jobs()

    assert (job.origin, job.file, job.state, job.created_at) == (
        origin,
        file,
        JobState.QUEUED,
        NOW,
    )
    assert inbound.queue.position(job.id) == 1
    assert await inbound.said() == []


async def test_file_over_the_limit_is_refused_with_both_sizes(inbound: InboundFixture) -> None:
    """The sentence tells its size and the limit; there is no job."""
    origin = make_origin()
    await inbound.use_cases.uploads.sent(origin, found(make_file(size=LIMIT + 1)))
    [said] = await inbound.said()

    assert (said.kind, said.payload) == (
        OutboxKind.NOTICE,
        {"name": "error-file-too-large", "size": LIMIT + 1, "limit": LIMIT},
    )
    assert (said.chat_id, said.reply_to) == (OWNER, origin.message_id)
    assert await inbound.jobs() == []
    assert inbound.queue.counts == (0, 0)


async def test_empty_file_is_refused(inbound: InboundFixture) -> None:
    """There is nothing to relay, and there is no job."""
    await inbound.use_cases.uploads.sent(make_origin(), found(make_file(size=0)))
    [said] = await inbound.said()

    assert said.payload == {"name": "error-file-empty"}
    assert await inbound.jobs() == []
