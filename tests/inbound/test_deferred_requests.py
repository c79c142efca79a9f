"""Deferred requests: the right to decide, the replies, and leaving groups."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatFlooded, ChatGone, ChatUncertain, MessageRefused
from bot.core.jobs import JobState
from bot.core.ports.chat import GroupVisibility
from bot.core.ports.views import Notice
from bot.inbound.deferred import RequestKind
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, accept, get
from tests.inbound.deferred_fixture import BOT_ADMIN, CHIEF, MEMBER, DeferredFixture

CHANNEL = -1_000_000_000_500
FOREIGN = -600


@pytest.fixture
def deferred(database: Database) -> DeferredFixture:
    """Deferred requests with an empty outbox."""
    return DeferredFixture(database)


@pytest.mark.parametrize(
    ("asker", "may"),
    [(CHIEF, True), (GROUP, True), (BOT_ADMIN, True), (MEMBER, False), (CHANNEL, False)],
)
async def test_who_decides(deferred: DeferredFixture, asker: int, *, may: bool) -> None:
    """Admins of the group, by name or as the group itself, and those of the bot may decide;
    neither a member nor a sender as a channel.
    """
    await deferred.request(RequestKind.DELIVER, asker, to="private")
    await deferred.serve()
    rules = await deferred.ledger.chats.chat(GROUP)

    assert may == rules.privately
    assert ["deliver-private" if may else "only-group-admins"] == await deferred.said()


@pytest.mark.parametrize(("asker", "may"), [(CHIEF, True), (GROUP, True), (MEMBER, False)])
async def test_who_chooses_the_zone(deferred: DeferredFixture, asker: int, *, may: bool) -> None:
    """The admins who decide everything else about the group choose its zone too."""
    await deferred.request(RequestKind.ZONE, asker, to="UTC+8")
    await deferred.serve()
    rules = await deferred.ledger.chats.chat(GROUP)

    assert ("UTC+8" if may else "") == rules.zone
    assert ["zone-chosen" if may else "only-group-admins"] == await deferred.said()


@pytest.mark.parametrize("error", [ChatGone("kicked"), MessageRefused("user not found")])
async def test_nobody_knows_the_asker(deferred: DeferredFixture, error: ChatError) -> None:
    """A user who cannot be found in the group has no rights there."""
    deferred.members.troubles = [error]
    await deferred.request(RequestKind.AUTO, CHIEF, to="on")
    await deferred.serve()

    assert await deferred.said() == ["only-group-admins"]


@pytest.mark.parametrize("sees_files", [False, True])
async def test_auto_mode_says_what_is_missing(
    deferred: DeferredFixture, *, sees_files: bool
) -> None:
    """Auto mode is on in either case; the reply says what the bot needs to see files."""
    deferred.members.sights[GROUP] = GroupVisibility(is_here=True, sees_files=sees_files)
    await deferred.request(RequestKind.AUTO, CHIEF, to="on")
    await deferred.serve()

    assert ["auto-on" if sees_files else "auto-on-blind"] == await deferred.said()
    assert (await deferred.ledger.chats.chat(GROUP)).auto


@pytest.mark.parametrize(
    ("sight", "said"),
    [
        (GroupVisibility(is_here=True, sees_files=True), ["group-sees-files"]),
        (GroupVisibility(is_here=True), ["group-sees-commands"]),
        (GroupVisibility(is_here=False), []),
    ],
)
async def test_greeting(
    deferred: DeferredFixture, sight: GroupVisibility, said: list[str]
) -> None:
    """The greeting follows what the bot sees; in a group that it has left it says nothing."""
    deferred.members.sights[GROUP] = sight
    await deferred.request(RequestKind.GREET, None)
    await deferred.serve()

    assert said == await deferred.said()


@pytest.mark.parametrize("tell", [0, 1])
async def test_leaving(deferred: DeferredFixture, tell: int) -> None:
    """One line with the id, if it is due, and the bot goes."""
    deferred.members.sights[FOREIGN] = GroupVisibility(is_here=True)
    await deferred.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=tell)
    await deferred.serve(after=2.0)
    said = [sent.view for sent in deferred.messenger.said]

    assert ([Notice("group-not-allowed", {"id": FOREIGN})] if tell else []) == said
    assert deferred.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize(
    "error", [ChatGone("muted"), ChatUncertain("lost"), MessageRefused("nonsense")]
)
async def test_leaving_without_a_word(deferred: DeferredFixture, error: ChatError) -> None:
    """A message that cannot be sent does not keep the bot from leaving."""
    deferred.messenger.trouble(Trouble("send", error))
    await deferred.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=1)
    await deferred.serve(after=2.0)

    assert deferred.members.asked == [("leave", FOREIGN)]


async def test_leaving_waits_for_the_word(deferred: DeferredFixture) -> None:
    """A message that was certainly not sent is sent later, and then the bot leaves."""
    deferred.messenger.trouble(Trouble("send", ChatFlooded(7)))
    await deferred.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=1)
    await deferred.serve(after=2.0)
    asked = list(deferred.members.asked)
    await deferred.serve(after=7.0)

    assert asked == []
    assert len(deferred.messenger.calls("send", FOREIGN)) == 1
    assert deferred.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize("is_here", [False, True])
async def test_gone(deferred: DeferredFixture, *, is_here: bool) -> None:
    """Running jobs of the group are cancelled, unless the update is old."""
    deferred.members.sights[GROUP] = GroupVisibility(is_here=is_here)
    job = await accept(deferred.ledger, chat_id=GROUP)
    await deferred.request(RequestKind.GONE, None)
    await deferred.serve()
    state = (await get(deferred.ledger, job)).state

    assert (JobState.QUEUED if is_here else JobState.CANCELLED) == state


@pytest.mark.parametrize("presser", [CHIEF, MEMBER])
async def test_press(deferred: DeferredFixture, presser: int) -> None:
    """An admin of the group may cancel jobs from it."""
    job = await accept(deferred.ledger, chat_id=GROUP, owner_id=44)
    await deferred.request(
        RequestKind.PRESS, presser, query_id="q", action="cancel", job_id=job.id
    )
    await deferred.serve()

    assert ["cancelling" if presser == CHIEF else "press-not-yours"] == await deferred.said()
