"""Chats as people use them: they write, send files, edit, delete and press buttons."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from bot.sandbox.telegram.attachments import DEFAULT_MIME, KINDS, NAMELESS, attach
from bot.sandbox.telegram.chat_state import ChatState
from bot.sandbox.telegram.detect import detect
from bot.sandbox.telegram.files import StoredFile
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.origins import external_reply, origin_of
from bot.sandbox.telegram.queries import Query
from bot.sandbox.telegram.shown import Shown
from bot.sandbox.telegram.text import Entity, Formatted, order
from bot.sandbox.telegram.users import ANONYMOUS_ADMIN, CHANNEL_BOT, User

REAL_SIZE: Final = -1
"""The size that a message tells is the real one."""

MessageLike = Message | Shown | int


class Where(TypedDict, total=False):
    """Where and how a person writes. A reply may go to a message of another chat (`Message`).

    `as_chat` hides the person: behind the group itself (an anonymous administrator) or a channel.
    """

    reply_to: MessageLike | None
    thread_id: int | None
    date: datetime | None
    as_chat: "Chat | None"


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
        **where: Unpack[Where],
    ) -> Message:
        """Write a text. Commands and addresses in it become entities, as apps make them."""
        message = self.new_message(sender, **where)
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
        **where: Unpack[Where],
    ) -> Message:
        """Send a file. A path is served in place; a stored file is sent once more (same ids).

        `announced_size` is what the message tells (bytes); `None` lets it tell nothing.
        """
        message = self.new_message(sender, **where)
        stored = self._stored(content, kind, name, mime, announced_size)
        message.attachment = attach(self.world.files, stored)
        message.body = detect(Formatted(caption)) if caption else None
        message.media_group_id = media_group_id
        return await self.deliver(message)

    async def send_album(
        self,
        sender: User,
        items: Sequence[bytes | Path | StoredFile],
        *,
        kind: str = "document",
        names: Sequence[str] = (),
        caption: str | None = None,
        **where: Unpack[Where],
    ) -> list[Message]:
        """Send files as one album: one message each, with the same `media_group_id`; the caption
        is the first one's.
        """
        group_id, sent = new_media_group_id(), []
        for number, content in enumerate(items):
            message = await self.send_file(
                sender,
                content=content,
                kind=kind,
                name=names[number] if number < len(names) else None,
                caption=caption if number == 0 else None,
                media_group_id=group_id,
                **where,
            )
            sent.append(message)
        return sent

    async def send_special(
        self, sender: User, fields: dict[str, Any], **where: Unpack[Where]
    ) -> Message:
        """Send what has no file and no text: `{"contact": {…}}`, `{"dice": {…}}` and so on."""
        message = self.new_message(sender, **where)
        message.service = fields
        return await self.deliver(message)

    async def forward(self, sender: User, source: Message, **where: Unpack[Where]) -> Message:
        """Forward a message of any chat into this one."""
        message = self.new_message(sender, **where)
        message.body, message.attachment = source.body, source.attachment
        message.origin = origin_of(source)
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

    def new_message(self, sender: User | None, **where: Unpack[Where]) -> Message:
        """Return a message that has a number and is not in the chat yet."""
        date = where.get("date") or self.world.clock.now()
        message = Message(self, self.take_message_id(), date, sender)
        message.thread_id = where.get("thread_id")
        self._reply(message, where.get("reply_to"))
        mask = where.get("as_chat")
        if mask is not None:
            message.sender_chat = mask
            message.sender = ANONYMOUS_ADMIN if mask is self else CHANNEL_BOT
        return message

    def _reply(self, message: Message, target: MessageLike | None) -> None:
        if isinstance(target, Message) and target.chat is not self:
            message.external_reply = external_reply(target)
        elif target is not None:
            message.reply_to = self.require(target)

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


def new_media_group_id() -> str:
    """Return an id for an album, as large as the real ones."""
    return str(secrets.randbelow(9 * 10**16) + 10**16)
