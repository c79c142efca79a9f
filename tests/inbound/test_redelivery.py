"""Telegram delivers an update again until it is confirmed; nothing happens twice."""

import pytest

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind
from bot.inbound.actions import JobAction
from tests.fakes.samples import OWNER, accept, finish, found, get, make_file, make_origin
from tests.inbound.inbound_fixture import LIMIT, STRANGER, InboundFixture


async def test_redelivered_file_is_relayed_once(inbound: InboundFixture) -> None:
    """A redelivered file makes one job, which waits once."""
    origin, file = make_origin(), make_file()
    for _ in range(3):
        await inbound.use_cases.uploads.sent(origin, found(file))

    assert len(await inbound.jobs()) == 1
    assert inbound.queue.counts == (0, 1)


async def test_files_of_an_album_are_jobs_of_their_own(inbound: InboundFixture) -> None:
    """Each file of an album is a message and a job."""
    for _ in range(3):
        await inbound.use_cases.uploads.sent(make_origin(), found(make_file()))

    assert len(await inbound.jobs()) == 3


async def test_redelivered_command_is_answered_once(inbound: InboundFixture) -> None:
    """Commands of every kind are answered once."""
    questions = inbound.use_cases.user_commands
    for ask in (questions.welcome, questions.status):
        origin = make_origin()
        for _ in range(2):
            await ask(origin)
    origin = make_origin()
    for _ in range(2):
        await questions.other(origin, "help-any-text")
    kinds = [message.kind for message in await inbound.said()]

    assert kinds == [OutboxKind.WELCOME, OutboxKind.OVERVIEW, OutboxKind.NOTICE]


async def test_redelivered_refusal_is_said_once(inbound: InboundFixture) -> None:
    """A file that is too large, and a stranger."""
    for origin in (make_origin(), make_origin(STRANGER)):
        for _ in range(2):
            await inbound.use_cases.uploads.sent(origin, found(make_file(size=LIMIT + 1)))

    assert [s.payload["name"] for s in await inbound.said()] == [
        "error-file-too-large",
        "stranger",
    ]


async def test_redelivered_press_is_answered_as_the_first_time(inbound: InboundFixture) -> None:
    """The second delivery would come too late, but the first answer is given."""
    job = await accept(inbound.ledger)
    names = [
        await inbound.press(OWNER, JobAction.CANCEL, job.id, query_id="same") for _ in range(2)
    ]

    assert names == ["cancelling", "cancelling"]
    assert len(await inbound.said()) == 1


async def test_second_press_comes_too_late(inbound: InboundFixture) -> None:
    """A second press is another query with another answer."""
    job = await accept(inbound.ledger)
    link, _ = await finish(inbound.ledger, await accept(inbound.ledger))
    cancels = [await inbound.press(OWNER, JobAction.CANCEL, job.id) for _ in range(2)]
    deletions = [await inbound.press(OWNER, JobAction.DELETE, link.id) for _ in range(2)]

    assert cancels == ["cancelling", "press-too-late"]
    assert deletions == ["deleted", "press-too-late"]


@pytest.mark.parametrize("action", JobAction)
async def test_press_for_a_job_that_nobody_knows(
    inbound: InboundFixture, action: JobAction
) -> None:
    """A forged button, or one of another ledger, tells nothing about jobs."""
    assert await inbound.press(STRANGER, action, 999) == "press-unknown"


async def test_press_of_a_button_that_is_not_ours(inbound: InboundFixture) -> None:
    """It names a job and changes nothing about it."""
    job = await accept(inbound.ledger)

    assert await inbound.press(OWNER, None, job.id) == "press-unknown"
    assert (await get(inbound.ledger, job)).state is JobState.QUEUED
