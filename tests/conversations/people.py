"""A person in a private chat with the bot, as tests see the chat."""

import hashlib
from collections.abc import Callable
from typing import Any

import aiohttp

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import CallbackQuery, Chat, Message, User, VisibleMessage

PATIENCE = 30.0
"""Real seconds until a test says that something did not happen."""


class Person:
    """A user who sends messages and reads those of the bot."""

    def __init__(self, stage: LocalStack, name: str = "Alice", *, language: str = "en") -> None:
        self.stage = stage
        self.user: User = stage.telegram.add_user(name, language_code=language)
        self.chat: Chat = stage.telegram.private_chat(self.user)

    @property
    def id(self) -> int:
        """The numeric user id."""
        return self.user.id

    async def write(self, text: str) -> Message:
        """Send a text."""
        return await self.chat.send_text(self.user, text)

    async def send(self, content: bytes, name: str | None = "a.bin", **more: Any) -> Message:
        """Send a file."""
        return await self.chat.send_file(self.user, content=content, name=name, **more)

    async def press(self, message: VisibleMessage, button: str) -> CallbackQuery:
        """Press a button and wait for the note that the bot shows."""
        query = await self.chat.press(self.user, message, button)
        await self.until(lambda: query.answer is not None)
        return query

    @property
    def said(self) -> list[VisibleMessage]:
        """What the bot has said and is still there, oldest first, without status messages."""
        return [m for m in self.chat.messages if m.from_bot and not m.silent]

    @property
    def status_messages(self) -> list[VisibleMessage]:
        """The status messages that are there."""
        return [m for m in self.chat.messages if m.from_bot and m.silent]

    def answer_to(self, message: Message) -> VisibleMessage | None:
        """The answer that replies to a message, if it is there already."""
        return next((m for m in self.said if m.reply_to == message.id), None)

    def shown(self, message: VisibleMessage) -> VisibleMessage:
        """The same message as it is now."""
        return next(m for m in self.chat.messages if m.id == message.id)

    async def answered(self, message: Message) -> VisibleMessage:
        """Wait for the answer to a message and return it."""
        await self.until(lambda: self.answer_to(message) is not None)
        found = self.answer_to(message)
        assert found is not None
        return found

    async def until(self, condition: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
        """Wait until something holds that depends on Telegram's side."""
        await self.stage.telegram.wait_for(condition, timeout=timeout)


def link_of(answer: VisibleMessage) -> str:
    """The link of an answer: what its first button opens."""
    return next(button.url for row in answer.buttons for button in row if button.url)


def links_of(answer: VisibleMessage) -> list[str]:
    """All links of an answer, from its text."""
    return [entity["url"] for entity in answer.entities if "url" in entity]


async def fetch(url: str) -> tuple[int, bytes, str | None]:
    """Open a link as a stranger does: HTTP status, bytes, and the name of the download."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        disposition = answer.content_disposition
        return answer.status, await answer.read(), disposition.filename if disposition else None


def sha256(content: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
