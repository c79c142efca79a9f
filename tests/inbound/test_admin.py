"""Those who look after the bot: they look at it, and decide who may use it."""

from collections.abc import Awaitable, Callable

import pytest

from bot.core.jobs import JobState, Origin
from bot.core.ports.ledger import ChatRules, OutboxKind, OwnerRules
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


async def told(inbound: InboundFixture) -> dict[str, str | int]:
    """Return the latest thing that is to be said."""
    return (await inbound.said())[-1].payload


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    ("user_id", "name"), [(OWNER, "only-admins"), (STRANGER, "stranger"), (OTHER, None)]
)
async def test_nobody_else_may(
    inbound: InboundFixture, command: Command, user_id: int, name: str | None
) -> None:
    """Users are told so, strangers that they are strangers, banned people nothing; nothing
    changes.
    """
    await inbound.ledger.chats.set_owner(OTHER, banned=True)
    await command(inbound.use_cases.admin_commands, make_origin(user_id))
    said = [message.payload["name"] for message in await inbound.said()]

    assert said == ([name] if name else [])
    assert OwnerRules(OTHER, banned=True) == await inbound.ledger.chats.owner(OTHER)
    assert OwnerRules(STRANGER) == await inbound.ledger.chats.owner(STRANGER)


async def test_stats_are_told_in_private_only(inbound: InboundFixture) -> None:
    """A group is not shown the statistics."""
    await inbound.use_cases.admin_commands.stats(by_admin())
    await inbound.use_cases.admin_commands.stats(by_admin(GROUP))
    private, group = await inbound.said()

    assert private.kind is OutboxKind.STATISTICS
    assert group.payload == {"name": "only-in-private"}


async def test_allowed_person_may_use_the_bot(inbound: InboundFixture) -> None:
    """The command takes effect at once, and ends a ban."""
    await inbound.ledger.chats.set_owner(STRANGER, banned=True)
    await inbound.use_cases.admin_commands.allow(by_admin(), STRANGER)

    assert await told(inbound) == {"name": "allowed", "id": STRANGER}
    assert await inbound.access.admit(make_origin(STRANGER)) is Admission.WELCOME


async def test_allowed_group_is_served(inbound: InboundFixture) -> None:
    """All members of an allowed group may use the bot there."""
    await inbound.use_cases.admin_commands.allow(by_admin(), GROUP)

    assert ChatRules(GROUP, allowed=True) == await inbound.ledger.chats.chat(GROUP)
    assert await inbound.access.admit(make_origin(GROUP, owner_id=9)) is Admission.WELCOME


async def test_banned_person_gets_nothing_any_more(inbound: InboundFixture) -> None:
    """A ban cancels all jobs of the user, also those of groups; links live on until their end."""
    private = await accept(inbound.ledger)
    there = await accept(inbound.ledger, chat_id=GROUP, owner_id=OWNER)
    done, _ = await finish(inbound.ledger, await accept(inbound.ledger))
    other = await accept(inbound.ledger, chat_id=OTHER)
    await inbound.use_cases.admin_commands.ban(by_admin(), OWNER)
    jobs = [await get(inbound.ledger, job) for job in (private, there, done, other)]

    assert await told(inbound) == {"name": "banned", "id": OWNER, "count": 2, "links": 1}
    assert await inbound.access.admit(make_origin()) is Admission.BANNED
    assert [job.state for job in jobs] == [
        JobState.CANCELLED,
        JobState.CANCELLED,
        JobState.DONE,
        JobState.QUEUED,
    ]
    assert len(await inbound.ledger.objects.live_of(OWNER)) == 1


async def test_purge_ends_links_too(inbound: InboundFixture) -> None:
    """A purge ends the links of the banned user only."""
    await finish(inbound.ledger, await accept(inbound.ledger))
    await finish(inbound.ledger, await accept(inbound.ledger, chat_id=OTHER))
    await inbound.use_cases.admin_commands.ban(by_admin(), OWNER, purge=True)

    assert await told(inbound) == {"name": "banned-purged", "id": OWNER, "count": 0, "links": 1}
    assert await inbound.ledger.objects.live_of(OWNER) == []
    assert len(await inbound.ledger.objects.live_of(OTHER)) == 1
    assert inbound.signals.deletions.is_set()


async def test_banned_group_is_left(inbound: InboundFixture) -> None:
    """Jobs from the group are cancelled, jobs of its members elsewhere are not."""
    await inbound.ledger.chats.set_chat(GROUP, allowed=True)
    there = await accept(inbound.ledger, chat_id=GROUP, owner_id=OWNER)
    private = await accept(inbound.ledger)
    await inbound.use_cases.admin_commands.ban(by_admin(), GROUP)
    [leave] = [s for s in await inbound.said() if s.kind is OutboxKind.REQUEST]

    assert (leave.chat_id, leave.payload) == (GROUP, {"do": "leave", "tell": False})
    assert not await inbound.access.may_serve(GROUP)
    assert (await get(inbound.ledger, there)).state is JobState.CANCELLED
    assert (await get(inbound.ledger, private)).state is JobState.QUEUED


async def test_unban_gives_back_what_was(inbound: InboundFixture) -> None:
    """A user may use the bot again, a stranger stays one, a group is served."""
    admins = inbound.use_cases.admin_commands
    for target in (OWNER, STRANGER, GROUP):
        await admins.ban(by_admin(), target)
        await admins.unban(by_admin(), target)

    assert await told(inbound) == {"name": "unbanned", "id": GROUP}
    assert await inbound.access.admit(make_origin()) is Admission.WELCOME
    assert await inbound.access.admit(make_origin(STRANGER)) is Admission.STRANGER
    assert await inbound.access.may_serve(GROUP)


async def test_admins_cannot_be_banned(inbound: InboundFixture) -> None:
    """Only the settings decide who is an admin."""
    await inbound.use_cases.admin_commands.ban(by_admin(), ADMIN)

    assert await told(inbound) == {"name": "not-bannable"}
    assert OwnerRules(ADMIN) == await inbound.ledger.chats.owner(ADMIN)


async def test_command_that_names_nobody_explains_itself(inbound: InboundFixture) -> None:
    """A command without a name or id is answered with how to use it."""
    admins = inbound.use_cases.admin_commands
    for command in (admins.allow, admins.ban, admins.unban):
        await command(by_admin(), None)

    assert [message.payload for message in await inbound.said()] == [{"name": "admin-how"}] * 3


async def test_redelivered_ban_leaves_once(inbound: InboundFixture) -> None:
    """A redelivered ban is told once too."""
    origin = by_admin()
    for _ in range(2):
        await inbound.use_cases.admin_commands.ban(origin, GROUP)

    assert len(await inbound.said()) == 2
