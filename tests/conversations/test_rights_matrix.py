"""Rights: every command and every button, for each role in a group with the bot. One bot serves
all cells.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio

from bot.adapters.telegram.commands import COMMANDS_BY_NAME
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import Message, User, VisibleMessage
from tests.conversations.groups import Room, ledger_of, open_room

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
SLOW = 20_000.0
"""Bytes per second: a film is still on its way when all cells that press its button are over."""
"""Bytes per second of one download: a small file comes at once, a film takes minutes."""

EVERYBODY: Final = (
    "owner",
    "member",
    "group_admin",
    "anonymous",
    "bot_admin",
    "stranger",
    "banned",
)
"""The owner is a member who has asked for what this is about; the anonymous one looks after the
group and writes as the group; the stranger is in none of the bot's groups and writes in private.
"""

NOTHING = ""
STRANGER = "This bot is private"
HELP = "Reply to a file with /share@"
STATUS = "plan.pdf"
NO_LINKS = "You have no live links"
NOTHING_RUNS = "No transfers are running."
LANGUAGES = "Which language"
NOT_AS_A_GROUP = "a language only for a person"
LINK = "Open the link"
ADMINS_ONLY = "Only admins of this group"
AUTO_IS = "Auto mode is off"
AUTO = "Auto mode is now off"
DELIVER_IS = "Answers are sent in this group"
DELIVER = "From now on I send answers here"
ZONE_IS = "Times here are shown in UTC"
ZONE = "From now on times here are shown in UTC"
CHIEFS = "Only the bot’s admins"

# The columns are those of EVERYBODY.
COMMANDS: Final = {
    "/start": (HELP, HELP, HELP, HELP, HELP, STRANGER, NOTHING),
    "/help": (HELP, HELP, HELP, HELP, HELP, STRANGER, NOTHING),
    "/status": (STATUS, STATUS, STATUS, STATUS, STATUS, STRANGER, NOTHING),
    "/links": (STATUS, NO_LINKS, NO_LINKS, NO_LINKS, NO_LINKS, STRANGER, NOTHING),
    "/cancel": (
        "Cancelling 1 transfer",
        NOTHING_RUNS,
        NOTHING_RUNS,
        NOTHING_RUNS,
        NOTHING_RUNS,
        STRANGER,
        NOTHING,
    ),
    "/language": (
        LANGUAGES,
        LANGUAGES,
        LANGUAGES,
        NOT_AS_A_GROUP,
        LANGUAGES,
        STRANGER,
        NOTHING,
    ),
    "/share": (LINK, LINK, LINK, LINK, LINK, STRANGER, NOTHING),
    "/auto": (AUTO_IS, AUTO_IS, AUTO_IS, AUTO_IS, AUTO_IS, STRANGER, NOTHING),
    "/auto off": (ADMINS_ONLY, ADMINS_ONLY, AUTO, AUTO, AUTO, STRANGER, NOTHING),
    "/deliver": (
        DELIVER_IS,
        DELIVER_IS,
        DELIVER_IS,
        DELIVER_IS,
        DELIVER_IS,
        STRANGER,
        NOTHING,
    ),
    "/deliver here": (ADMINS_ONLY, ADMINS_ONLY, DELIVER, DELIVER, DELIVER, STRANGER, NOTHING),
    "/zone": (ZONE_IS, ZONE_IS, ZONE_IS, ZONE_IS, ZONE_IS, STRANGER, NOTHING),
    "/zone +0": (ADMINS_ONLY, ADMINS_ONLY, ZONE, ZONE, ZONE, STRANGER, NOTHING),
    "/stats": (CHIEFS, CHIEFS, CHIEFS, CHIEFS, "only in a private chat", STRANGER, NOTHING),
    "/allow 42": (CHIEFS, CHIEFS, CHIEFS, CHIEFS, "42 can now use the bot", STRANGER, NOTHING),
    "/ban 42": (CHIEFS, CHIEFS, CHIEFS, CHIEFS, "42 is banned", STRANGER, NOTHING),
    "/unban 42": (CHIEFS, CHIEFS, CHIEFS, CHIEFS, "42 is no longer", STRANGER, NOTHING),
}

NOT_YOURS = "Only the person who asked"
CANCELLING = "Cancelling"
DELETED = "Deleted"
SEEN = "seen"
"""The press is answered without a word."""
BUTTONS: Final = {
    "Cancel": (CANCELLING, NOT_YOURS, CANCELLING, CANCELLING, CANCELLING, NOT_YOURS, NOTHING),
    "Delete now": (DELETED, NOT_YOURS, DELETED, DELETED, DELETED, NOT_YOURS, NOTHING),
    "Refresh": (SEEN, SEEN, SEEN, SEEN, SEEN, SEEN, NOTHING),
    "English": (SEEN, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOTHING),
    # Last, because what it leaves running takes the owner's places.
    "Cancel all": (CANCELLING, NOT_YOURS, CANCELLING, CANCELLING, CANCELLING, NOT_YOURS, NOTHING),
}


@dataclass
class Town:
    """The group, and a user for each role."""

    stage: LocalStack
    room: Room
    people: dict[str, User]
    plan: VisibleMessage | None = None
    albums: int = 0

    async def write(self, who: str, text: str, **where: Any) -> Message:
        """Let a user write in the group, some time after everything else."""
        # So that the rate limit of the group is never what a cell is about.
        self.stage.clock.advance(timedelta(minutes=1))
        as_chat = {"as_chat": self.room.group} if who == "anonymous" else {}
        return await self.room.write(self.people[who], text, **as_chat, **where)

    async def ask(self, who: str, text: str, **where: Any) -> VisibleMessage:
        """Let a person write in the group, and wait for the answer."""
        return await self.room.answered(await self.write(who, text, **where))

    async def ask_in_private(self, text: str) -> VisibleMessage:
        """Let the stranger write to the bot, and wait for the answer."""
        # The bot has not heard of the stranger for so long that it sends its line again.
        self.stage.clock.advance(timedelta(hours=1))
        stranger = self.people["stranger"]
        chat = self.stage.telegram.private_chat(stranger)
        asked = await chat.send_text(stranger, text)
        await self.room.until(lambda: any(m.reply_to == asked.id for m in chat.bot_messages))
        return next(m for m in chat.bot_messages if m.reply_to == asked.id)

    async def ended(self, message: VisibleMessage) -> None:
        """Wait until a message has nothing more to press, or is gone: what it shows is over."""

        def buttons() -> list[object]:
            return [m.buttons for m in self.room.group.messages if m.id == message.id]

        await self.room.until(lambda: not any(buttons()))

    async def served(self) -> None:
        """Wait until the bot has served everything that came before."""
        await self.ask("member", "/help")

    async def get_plan(self) -> VisibleMessage:
        """Return a link that the owner has got here."""
        if self.plan is None or not self.room.shown(self.plan).buttons:
            await self.cancel_transfers()
            file = await self.room.send(self.people["member"], b"plan", "plan.pdf")
            self.plan = await self.ask("owner", "/share", reply_to=file)
        return self.plan

    async def get_film(self) -> VisibleMessage:
        """Return the status message of a transfer of the owner that takes long."""
        if self._card_with("Cancel") is None:
            content = os.urandom(6 * MIB)
            file = await self.room.send(self.people["member"], content, "film.mkv")
            await self.write("owner", "/share", reply_to=file)
        return await self._card("Cancel")

    async def get_album(self) -> VisibleMessage:
        """Return the status message of an album of the owner that takes long."""
        if self._card_with("Cancel all") is None:
            self.albums += 1
            self.stage.clock.advance(timedelta(minutes=1))
            # Of an album the bot sees the file with the command below it, which is enough to make
            # it one.
            await self.room.send(
                self.people["owner"],
                os.urandom(6 * MIB),
                "song.flac",
                caption="/share",
                media_group_id=str(self.albums),
            )
        return await self._card("Cancel all")

    async def cancel_transfers(self) -> None:
        """Cancel the long transfers that other cells have left: the next file of the owner would
        wait for them.
        """
        for button in ("Cancel", "Cancel all"):
            if (status_message := self._card_with(button)) is not None:
                await self.room.group.press(self.people["owner"], status_message, button)
                await self.ended(status_message)

    async def _card(self, button: str) -> VisibleMessage:
        await self.room.until(lambda: self._card_with(button) is not None)
        status_message = self._card_with(button)
        assert status_message is not None
        return status_message

    def _card_with(self, button: str) -> VisibleMessage | None:
        return next(
            (
                status_message
                for status_message in self.room.status_messages
                if status_message.button(button)
            ),
            None,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A group with a user for each role, and a bot for all tests of this module."""
    async with LocalStack(tmp_path_factory.mktemp("town")) as stage:
        people = {who: stage.telegram.add_user(who) for who in EVERYBODY}
        room = open_room(stage, *(people[who] for who in EVERYBODY if who != "stranger"))
        # The first member of a group owns it; here it is a plain one.
        room.group.roster.put(people["owner"], "member")
        for who in ("group_admin", "anonymous"):
            room.group.roster.put(people[who], "administrator")
        # What is left running at the end is not waited for.
        stage.more["RELAY_STOP__GRACE"] = "1s"
        stage.more["RELAY_ACCESS__ADMINS"] = str(people["bot_admin"].id)
        stage.telegram.shape.down_per_connection = SLOW
        await stage.start_bot()
        async with ledger_of(stage) as ledger:
            await ledger.chats.set_owner(people["banned"].id, banned=True)
        yield Town(stage, room, people)


