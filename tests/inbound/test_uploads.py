"""Files in private: accepted, or refused before anything is asked of Telegram."""

import pytest

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import NOW, OWNER, make_file, make_origin
from tests.inbound.inbound_fixture import LIMIT, InboundFixture


@pytest.mark.parametrize("size", [1, LIMIT, None])
async def test_file_that_fits_is_accepted(lobby: InboundFixture, size: int | None) -> None:
    """It waits for its turn, and nothing is said: the answer comes when it is done."""
    origin, file = make_origin(), make_file(size=size)
    await lobby.reception.files.sent(origin, file)
    [job] = await lobby.jobs()

    assert (job.origin, job.file, job.state, job.created_at) == (
        origin,
        file,
        JobState.QUEUED,
        NOW,
    )
    assert lobby.queue.position(job.id) == 1
    assert await lobby.said() == []


async def test_file_over_the_limit_is_refused_with_both_sizes(lobby: InboundFixture) -> None:
    """The sentence tells its size and the limit; there is no job."""
    origin = make_origin()
    await lobby.reception.files.sent(origin, make_file(size=LIMIT + 1))
    [said] = await lobby.said()

    assert (said.kind, said.payload) == (
        OutboxKind.NOTICE,
        {"name": "error-file-too-large", "size": LIMIT + 1, "limit": LIMIT},
    )
    assert (said.chat_id, said.reply_to) == (OWNER, origin.message_id)
    assert await lobby.jobs() == []
    assert lobby.queue.counts == (0, 0)


async def test_empty_file_is_refused(lobby: InboundFixture) -> None:
    """There is nothing to relay, and there is no job."""
    await lobby.reception.files.sent(make_origin(), make_file(size=0))
    [said] = await lobby.said()

    assert said.payload == {"name": "error-file-empty"}
    assert await lobby.jobs() == []
