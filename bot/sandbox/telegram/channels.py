"""Channels: posts without an author, and the group that they are forwarded to."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.sandbox.telegram.attachments import attach
from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.detect import detect
from bot.sandbox.telegram.errors import forbidden
from bot.sandbox.telegram.groups import Group
from bot.sandbox.telegram.members import Roster
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.origins import origin_of
from bot.sandbox.telegram.text import Formatted
from bot.sandbox.telegram.users import TELEGRAM, User

if TYPE_CHECKING:
    from bot.sandbox.telegram.world import World


class Channel(Chat):
    """A channel; the bot sees its posts when it is one of its administrators."""

    type = "channel"

    def __init__(self, world: "World", chat_id: int, title: str) -> None:
        super().__init__(world, chat_id)
        self.title = title
        self.roster = Roster(is_channel=True)
        self.discussion: Group | None = None
        """The group that every post is forwarded to."""
        self._last_message_id = 0

    def header(self) -> dict[str, Any]:
        """Return the `Chat` object that messages carry."""
        fields = {"id": self.id, "title": self.title, "username": self.username}
        named = {name: value for name, value in fields.items() if value is not None}
        return {**named, "type": "channel"}

    def take_message_id(self) -> int:
        """Return the channel's next message id."""
        self._last_message_id += 1
        return self._last_message_id

    def require_writable(self) -> None:
        """Raise what a bot gets that is not in the channel."""
        super().require_writable()
        status = self.roster.status(self.world.bot)
        if status == "kicked":
            raise forbidden("bot was kicked from the channel chat")
        if not self.roster.is_present(self.world.bot):
            raise forbidden("bot is not a member of the channel chat")

    def reaches_bot(self, message: Message) -> bool:  # noqa: ARG002 (all posts are equal.)
        """Return whether the bot is here."""
        return self.roster.is_present(self.world.bot)

    def tell(self, message: Message, *, edited: bool = False) -> None:
        """Make the update for a post."""
        kind = "edited_channel_post" if edited else "channel_post"
        self.world.emit(kind, message.json(), chat_id=self.id, date=self.told_at(message))

    def member_json(self, user: User) -> dict[str, Any]:
        """Return a `ChatMember`."""
        return self.roster.json(user)

    def bot_leaves(self) -> None:
        """Let the bot go by its own will."""
        before = self.roster.json(self.world.bot)
        self.roster.put(self.world.bot, "left")
        self.tell_membership(self.world.bot, before, self.roster.json(self.world.bot))

    async def post(
        self, text: str = "", *, content: bytes | Path | None = None, name: str | None = None
    ) -> Message:
        """Publish a text, or a document with `text` as its caption."""
        message = self.new_message(None)
        message.sender_chat = self
        message.body = detect(Formatted(text)) if text else None
        if content is not None:
            stored = self.world.files.add("document", content, name=name)
            message.attachment = attach(self.world.files, stored)
        await self.deliver(message)
        if self.discussion is not None:
            await self._forward(message, self.discussion)
        return message

    async def _forward(self, post: Message, group: Group) -> None:
        message = group.new_message(TELEGRAM)
        message.sender_chat, message.automatic_forward = self, True
        message.body, message.attachment = post.body, post.attachment
        message.origin = origin_of(post)
        await group.deliver(message)
