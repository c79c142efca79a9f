"""Rights in private: owner, admin, another user, stranger."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bot.core.jobs import JobState
from bot.core.ports.ledger import OutboxKind, Priority
from bot.inbound.actions import JobAction
from tests.fakes.samples import OWNER, accept, acquire, finish, found, get, make_file, make_origin
from tests.inbound.inbound_fixture import ADMIN, OTHER, STRANGER, InboundFixture

Deed = Callable[[InboundFixture, int], Awaitable[None]]
USERS = [OWNER, OTHER, ADMIN]


async def _send_file(inbound: InboundFixture, user_id: int) -> None:
    await inbound.use_cases.uploads.sent(make_origin(user_id), found(make_file()))


async def _ask_welcome(inbound: InboundFixture, user_id: int) -> None:
    await inbound.use_cases.user_commands.welcome(make_origin(user_id))


async def _ask_status(inbound: InboundFixture, user_id: int) -> None:
    await inbound.use_cases.user_commands.status(make_origin(user_id))


async def _write(inbound: InboundFixture, user_id: int) -> None:
    await inbound.use_cases.user_commands.other(make_origin(user_id), "help-any-text")


async def _send_a_poll(inbound: InboundFixture, user_id: int) -> None:
    await inbound.use_cases.user_commands.other(make_origin(user_id), "unsupported-message")


DEEDS: dict[str, Deed] = {
    "file": _send_file,
    "welcome": _ask_welcome,
    "status": _ask_status,
    "text": _write,
    "poll": _send_a_poll,
}
SAID: dict[str, list[tuple[OutboxKind, str | None]]] = {
    "file": [],
    "welcome": [(OutboxKind.WELCOME, None)],
    "status": [(OutboxKind.OVERVIEW, None)],
    "text": [(OutboxKind.NOTICE, "help-any-text")],
    "poll": [(OutboxKind.NOTICE, "unsupported-message")],
}


@pytest.mark.parametrize("user_id", USERS)
@pytest.mark.parametrize("deed", DEEDS)
async def test_users_are_served(inbound: InboundFixture, deed: str, user_id: int) -> None:
    """All named users are served in the same way; each message belongs to the user who asked."""
    await DEEDS[deed](inbound, user_id)
    said = await inbound.said()

    assert [(message.kind, message.payload.get("name")) for message in said] == SAID[deed]
    assert {(s.chat_id, s.owner_id, s.priority) for s in said} <= {
        (user_id, user_id, Priority.REPLY)
    }
    assert [job.origin.owner_id for job in await inbound.jobs()] == [user_id] * (deed == "file")
    assert inbound.signals.outbox.is_set()


@pytest.mark.parametrize("deed", DEEDS)
async def test_stranger_gets_one_polite_line(inbound: InboundFixture, deed: str) -> None:
    """The line has the stranger's id, so that they can ask for access; nothing else happens."""
    await DEEDS[deed](inbound, STRANGER)
    [said] = await inbound.said()

    assert (said.kind, said.payload) == (OutboxKind.NOTICE, {"name": "stranger", "id": STRANGER})
    assert await inbound.jobs() == []


async def test_stranger_is_told_once_an_hour(inbound: InboundFixture) -> None:
    """A stranger is told once an hour, for all kinds of messages; other strangers are told as
    well.
    """
    for deed in DEEDS.values():
        await deed(inbound, STRANGER)
    inbound.clock.advance(timedelta(minutes=59, seconds=59))
    await _write(inbound, STRANGER)
    assert len(await inbound.said()) == 1
    await _write(inbound, STRANGER + 1)
    assert len(await inbound.said()) == 2
    inbound.clock.advance(timedelta(seconds=1))
    await _write(inbound, STRANGER)

    assert [s.payload["id"] for s in await inbound.said()] == [STRANGER, STRANGER + 1, STRANGER]


@pytest.mark.parametrize(
    ("user_id", "name", "state"),
    [
        (OWNER, "cancelling", JobState.CANCELLED),
        (ADMIN, "cancelling", JobState.CANCELLED),
        (OTHER, "press-not-yours", JobState.QUEUED),
        (STRANGER, "press-not-yours", JobState.QUEUED),
    ],
)
async def test_owner_and_admin_may_cancel(
    inbound: InboundFixture, user_id: int, name: str, state: JobState
) -> None:
    """No other user may, and is told so."""
    job = await accept(inbound.ledger)

    assert await inbound.press(user_id, JobAction.CANCEL, job.id) == name
    assert (await get(inbound.ledger, job)).state is state


@pytest.mark.parametrize(
    ("user_id", "name", "is_live"),
    [
        (OWNER, "deleted", False),
        (ADMIN, "deleted", False),
        (OTHER, "press-not-yours", True),
        (STRANGER, "press-not-yours", True),
    ],
)
async def test_owner_and_admin_may_delete(
    inbound: InboundFixture, user_id: int, name: str, *, is_live: bool
) -> None:
    """No other user may."""
    job, _ = await finish(inbound.ledger, await accept(inbound.ledger))

    assert await inbound.press(user_id, JobAction.DELETE, job.id) == name
    assert bool(await inbound.ledger.objects.live_of(OWNER)) is is_live


async def test_running_job_of_another_is_not_stopped(inbound: InboundFixture) -> None:
    """Only a press of its owner stops a running job."""
    job = await acquire(inbound.ledger, await accept(inbound.ledger))
    inbound.queue.runs.add(job.id)
    assert await inbound.press(OTHER, JobAction.CANCEL, job.id) == "press-not-yours"
    assert inbound.queue.stopped == []
    await inbound.press(OWNER, JobAction.CANCEL, job.id)

    assert [job_id for job_id, _ in inbound.queue.stopped] == [job.id]
