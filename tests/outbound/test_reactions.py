"""Reactions on the messages that brought files."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatFlooded, ChatUncertain, MessageRefused
from bot.core.jobs import Job
from bot.core.ports.chat import Reaction
from bot.core.ports.ledger import OutboxKind
from bot.outbound.answer_delivery import Reactions
from bot.outbound.outbox import STALE_AFTER
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, OWNER, make_file, make_origin
from tests.outbound.outbound_fixture import OutboundFixture

ACCEPTED, DONE, NONE = Reaction.ACCEPTED, Reaction.DONE, Reaction.NONE


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders, with reactions switched on."""
    return OutboundFixture(database, reactions=True)


def shown(stage: OutboundFixture) -> list[tuple[int, Reaction]]:
    """Return messages and their reactions, in order."""
    return [(message_id, reaction) for _, message_id, reaction in stage.messenger.reactions]


async def accepted(
    stage: OutboundFixture, *, album: str | None = None, chat_id: int = OWNER
) -> Job:
    """Accept a file, and show it."""
    origin = replace(make_origin(chat_id), album=album)
    job = await stage.ledger.jobs.accept(origin, make_file(), stage.clock.now())
    assert job is not None
    await stage.reactions.accepted(job)
    return job


async def test_seen_then_done(stage: OutboundFixture) -> None:
    """The message of a file shows both, one after the other."""
    job = await accepted(stage)
    await stage.speak()
    await stage.done(job)
    await stage.speak()

    message_id = job.origin.message_id
    assert [(message_id, ACCEPTED), (message_id, DONE)] == shown(stage)
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_what_failed_shows_nothing_any_more(stage: OutboundFixture) -> None:
    """Neither does what was cancelled; the answer tells why."""
    failed, cancelled = await accepted(stage), await accepted(stage)
    await stage.speak()
    await stage.fail(failed)
    await stage.cancel(cancelled)
    await stage.after(15)

    ids = [job.origin.message_id for job in (failed, cancelled)]
    assert sorted((message_id, NONE) for message_id in ids) == sorted(shown(stage)[2:])


async def test_quick_file_is_only_shown_as_done(stage: OutboundFixture) -> None:
    """What is superseded before it could be shown costs no call."""
    job = await accepted(stage)
    await stage.done(job)
    await stage.reactions.ended([await get_done(stage, job)])
    await stage.speak()

    assert [(job.origin.message_id, DONE)] == shown(stage)


async def get_done(stage: OutboundFixture, job: Job) -> Job:
    """Read a job again."""
    found = await stage.ledger.jobs.get(job.id)
    assert found is not None
    return found


async def test_first_file_of_an_album_stands_for_all(stage: OutboundFixture) -> None:
    """Ten files cost two calls."""
    jobs = [await accepted(stage, album="a") for _ in range(10)]
    await stage.speak()
    for job in jobs:
        await stage.done(job)
    await stage.after(5)
    first = jobs[0].origin.message_id

    assert [(first, ACCEPTED), (first, DONE)] == shown(stage)


async def test_refused_reaction_is_nothing(stage: OutboundFixture) -> None:
    """A chat may forbid them; nothing else suffers, and nothing is tried again."""
    stage.messenger.trouble(Trouble("react", MessageRefused("REACTION_INVALID"), times=0))
    job = await accepted(stage)
    await stage.done(job)
    await stage.speak()

    assert len(stage.answers) == 1
    assert shown(stage) == []
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


@pytest.mark.parametrize("error", [ChatFlooded(7), ChatUncertain("lost")])
async def test_trouble_pauses_the_chat(
    stage: OutboundFixture, error: ChatFlooded | ChatUncertain
) -> None:
    """As any other trouble does; the reaction itself is let go."""
    stage.messenger.trouble(Trouble("react", error))
    await accepted(stage)
    await stage.speak()

    assert stage.rate_limits.of(OWNER).ready_at(None, stage.clock.now()) > stage.clock.now()
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_reactions_leave_room_for_words(stage: OutboundFixture) -> None:
    """Fifty files of a group: no limit is hit, everything is answered, what comes too late to
    matter is not shown.
    """
    jobs = [await accepted(stage, chat_id=GROUP) for _ in range(50)]
    for job in jobs:
        await stage.done(job)
    await stage.after(300)

    assert stage.messenger.floods == []
    assert {job.id for job in jobs} == {
        item.job_id
        for said in stage.answers
        for item in said.view.items  # type: ignore[union-attr]  # answers have items.
    }
    assert len(shown(stage)) < 50
    assert (await stage.ledger.outbox.pending_work(9)).messages == []


async def test_stale_reaction_is_let_go(stage: OutboundFixture) -> None:
    """A reaction that has waited too long is dropped."""
    await accepted(stage)
    stage.clock.advance(STALE_AFTER + timedelta(seconds=1))
    await stage.speak()

    assert shown(stage) == []


async def test_switched_off_by_default(database: Database) -> None:
    """Then nothing is asked for."""
    stage = OutboundFixture(database)
    job = await stage.accept()
    quiet = Reactions(stage.ledger.outbox, stage.clock, enabled=False)
    await quiet.accepted(job)
    await quiet.ended([job])

    assert OutboxKind.REACTION not in {
        s.kind for s in (await stage.ledger.outbox.pending_work(9)).messages
    }
