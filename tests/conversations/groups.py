"""People in a group with the bot, as tests see the chat."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import CallbackQuery, Group, Message, User, VisibleMessage
from bot.sandbox.telegram.chats import MessageLike
from tests.fakes.ledger import place_of

PATIENCE = 30.0
"""Real seconds until a test says that something did not happen."""


class Room:
    """A group, seen from outside. The first of `members` owns it."""

    def __init__(self, stage: LocalStack, group: Group) -> None:
        self.stage = stage
        self.group = group

    @property
    def id(self) -> int:
        """The id of the group."""
        return self.group.id

    async def write(self, who: User, text: str, **where: Any) -> Message:
        """Let a user write; `/share` and the like get the bot's name, as Telegram's
        menu adds it.
        """
        return await self.group.send_text(who, self._named(text), **where)

    async def send(
        self, who: User, content: bytes = b"x" * 1000, name: str = "a.bin", **more: Any
    ) -> Message:
        """Let a user send a file."""
        if "caption" in more:
            more["caption"] = self._named(more["caption"])
        return await self.group.send_file(who, content=content, name=name, **more)

    def _named(self, text: str) -> str:
        if not text.startswith("/") or "@" in text:
            return text
        command, blank, rest = text.partition(" ")
        return f"{command}@{self.stage.telegram.username}{blank}{rest}"

    async def share(self, who: User, file: Message, **where: Any) -> Message:
        """Let a user reply to a file with `/share`."""
        return await self.write(who, "/share", reply_to=file, **where)

    async def press(self, who: User, message: MessageLike, button: str) -> CallbackQuery:
        """Press a button and wait for the note that the bot shows."""
        query = await self.group.press(who, message, button)
        await self.until(lambda: query.answer is not None)
        return query

    @property
    def said(self) -> list[VisibleMessage]:
        """What the bot has said and is still there, oldest first, without status messages."""
        return [m for m in self.group.messages if m.from_bot and not m.silent]

    @property
    def status_messages(self) -> list[VisibleMessage]:
        """The status messages that are there."""
        return [m for m in self.group.messages if m.from_bot and m.silent]

    def answer_to(self, message: Message) -> VisibleMessage | None:
        """The answer that replies to a message, if it is there already."""
        return next((m for m in self.said if m.reply_to == message.id), None)

    async def answered(self, message: Message) -> VisibleMessage:
        """Wait for the answer to a message and return it."""
        await self.until(lambda: self.answer_to(message) is not None)
        found = self.answer_to(message)
        assert found is not None
        return found

    def shown(self, message: VisibleMessage) -> VisibleMessage:
        """The same message as it is now."""
        return next(m for m in self.group.messages if m.id == message.id)

    async def until(self, condition: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
        """Wait until something holds that depends on Telegram's side."""
        await self.stage.telegram.wait_for(condition, timeout=timeout)


def open_room(stage: LocalStack, *members: User, **how: Any) -> Room:
    """Let there be a group that the bot is in and may serve once it starts."""
    group = stage.telegram.add_group("Friends", *members, **how)
    known = stage.more.get("RELAY_ACCESS__GROUPS", "")
    stage.more["RELAY_ACCESS__GROUPS"] = f"{known},{group.id}".strip(",")
    return Room(stage, group)


@asynccontextmanager
async def ledger_of(stage: LocalStack) -> AsyncIterator[SqlLedger]:
    """Open the ledger of the bot that runs, beside it."""
    async with open_database(place_of(stage)) as database:
        yield SqlLedger(database)
