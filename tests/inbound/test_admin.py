"""Those who look after the bot: they look at it, and decide who may use it."""

from collections.abc import Awaitable, Callable

import pytest

from bot.core.jobs import JobState, Origin
from bot.core.ports.chats import ChatRules, OwnerRules
from bot.core.ports.ledger import OutboxKind
from bot.inbound.access import Admission
from bot.inbound.admin import AdminCommands
from tests.fakes.samples import GROUP, OWNER, accept, finish, get, make_origin
from tests.inbound.inbound_fixture import ADMIN, OTHER, STRANGER, InboundFixture

Command = Callable[[AdminCommands, Origin], Awaitable[None]]
COMMANDS: dict[str, Command] = {
    "stats": lambda admins, origin: admins.stats(origin),
    "allow": lambda admins, origin: admins.allow(origin, STRANGER),
    "ban": lambda admins, origin: admins.ban(origin, OTHER),
    "unban": lambda admins, origin: admins.unban(origin, OTHER),
}


def by_admin(chat_id: int = ADMIN) -> Origin:
    """Return a message of who looks after the bot."""
    return make_origin(chat_id, owner_id=ADMIN)


async def told(lobby: InboundFixture) -> dict[str, str | int]:
    """Return the latest thing that is to be said."""
    return (await lobby.said())[-1].payload


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    ("user_id", "name"), [(OWNER, "only-admins"), (STRANGER, "stranger"), (OTHER, None)]
)
async def test_nobody_else_may(
    lobby: InboundFixture, command: Command, user_id: int, name: str | None
) -> None:
    """Users are told so, strangers that they are strangers, banned people nothing; nothing
    changes.
    """
    await lobby.ledger.people.set_owner(OTHER, banned=True)
    await command(lobby.reception.admins, make_origin(user_id))
    said = [saying.payload["name"] for saying in await lobby.said()]

    assert said == ([name] if name else [])
    assert OwnerRules(OTHER, banned=True) == await lobby.ledger.people.owner(OTHER)
    assert OwnerRules(STRANGER) == await lobby.ledger.people.owner(STRANGER)


async def test_stats_are_told_in_private_only(lobby: InboundFixture) -> None:
    """A group is not told how others use the bot."""
    await lobby.reception.admins.stats(by_admin())
    await lobby.reception.admins.stats(by_admin(GROUP))
    private, group = await lobby.said()

    assert private.kind is OutboxKind.STATISTICS
    assert group.payload == {"name": "only-in-private"}


async def test_allowed_person_may_use_the_bot(lobby: InboundFixture) -> None:
    """At once, and whoever was banned is no longer."""
    await lobby.ledger.people.set_owner(STRANGER, banned=True)
    await lobby.reception.admins.allow(by_admin(), STRANGER)

    assert await told(lobby) == {"name": "allowed", "id": STRANGER}
    assert await lobby.access.admit(make_origin(STRANGER)) is Admission.WELCOME


async def test_allowed_group_is_served(lobby: InboundFixture) -> None:
    """All its members may use the bot there."""
    await lobby.reception.admins.allow(by_admin(), GROUP)

    assert ChatRules(GROUP, allowed=True) == await lobby.ledger.people.chat(GROUP)
    assert await lobby.access.admit(make_origin(GROUP, owner_id=9)) is Admission.WELCOME


async def test_banned_person_gets_nothing_any_more(lobby: InboundFixture) -> None:
    """What is under way is cancelled, wherever it came from; links live on until their end."""
    private = await accept(lobby.ledger)
    there = await accept(lobby.ledger, chat_id=GROUP, owner_id=OWNER)
    done, _ = await finish(lobby.ledger, await accept(lobby.ledger))
    other = await accept(lobby.ledger, chat_id=OTHER)
    await lobby.reception.admins.ban(by_admin(), OWNER)
    jobs = [await get(lobby.ledger, job) for job in (private, there, done, other)]

    assert await told(lobby) == {"name": "banned", "id": OWNER, "count": 2, "links": 1}
    assert await lobby.access.admit(make_origin()) is Admission.BANNED
    assert [job.state for job in jobs] == [
        JobState.CANCELLED,
        JobState.CANCELLED,
        JobState.DONE,
        JobState.QUEUED,
    ]
    assert len(await lobby.ledger.objects.live_of(OWNER)) == 1


async def test_purge_ends_links_too(lobby: InboundFixture) -> None:
    """Theirs, and nobody else's."""
    await finish(lobby.ledger, await accept(lobby.ledger))
    await finish(lobby.ledger, await accept(lobby.ledger, chat_id=OTHER))
    await lobby.reception.admins.ban(by_admin(), OWNER, purge=True)

    assert await told(lobby) == {"name": "banned-purged", "id": OWNER, "count": 0, "links": 1}
    assert await lobby.ledger.objects.live_of(OWNER) == []
    assert len(await lobby.ledger.objects.live_of(OTHER)) == 1
    assert lobby.news.due.is_set()


async def test_banned_group_is_left(lobby: InboundFixture) -> None:
    """What came from it is cancelled, what its members have elsewhere is not."""
    await lobby.ledger.people.set_chat(GROUP, allowed=True)
    there = await accept(lobby.ledger, chat_id=GROUP, owner_id=OWNER)
    private = await accept(lobby.ledger)
    await lobby.reception.admins.ban(by_admin(), GROUP)
    [leave] = [s for s in await lobby.said() if s.kind is OutboxKind.REQUEST]

    assert (leave.chat_id, leave.payload) == (GROUP, {"do": "leave", "tell": False})
    assert not await lobby.access.may_serve(GROUP)
    assert (await get(lobby.ledger, there)).state is JobState.CANCELLED
    assert (await get(lobby.ledger, private)).state is JobState.QUEUED


async def test_unban_gives_back_what_was(lobby: InboundFixture) -> None:
    """A user may use the bot again, a stranger stays one, a group is served."""
    admins = lobby.reception.admins
    for target in (OWNER, STRANGER, GROUP):
        await admins.ban(by_admin(), target)
        await admins.unban(by_admin(), target)

    assert await told(lobby) == {"name": "unbanned", "id": GROUP}
    assert await lobby.access.admit(make_origin()) is Admission.WELCOME
    assert await lobby.access.admit(make_origin(STRANGER)) is Admission.STRANGER
    assert await lobby.access.may_serve(GROUP)


async def test_admins_cannot_be_banned(lobby: InboundFixture) -> None:
    """The settings decide who looks after the bot."""
    await lobby.reception.admins.ban(by_admin(), ADMIN)

    assert await told(lobby) == {"name": "not-bannable"}
    assert OwnerRules(ADMIN) == await lobby.ledger.people.owner(ADMIN)


async def test_command_that_names_nobody_explains_itself(lobby: InboundFixture) -> None:
    """Nothing is guessed."""
    admins = lobby.reception.admins
    for command in (admins.allow, admins.ban, admins.unban):
        await command(by_admin(), None)

    assert [saying.payload for saying in await lobby.said()] == [{"name": "admin-how"}] * 3


async def test_redelivered_ban_leaves_once(lobby: InboundFixture) -> None:
    """And is told once."""
    origin = by_admin()
    for _ in range(2):
        await lobby.reception.admins.ban(origin, GROUP)

    assert len(await lobby.said()) == 2
