"""`/cancel`: everything of the asker, where they ask."""

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind
from tests.fakes.samples import GROUP, OWNER, accept, finish, make_origin
from tests.inbound.inbound_fixture import OTHER, STRANGER, InboundFixture

MOVED = GROUP - 1000


async def states(lobby: InboundFixture, *job_ids: int) -> list[JobState]:
    """Return where jobs stand."""
    return [job.state for job in await lobby.ledger.jobs.get_many(job_ids)]


async def test_cancel_in_private_cancels_everything_of_the_asker(lobby: InboundFixture) -> None:
    """What waits and what runs, here and in groups; nothing of others, nothing that is done."""
    waits, runs = await accept(lobby.ledger), await accept(lobby.ledger)
    lobby.queue.runs.add(runs.id)
    there = await accept(lobby.ledger, chat_id=GROUP, owner_id=OWNER)
    done, _ = await finish(lobby.ledger, await accept(lobby.ledger))
    other = await accept(lobby.ledger, chat_id=OTHER)
    await lobby.reception.orders.cancel(make_origin())
    [said] = await lobby.said()

    assert said.payload == {"name": "cancelling-count", "count": 3}
    assert [runs.id] == [job_id for job_id, _ in lobby.queue.stopped]
    assert await states(lobby, waits.id, there.id, done.id, other.id) == [
        JobState.CANCELLED,
        JobState.CANCELLED,
        JobState.DONE,
        JobState.QUEUED,
    ]


async def test_cancel_in_a_group_cancels_what_came_from_there(lobby: InboundFixture) -> None:
    """Also from before it became a supergroup; what the asker has elsewhere goes on."""
    await lobby.ledger.people.set_chat(GROUP, allowed=True)
    await lobby.ledger.people.move_chat(GROUP, MOVED)
    private = await accept(lobby.ledger)
    there = await accept(lobby.ledger, chat_id=GROUP, owner_id=OWNER)
    other = await accept(lobby.ledger, chat_id=GROUP, owner_id=OTHER)
    await lobby.reception.orders.cancel(make_origin(MOVED, owner_id=OWNER))
    [said] = await lobby.said()

    assert said.payload == {"name": "cancelling-count", "count": 1}
    assert await states(lobby, private.id, there.id, other.id) == [
        JobState.QUEUED,
        JobState.CANCELLED,
        JobState.QUEUED,
    ]


async def test_cancel_of_nothing_says_so(lobby: InboundFixture) -> None:
    """One sentence; a redelivered command says nothing more."""
    origin = make_origin()
    for _ in range(2):
        await lobby.reception.orders.cancel(origin)
    [said] = await lobby.said()

    assert (said.kind, said.payload) == (OutboxKind.NOTICE, {"name": "nothing-to-cancel"})


async def test_strangers_cancel_nothing(lobby: InboundFixture) -> None:
    """They are told that they are strangers."""
    await lobby.reception.orders.cancel(make_origin(STRANGER))
    [said] = await lobby.said()

    assert said.payload["name"] == "stranger"


async def test_member_of_a_group_may_cancel_in_private(lobby: InboundFixture) -> None:
    """Whoever has something under way may stop it, even if nothing could be sent in private."""
    job = await accept(lobby.ledger, chat_id=GROUP, owner_id=STRANGER)
    await lobby.reception.orders.cancel(make_origin(STRANGER))

    assert await states(lobby, job.id) == [JobState.CANCELLED]