async def test_every_command_has_a_row() -> None:
    """The matrix tells of each command that the bot knows, and of no other."""
    rows = {command.removeprefix("/").partition(" ")[0] for command in COMMANDS}

    assert rows == set(COMMANDS_BY_NAME)


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("command", COMMANDS)
async def test_command(town: Town, command: str, who: str) -> None:
    """A user of this role who writes this command gets this answer."""
    expected = COMMANDS[command][EVERYBODY.index(who)]
    await town.get_plan()
    film = await town.get_film() if command == "/cancel" else None
    if who == "stranger":
        heard = (await town.ask_in_private(command)).text
    else:
        heard = await _heard(town, who, command)
    if film is not None and heard.startswith(CANCELLING):
        await town.ended(film)

    assert expected in heard
    assert bool(expected) == bool(heard)


async def _heard(town: Town, who: str, command: str) -> str:
    where = {}
    if command == "/share":
        await town.cancel_transfers()
        where["reply_to"] = await town.room.send(town.people["member"])
    asked = await town.write(who, command, **where)
    if who == "banned":
        await town.served()
    else:
        await town.room.answered(asked)
    answer = town.room.answer_to(asked)
    return answer.text if answer else NOTHING


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("button", BUTTONS)
async def test_button(town: Town, button: str, who: str) -> None:
    """A user of this role who presses this button of the owner's gets this answer."""
    expected = BUTTONS[button][EVERYBODY.index(who)]
    message = await _message_with(town, button)
    query = await town.room.group.press(town.people[who], message, button)
    if who == "banned":
        await town.served()
    else:
        await town.room.until(lambda: query.answer is not None)
    told = NOTHING if query.answer is None else query.answer.text or SEEN
    if told.startswith((DELETED, CANCELLING)):
        await town.ended(message)

    assert told.startswith(expected)
    assert bool(told) == bool(expected)


async def _message_with(town: Town, button: str) -> VisibleMessage:
    match button:
        case "Cancel":
            return await town.get_film()
        case "Cancel all":
            return await town.get_album()
        case "Delete now":
            return await town.get_plan()
        case "Refresh":
            await town.get_plan()
            return await town.ask("owner", "/status")
        case _:
            return await town.ask("owner", "/language")
