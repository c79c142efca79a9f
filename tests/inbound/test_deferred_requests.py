"""Who may decide, what is said then, and what becomes of groups."""

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatFlooded, ChatGone, ChatUncertain, MessageRefused
from bot.core.jobs import JobState
from bot.core.ports.chat import Notice
from bot.core.ports.members import Sight
from bot.inbound.errands import Errand
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, accept, get
from tests.inbound.deferred_fixture import BOT_ADMIN, CHIEF, MEMBER, Office

CHANNEL = -1_000_000_000_500
FOREIGN = -600


@pytest.fixture
def office(database: Database) -> Office:
    """A desk with an empty outbox."""
    return Office(database)


@pytest.mark.parametrize(
    ("asker", "may"),
    [(CHIEF, True), (GROUP, True), (BOT_ADMIN, True), (MEMBER, False), (CHANNEL, False)],
)
async def test_who_decides(office: Office, asker: int, *, may: bool) -> None:
    """Who looks after the group, by name or as the group itself, or after the bot; no member, and
    nobody who writes as a channel.
    """
    await office.request(Errand.DELIVER, asker, to="private")
    await office.serve()
    rules = await office.ledger.people.chat(GROUP)

    assert may == rules.privately
    assert ["deliver-private" if may else "only-group-admins"] == await office.said()


@pytest.mark.parametrize(("asker", "may"), [(CHIEF, True), (GROUP, True), (MEMBER, False)])
async def test_who_chooses_the_zone(office: Office, asker: int, *, may: bool) -> None:
    """Those who decide everything else about the group."""
    await office.request(Errand.ZONE, asker, to="UTC+8")
    await office.serve()
    rules = await office.ledger.people.chat(GROUP)

    assert ("UTC+8" if may else "") == rules.zone
    assert ["zone-chosen" if may else "only-group-admins"] == await office.said()


@pytest.mark.parametrize("error", [ChatGone("kicked"), MessageRefused("user not found")])
async def test_nobody_knows_the_asker(office: Office, error: ChatError) -> None:
    """Who cannot be found in the group has no rights there."""
    office.members.troubles = [error]
    await office.request(Errand.AUTO, CHIEF, to="on")
    await office.serve()

    assert await office.said() == ["only-group-admins"]


@pytest.mark.parametrize("sees_files", [False, True])
async def test_auto_mode_says_what_is_missing(office: Office, *, sees_files: bool) -> None:
    """It is on in either case, and works once the bot is let see."""
    office.members.sights[GROUP] = Sight(is_here=True, sees_files=sees_files)
    await office.request(Errand.AUTO, CHIEF, to="on")
    await office.serve()

    assert ["auto-on" if sees_files else "auto-on-blind"] == await office.said()
    assert (await office.ledger.people.chat(GROUP)).auto


@pytest.mark.parametrize(
    ("sight", "said"),
    [
        (Sight(is_here=True, sees_files=True), ["group-sees-files"]),
        (Sight(is_here=True), ["group-sees-commands"]),
        (Sight(is_here=False), []),
    ],
)
async def test_greeting(office: Office, sight: Sight, said: list[str]) -> None:
    """By what the bot sees; where it is no more it says nothing."""
    office.members.sights[GROUP] = sight
    await office.request(Errand.GREET, None)
    await office.serve()

    assert said == await office.said()


@pytest.mark.parametrize("tell", [0, 1])
async def test_leaving(office: Office, tell: int) -> None:
    """One line with the id, if it is due, and the bot goes."""
    office.members.sights[FOREIGN] = Sight(is_here=True)
    await office.request(Errand.LEAVE, chat_id=FOREIGN, tell=tell)
    await office.serve(after=2.0)
    said = [sent.view for sent in office.messenger.said]

    assert ([Notice("group-not-allowed", {"id": FOREIGN})] if tell else []) == said
    assert office.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize(
    "error", [ChatGone("muted"), ChatUncertain("lost"), MessageRefused("nonsense")]
)
async def test_leaving_without_a_word(office: Office, error: ChatError) -> None:
    """What cannot be said keeps the bot from nothing."""
    office.messenger.trouble(Trouble("send", error))
    await office.request(Errand.LEAVE, chat_id=FOREIGN, tell=1)
    await office.serve(after=2.0)

    assert office.members.asked == [("leave", FOREIGN)]


async def test_leaving_waits_for_the_word(office: Office) -> None:
    """What was certainly not said is said later, and then the bot goes."""
    office.messenger.trouble(Trouble("send", ChatFlooded(7)))
    await office.request(Errand.LEAVE, chat_id=FOREIGN, tell=1)
    await office.serve(after=2.0)
    asked = list(office.members.asked)
    await office.serve(after=7.0)

    assert asked == []
    assert len(office.messenger.calls("send", FOREIGN)) == 1
    assert office.members.asked == [("leave", FOREIGN)]


@pytest.mark.parametrize("is_here", [False, True])
async def test_gone(office: Office, *, is_here: bool) -> None:
    """What is under way is cancelled, unless the news is old."""
    office.members.sights[GROUP] = Sight(is_here=is_here)
    job = await accept(office.ledger, chat_id=GROUP)
    await office.request(Errand.GONE, None)
    await office.serve()
    state = (await get(office.ledger, job)).state

    assert (JobState.QUEUED if is_here else JobState.CANCELLED) == state


@pytest.mark.parametrize("presser", [CHIEF, MEMBER])
async def test_press(office: Office, presser: int) -> None:
    """Who looks after the group may cancel what came from it."""
    job = await accept(office.ledger, chat_id=GROUP, owner_id=44)
    await office.request(Errand.PRESS, presser, query_id="q", action="cancel", job_id=job.id)
    await office.serve()

    assert ["cancelling" if presser == CHIEF else "press-not-yours"] == await office.said()
