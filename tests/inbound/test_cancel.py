"""`/cancel`: everything of the asker, where they ask."""

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import GROUP, OWNER, accept, finish, make_origin
from tests.inbound.inbound_fixture import OTHER, STRANGER, InboundFixture

MOVED = GROUP - 1000


async def states(inbound: InboundFixture, *job_ids: int) -> list[JobState]:
    """Return where jobs stand."""
    return [job.state for job in await inbound.ledger.jobs.get_many(job_ids)]


async def test_cancel_in_private_cancels_everything_of_the_asker(inbound: InboundFixture) -> None:
    """Waiting and running jobs of the sender, here and in groups; nothing of others, nothing that
    is done.
    """
    waits, runs = await accept(inbound.ledger), await accept(inbound.ledger)
    inbound.queue.runs.add(runs.id)
    there = await accept(inbound.ledger, chat_id=GROUP, owner_id=OWNER)
    done, _ = await finish(inbound.ledger, await accept(inbound.ledger))
    other = await accept(inbound.ledger, chat_id=OTHER)
    await inbound.use_cases.cancel_command.cancel(make_origin())
    [said] = await inbound.said()

    assert said.payload == {"name": "cancelling-count", "count": 3}
    assert [runs.id] == [job_id for job_id, _ in inbound.queue.stopped]
    assert await states(inbound, waits.id, there.id, done.id, other.id) == [
        JobState.CANCELLED,
        JobState.CANCELLED,
        JobState.DONE,
        JobState.QUEUED,
    ]


async def test_cancel_in_a_group_cancels_what_came_from_there(inbound: InboundFixture) -> None:
    """Jobs from before the migration count too; the sender's jobs elsewhere go on."""
    await inbound.ledger.chats.set_chat(GROUP, allowed=True)
    await inbound.ledger.chats.migrate(GROUP, MOVED)
    private = await accept(inbound.ledger)
    there = await accept(inbound.ledger, chat_id=GROUP, owner_id=OWNER)
    other = await accept(inbound.ledger, chat_id=GROUP, owner_id=OTHER)
    await inbound.use_cases.cancel_command.cancel(make_origin(MOVED, owner_id=OWNER))
    [said] = await inbound.said()

    assert said.payload == {"name": "cancelling-count", "count": 1}
    assert await states(inbound, private.id, there.id, other.id) == [
        JobState.QUEUED,
        JobState.CANCELLED,
        JobState.QUEUED,
    ]


async def test_cancel_of_nothing_says_so(inbound: InboundFixture) -> None:
    """One sentence; a redelivered command says nothing more."""
    origin = make_origin()
    for _ in range(2):
        await inbound.use_cases.cancel_command.cancel(origin)
    [said] = await inbound.said()

    assert (said.kind, said.payload) == (OutboxKind.NOTICE, {"name": "nothing-to-cancel"})


async def test_strangers_cancel_nothing(inbound: InboundFixture) -> None:
    """Strangers are told that they are strangers."""
    await inbound.use_cases.cancel_command.cancel(make_origin(STRANGER))
    [said] = await inbound.said()

    assert said.payload["name"] == "stranger"


async def test_member_of_a_group_may_cancel_in_private(inbound: InboundFixture) -> None:
    """The owner of a running job may stop it, also without the right to send in private."""
    job = await accept(inbound.ledger, chat_id=GROUP, owner_id=STRANGER)
    await inbound.use_cases.cancel_command.cancel(make_origin(STRANGER))

    assert await states(inbound, job.id) == [JobState.CANCELLED]
