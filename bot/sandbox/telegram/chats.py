"""Chats as people use them: they write, send files, edit, delete and press buttons."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot.sandbox.telegram.attachments import DEFAULT_MIME, KINDS, NAMELESS, attach
from bot.sandbox.telegram.chat_state import ChatState
from bot.sandbox.telegram.detect import detect
from bot.sandbox.telegram.errors import forbidden
from bot.sandbox.telegram.files import StoredFile
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.queries import Query
from bot.sandbox.telegram.shown import Shown
from bot.sandbox.telegram.text import Entity, Formatted, order
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.world import World

REAL_SIZE: Final = -1
"""The size that a message tells is the real one."""

MessageLike = Message | Shown | int


class ButtonNotFound(LookupError):
    """The message shows no such button, or one that only opens or copies something."""


class MessageNotFound(LookupError):
    """The message is not there (any more)."""


class Chat(ChatState):
    """What people can do in a chat. Every call is told to the bot before it returns."""

    async def send_text(
        self,
        sender: User,
        text: str,
        *,
        entities: Sequence[Entity] = (),
        reply_to: MessageLike | None = None,
        thread_id: int | None = None,
        date: datetime | None = None,
    ) -> Message:
        """Write a text. Commands and addresses in it become entities, as apps make them."""
        message = self.new_message(sender, reply_to=reply_to, thread_id=thread_id, date=date)
        message.body = detect(Formatted(text, order(list(entities))))
        return await self.deliver(message)

    async def send_file(  # noqa: PLR0913 (everything that a message with a file can say.)
        self,
        sender: User,
        *,
        content: bytes | Path | StoredFile,
        kind: str = "document",
        name: str | None = None,
        mime: str | None = None,
        caption: str | None = None,
        announced_size: int | None = REAL_SIZE,
        media_group_id: str | None = None,
        reply_to: MessageLike | None = None,
        thread_id: int | None = None,
        date: datetime | None = None,
    ) -> Message:
        """Send a file. A path is served in place; a stored file is sent once more (same ids).

        `announced_size` is what the message tells (bytes); `None` lets it tell nothing.
        """
        message = self.new_message(sender, reply_to=reply_to, thread_id=thread_id, date=date)
        stored = self._stored(content, kind, name, mime, announced_size)
        message.attachment = attach(self.world.files, stored)
        message.body = detect(Formatted(caption)) if caption else None
        message.media_group_id = media_group_id
        return await self.deliver(message)

    async def edit_text(self, message: MessageLike, text: str) -> Message:
        """Change the text of a person's message."""
        found = self.require(message)
        found.body = detect(Formatted(text))
        self.edited(found, by_bot=False)
        await self.world.touch()
        return found

    async def edit_caption(self, message: MessageLike, caption: str) -> Message:
        """Change the caption of a person's file."""
        return await self.edit_text(message, caption)

    async def delete(self, message: MessageLike) -> None:
        """Delete a message as a person; the bot hears nothing of it."""
        self.remove(self.require(message), by_bot=False)
        await self.world.touch()

    async def press(self, sender: User, message: MessageLike, button: str) -> Query:
        """Press the button with this text or these callback data.

        Raises:
            MessageNotFound: the message is not there (any more).
            ButtonNotFound: it shows no such button, or the button asks the bot nothing.
        """
        found = self.require(message)
        pressed = self.redraw(found).button(button)
        if pressed is None or pressed.data is None:
            raise ButtonNotFound(f"no button {button!r} that asks the bot, message {found.id}")
        query = Query(self, found, sender, pressed.data, self.world.clock.now())
        self.world.queries[query.id] = query
        self.world.emit("callback_query", query.json(), chat_id=self.id, date=query.at)
        await self.world.touch()
        return query

    def require(self, message: MessageLike) -> Message:
        """Return a message of this chat.

        Raises:
            MessageNotFound: it is not there (any more).
        """
        message_id = message if isinstance(message, int) else message.id
        found = self.find(message_id)
        if found is None:
            raise MessageNotFound(f"no message {message_id} in chat {self.id}")
        return found

    def new_message(
        self,
        sender: User | None,
        *,
        reply_to: MessageLike | None = None,
        thread_id: int | None = None,
        date: datetime | None = None,
    ) -> Message:
        """Return a message that has a number and is not in the chat yet."""
        message = Message(self, self.take_message_id(), date or self.world.clock.now(), sender)
        message.reply_to = None if reply_to is None else self.require(reply_to)
        message.thread_id = thread_id
        return message

    async def deliver(self, message: Message) -> Message:
        """Put a person's message into the chat and tell the bot."""
        self.place(message, by_bot=False)
        await self.world.touch()
        return message

    def _stored(
        self,
        content: bytes | Path | StoredFile,
        kind: str,
        name: str | None,
        mime: str | None,
        announced: int | None,
    ) -> StoredFile:
        if isinstance(content, StoredFile):
            return content
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        stored = self.world.files.add(kind, content)
        # The server knows no name of a photo, a voice or a sticker, whatever the sender's was.
        stored.name = None if kind in NAMELESS else name
        stored.mime = mime or DEFAULT_MIME.get(kind)
        stored.announced = stored.size if announced == REAL_SIZE else announced
        return stored


class PrivateChat(Chat):
    """The chat of one person with the bot; its id is the person's."""

    def __init__(self, world: "World", user: User) -> None:
        super().__init__(world, user.id)
        self.user = user
        self.username = user.username

    def header(self) -> dict[str, Any]:
        """Return the `Chat` object that messages carry."""
        names = ("id", "first_name", "last_name", "username")
        fields = {name: value for name, value in self.user.json().items() if name in names}
        return {**fields, "type": "private"}

    async def block(self) -> None:
        """Let the person block the bot."""
        self.refusal = forbidden("bot was blocked by the user")
        await self._membership("member", "kicked")

    async def unblock(self) -> None:
        """Let the person start the bot again."""
        self.refusal = None
        await self._membership("kicked", "member")

    def deactivate(self) -> None:
        """Let the person's account be deleted."""
        self.refusal = forbidden("user is deactivated")

    async def _membership(self, old: str, new: str) -> None:
        now = self.world.clock.now()
        change = {
            "chat": self.header(),
            "from": self.user.json(),
            "date": int(now.timestamp()),
            "old_chat_member": self._bot_as(old),
            "new_chat_member": self._bot_as(new),
        }
        self.world.emit("my_chat_member", change, chat_id=self.id, date=now)
        await self.world.touch()

    def _bot_as(self, status: str) -> dict[str, Any]:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": self.world.bot.json(), "status": status, **until}


def new_media_group_id() -> str:
    """Return an id for an album, as large as the real ones."""
    return str(secrets.randbelow(9 * 10**16) + 10**16)
