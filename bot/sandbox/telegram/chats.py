"""Chats as people use them: write, send files, edit, delete, press buttons, block the bot."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from bot.sandbox.telegram.errors import forbidden
from bot.sandbox.telegram.files import (
    DEFAULT_MIME,
    KINDS,
    NAMELESS,
    StoredFile,
    attach,
    new_media_group_id,
)
from bot.sandbox.telegram.membership import tell_membership
from bot.sandbox.telegram.messages import (
    delete_message,
    mark_edited,
    place_message,
    redraw,
    take_message_id,
)
from bot.sandbox.telegram.model import CallbackQuery, ChatState, Message, external_reply, origin_of
from bot.sandbox.telegram.text import Entity, Formatted, detect, order
from bot.sandbox.telegram.users import ANONYMOUS_ADMIN, CHANNEL_BOT, User
from bot.sandbox.telegram.views import ChatEvent, VisibleMessage
from bot.sandbox.telegram.world import World

REAL_SIZE: Final = -1
"""Announce the real size."""

MessageLike = Message | VisibleMessage | int


class Where(TypedDict, total=False):
    """Where and how a person writes. A reply may go to a message of another chat (`Message`).

    `as_chat` hides the person: behind the group itself (an anonymous administrator) or a channel.
    `via_bot` is the inline bot that made the message.
    """

    reply_to: MessageLike | None
    thread_id: int | None
    date: datetime | None
    as_chat: "Chat | None"
    via_bot: User | None


class ButtonNotFound(LookupError):
    """The message shows no such button, or one that only opens or copies something."""


class MessageNotFound(LookupError):
    """The message is not there (any more)."""


class Chat:
    """A chat as people use it. The update for a call is in the queue before the call returns.

    All data are in `state`; two objects for the same chat show the same.
    """

    def __init__(self, world: World, state: ChatState) -> None:
        self.world = world
        self.state = state

    @property
    def id(self) -> int:
        """Return the chat id."""
        return self.state.info.id

    @property
    def type(self) -> str:
        """Return `private`, `group`, `supergroup` or `channel`."""
        return self.state.info.type

    @property
    def username(self) -> str | None:
        """Return the public name."""
        return self.state.info.username

    @username.setter
    def username(self, username: str | None) -> None:
        self.state.info.username = username

    @property
    def messages(self) -> list[VisibleMessage]:
        """Return what a person sees now, oldest first."""
        return list(self.state.shown.values())

    @property
    def bot_messages(self) -> list[VisibleMessage]:
        """Return what a person sees of the bot now, oldest first."""
        return [message for message in self.messages if message.from_bot]

    @property
    def history(self) -> list[ChatEvent]:
        """Return everything that happened here, by the bot and by people, oldest first."""
        return list(self.state.events)

    @property
    def actions(self) -> list[str]:
        """Return every `sendChatAction`, oldest first."""
        return self.state.actions

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

        `announced_size` is the size in the message (bytes); `None` leaves it out.
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

    async def forward(
        self,
        sender: User,
        source: Message,
        *,
        origin: dict[str, Any] | None = None,
        **where: Unpack[Where],
    ) -> Message:
        """Forward a message of any chat into this one; `origin` replaces the real one."""
        message = self.new_message(sender, **where)
        message.body, message.attachment = source.body, source.attachment
        # It stays on forwards (source: tdesktop issue 29193).
        message.via_bot, message.service = source.via_bot, dict(source.service)
        message.origin = origin or origin_of(source)
        return await self.deliver(message)

    async def edit_text(self, message: MessageLike, text: str) -> Message:
        """Edit the text of a person's message."""
        found = self.require(message)
        found.body = detect(Formatted(text))
        mark_edited(self.world, self.state, found, by_bot=False)
        await self.world.touch()
        return found

    async def edit_caption(self, message: MessageLike, caption: str) -> Message:
        """Edit the caption of a person's file."""
        return await self.edit_text(message, caption)

    async def delete(self, message: MessageLike) -> None:
        """Delete a message as a person; there is no update for it."""
        delete_message(self.world, self.state, self.require(message), by_bot=False)
        await self.world.touch()

    async def press(self, sender: User, message: MessageLike, button: str) -> CallbackQuery:
        """Press the button with this text or these callback data.

        Raises:
            MessageNotFound: the message is not there (any more).
            ButtonNotFound: it shows no such button, or the button sends no callback query.
        """
        found = self.require(message)
        pressed = redraw(self.world, self.state, found).button(button)
        if pressed is None or pressed.data is None:
            raise ButtonNotFound(f"no button {button!r} that asks the bot, message {found.id}")
        query = CallbackQuery(found, sender, pressed.data, self.world.clock.now())
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
        found = self.state.find(message_id)
        if found is None:
            raise MessageNotFound(f"no message {message_id} in chat {self.id}")
        return found

    def new_message(self, sender: User | None, **where: Unpack[Where]) -> Message:
        """Return a new message with an id, not yet in the chat."""
        date = where.get("date") or self.world.clock.now()
        message = Message(self.state.info, take_message_id(self.world, self.state), date, sender)
        message.thread_id, message.via_bot = where.get("thread_id"), where.get("via_bot")
        self._reply(message, where.get("reply_to"))
        mask = where.get("as_chat")
        if mask is not None:
            message.sender_chat = mask.state.info
            message.sender = ANONYMOUS_ADMIN if mask.id == self.id else CHANNEL_BOT
        return message

    def _reply(self, message: Message, target: MessageLike | None) -> None:
        if isinstance(target, Message) and target.chat.id != self.id:
            message.external_reply = external_reply(target)
        elif target is not None:
            message.reply_to = self.require(target)

    async def open_topic(self, by: User, name: str) -> int:
        """Open a topic and return its thread id, which is the id of its first message."""
        message = self.new_message(by)
        message.service = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message.thread_id, message.is_topic = message.id, True
        self.state.topics[message.id] = message
        await self.deliver(message)
        return message.id

    def place(self, message: Message, *, by_bot: bool) -> None:
        """Put a message into the chat; the bot gets an update unless it wrote the message."""
        place_message(self.world, self.state, message, by_bot=by_bot)

    async def deliver(self, message: Message) -> Message:
        """Put a person's message into the chat and make the update for it."""
        self.place(message, by_bot=False)
        await self.world.touch()
        return message

    def tell_membership(self, by: User, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Make the update for a change of what the bot is here, without the change."""
        tell_membership(self.world, self.state, by, old, new)

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
        # The server drops the names of photos, voices and stickers.
        stored.name = None if kind in NAMELESS else name
        stored.mime = mime or DEFAULT_MIME.get(kind)
        stored.announced = stored.size if announced == REAL_SIZE else announced
        return stored


class PrivateChat(Chat):
    """The chat of one person with the bot; its id is the person's."""

    @property
    def user(self) -> User:
        """Return the person."""
        return self.world.users[self.id]

    async def block(self) -> None:
        """Block the bot."""
        self.state.refusal = forbidden("bot was blocked by the user")
        await self._changed("member", "kicked")

    async def unblock(self) -> None:
        """Start the bot again."""
        self.state.refusal = None
        await self._changed("kicked", "member")

    async def add_topic(self, name: str) -> int:
        """Open a topic (Bot API 9.3) and return its thread id, the id of its first message."""
        return await self.open_topic(self.user, name)

    def deactivate(self) -> None:
        """Delete the person's account."""
        self.state.refusal = forbidden("user is deactivated")

    async def _changed(self, old: str, new: str) -> None:
        self.tell_membership(self.user, self._bot_as(old), self._bot_as(new))
        await self.world.touch()

    def _bot_as(self, status: str) -> dict[str, Any]:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": self.world.bot.json(), "status": status, **until}
