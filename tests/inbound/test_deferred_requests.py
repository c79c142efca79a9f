"""Deferred requests: the right to decide, the replies, and leaving groups."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatFlooded, ChatGone, ChatUncertain, MessageRefused
from bot.core.jobs import JobState
from bot.core.ports.chat import GroupVisibility
from bot.core.ports.views import Notice
from bot.inbound.access import RequestKind
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, accept, cancel, get
from tests.inbound.deferred_fixture import BOT_ADMIN, CHIEF, MEMBER, DeferredFixture

CHANNEL = -1_000_000_000_500
FOREIGN = -600


@pytest.fixture
def office(database: Database) -> DeferredFixture:
    """Deferred requests with an empty outbox."""
    return DeferredFixture(database)


@pytest.mark.parametrize(
    ("asker", "may"),
    [(CHIEF, True), (GROUP, True), (BOT_ADMIN, True), (MEMBER, False), (CHANNEL, False)],
)
async def test_who_decides(office: DeferredFixture, asker: int, *, may: bool) -> None:
    """Admins of the group, by name or as the group itself, and those of the bot may decide;
    neither a member nor a sender as a channel.
    """
    await office.request(RequestKind.DELIVER, asker, to="private")
    await office.serve()
    rules = await office.ledger.chats.chat(GROUP)

    assert may == rules.privately
    assert ["deliver-private" if may else "only-group-admins"] == await office.said()


@pytest.mark.parametrize(("asker", "may"), [(CHIEF, True), (GROUP, True), (MEMBER, False)])
async def test_who_chooses_the_zone(office: DeferredFixture, asker: int, *, may: bool) -> None:
    """The admins who decide everything else about the group choose its zone too."""
    await office.request(RequestKind.ZONE, asker, to="UTC+8")
    await office.serve()
    rules = await office.ledger.chats.chat(GROUP)

    assert ("UTC+8" if may else "") == rules.zone
    assert ["zone-chosen" if may else "only-group-admins"] == await office.said()


@pytest.mark.parametrize("error", [ChatGone("kicked"), MessageRefused("user not found")])
async def test_nobody_knows_the_asker(office: DeferredFixture, error: ChatError) -> None:
    """A user who cannot be found in the group has no rights there."""
    office.members.troubles = [error]
    await office.request(RequestKind.AUTO, CHIEF, to="on")
    await office.serve()

    assert await office.said() == ["only-group-admins"]


@pytest.mark.parametrize("sees_files", [False, True])
async def test_auto_mode_says_what_is_missing(
    office: DeferredFixture, *, sees_files: bool
) -> None:
    """Auto mode is on in either case; the reply says what the bot needs to see files."""
    office.members.sights[GROUP] = GroupVisibility(is_here=True, sees_files=sees_files)
    await office.request(RequestKind.AUTO, CHIEF, to="on")
    await office.serve()

    assert ["auto-on" if sees_files else "auto-on-blind"] == await office.said()
    assert (await office.ledger.chats.chat(GROUP)).auto


@pytest.mark.parametrize(
    ("sight", "said"),
    [
        (GroupVisibility(is_here=True, sees_files=True), ["group-sees-files"]),
        (GroupVisibility(is_here=True), ["group-sees-commands"]),
        (GroupVisibility(is_here=False), []),
    ],
)
async def test_greeting(office: DeferredFixture, sight: GroupVisibility, said: list[str]) -> None:
    """The greeting follows what the bot sees; in a group that it has left it says nothing."""
    office.members.sights[GROUP] = sight
    await office.request(RequestKind.GREET, None)
    await office.serve()

    assert said == await office.said()


@pytest.mark.parametrize("tell", [0, 1])
async def test_leaving(office: DeferredFixture, tell: int) -> None:
    """One line with the id, if it is due, and the bot goes."""
    office.members.sights[FOREIGN] = GroupVisibility(is_here=True)
    await office.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=tell)
    await office.serve(after=2.0)
    said = [sent.view for sent in office.messenger.said]

    assert ([Notice("group-not-allowed", {"id": FOREIGN})] if tell else []) == said
    assert office.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize(
    "error", [ChatGone("muted"), ChatUncertain("lost"), MessageRefused("nonsense")]
)
async def test_leaving_without_a_word(office: DeferredFixture, error: ChatError) -> None:
    """A message that cannot be sent does not keep the bot from leaving."""
    office.messenger.trouble(Trouble("send", error))
    await office.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=1)
    await office.serve(after=2.0)

    assert office.members.asked == [("leave", FOREIGN)]


async def test_leaving_waits_for_the_word(office: DeferredFixture) -> None:
    """A message that was certainly not sent is sent later, and then the bot leaves."""
    office.messenger.trouble(Trouble("send", ChatFlooded(7)))
    await office.request(RequestKind.LEAVE, chat_id=FOREIGN, tell=1)
    await office.serve(after=2.0)
    asked = list(office.members.asked)
    await office.serve(after=7.0)

    assert asked == []
    assert len(office.messenger.calls("send", FOREIGN)) == 1
    assert office.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize("is_here", [False, True])
async def test_gone(office: DeferredFixture, *, is_here: bool) -> None:
    """Running jobs of the group are cancelled, unless the update is old."""
    office.members.sights[GROUP] = GroupVisibility(is_here=is_here)
    job = await accept(office.ledger, chat_id=GROUP)
    await office.request(RequestKind.GONE, None)
    await office.serve()
    state = (await get(office.ledger, job)).state

    assert (JobState.QUEUED if is_here else JobState.CANCELLED) == state


@pytest.mark.parametrize("presser", [CHIEF, MEMBER])
async def test_press(office: DeferredFixture, presser: int) -> None:
    """An admin of the group may cancel jobs from it."""
    job = await accept(office.ledger, chat_id=GROUP, owner_id=44)
    await office.request(RequestKind.PRESS, presser, query_id="q", action="cancel", job_id=job.id)
    await office.serve()

    assert ["cancelling" if presser == CHIEF else "press-not-yours"] == await office.said()


async def test_only_a_status_message_that_no_row_knows_is_removed(office: DeferredFixture) -> None:
    """The others end by themselves, or have become answers."""
    job = await accept(office.ledger, chat_id=GROUP)
    placed = await office.ledger.status_messages.open([job], shared=False)
    await office.ledger.status_messages.placed(placed.id, 70)
    await office.ledger.status_messages.close(placed.id)
    await office.request(RequestKind.REMOVE, message=70)
    await office.request(RequestKind.REMOVE, message=71)
    await office.serve()

    assert [said.message_id for said in office.messenger.calls("delete")] == [71]
    assert await office.said() == []


async def test_press_of_an_admin_removes_it_too(office: DeferredFixture) -> None:
    """The job has ended, so that there is nothing to cancel."""
    job = await cancel(office.ledger, await accept(office.ledger, chat_id=GROUP))
    await office.request(
        RequestKind.PRESS, CHIEF, query_id="q", action="cancel", job_id=job.id, message=71
    )
    await office.serve()

    assert [said.message_id for said in office.messenger.calls("delete")] == [71]
    assert await office.said() == ["press-too-late"]
