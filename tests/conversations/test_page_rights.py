"""Rights: every button of a page, for each role in a group where all options are offered."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.adapters.telegram.buttons import ButtonCodec, OptionButton
from bot.core.ports.views import PageOption
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import CallbackQuery, User
from tests.conversations.groups import Room, ledger_of, open_room
from tests.conversations.people import links_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = ("owner", "member", "group_admin", "bot_admin", "stranger", "banned")
"""The owner is a member who has sent the file; the stranger is in none of the bot's groups."""
NOT_YOURS = "Only the person who asked"
NOT_YOUR_NAME = "Only the person who sent"
DONE, NOTHING = "", None
"""An answer that is no refusal; none at all."""

BUTTONS = {
    option: (DONE, NOT_YOURS, DONE, DONE, NOT_YOURS, NOTHING)
    for option in PageOption
    if option is not PageOption.NAME
} | {
    # Admins may not show a name that is not that of the sender.
    PageOption.NAME: (DONE, NOT_YOURS, NOT_YOUR_NAME, NOT_YOUR_NAME, NOT_YOURS, NOTHING),
}
VALUES = {PageOption.EXPIRES: 60, PageOption.DOWNLOADS: 5, PageOption.MENU: 1}
CELLS = sorted(
    ((option, who) for option in BUTTONS for who in ROLES),
    # Last, because the one ends the links, and the other is for links that have ended.
    key=lambda cell: (cell[0] is PageOption.AGAIN, cell[0] is PageOption.REMOVE),
)


class PageTown:
    """The group, a user for each role, and a file of the owner."""

    def __init__(self, room: Room, people: dict[str, User], job_id: int) -> None:
        self.room = room
        self.people = people
        self.job_id = job_id
        self.codec = ButtonCodec(room.stage.telegram.token.encode())
        self.has_ended = False

    async def press(self, who: str, option: PageOption) -> CallbackQuery:
        """Let a client send the data of a button, as it can for any message with buttons."""
        group, answer = self.room.group, self.room.said[0]
        data = self.codec.encode(OptionButton(option, self.job_id, VALUES.get(option, 1)))
        at = self.room.stage.clock.now()
        query = CallbackQuery(group.require(answer), self.people[who], data, at)
        group.world.queries[query.id] = query
        group.world.emit("callback_query", query.json(), chat_id=group.id, date=at)
        await group.world.touch()
        return query

    async def end(self) -> None:
        """Delete the file, if that was not done."""
        if not self.has_ended:
            async with ledger_of(self.room.stage) as ledger:
                await ledger.objects.revoke(self.job_id, self.room.stage.clock.now())
        self.has_ended = True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageTown]:
    """A group with a user for each role, and a bot for all tests of this module."""
    async with LocalStack(tmp_path_factory.mktemp("town")) as stage:
        people = {who: stage.telegram.add_user(who) for who in ROLES}
        owner = stage.telegram.add_user("creator")
        room = open_room(stage, owner, *(people[who] for who in ROLES if who != "stranger"))
        room.group.roster.put(people["group_admin"], "administrator")
        stage.more |= {
            "RELAY_ACCESS__ADMINS": str(people["bot_admin"].id),
            "RELAY_LINK__MODE": "page",
            "RELAY_LINK__OPTIONS_IN_GROUPS": "all",
            "RELAY_WEB__PORT": "0",
            "RELAY_WEB__URL": "http://127.0.0.1:8080",
        }
        await stage.start_bot()
        file = await room.send(people["owner"], b"plan", "plan.pdf")
        answer = await room.answered(await room.share(people["owner"], file))
        async with ledger_of(stage) as ledger:
            await ledger.chats.set_owner(people["banned"].id, banned=True)
            page = await ledger.pages.find(links_of(answer)[0].rpartition("/")[2])
        assert page is not None
        yield PageTown(room, people, page.files[0].job_id)


@pytest.mark.parametrize(("option", "who"), CELLS)
async def test_page_button(town: PageTown, option: PageOption, who: str) -> None:
    """A user of this role who presses this button of the owner's gets this answer."""
    expected = BUTTONS[option][ROLES.index(who)]
    if option is PageOption.AGAIN:
        await town.end()
    query = await town.press(who, option)
    if expected is NOTHING:
        served = await town.press("owner", PageOption.MENU)
        await town.room.until(lambda: served.answer is not None)
        assert query.answer is None
        return
    await town.room.until(lambda: query.answer is not None)
    assert query.answer is not None

    assert query.answer.text.startswith(expected)
    assert query.answer.text.startswith((NOT_YOURS, NOT_YOUR_NAME)) == bool(expected)
    assert "press-unknown" not in query.answer.text
