"""Groups and channels as people use them: members, topics, migration, posts."""

from pathlib import Path
from typing import Any

from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.errors import bad_request, forbidden
from bot.sandbox.telegram.files import attach
from bot.sandbox.telegram.membership import set_bot_status, tell_membership
from bot.sandbox.telegram.model import GENERAL, Message, origin_of
from bot.sandbox.telegram.text import Formatted, detect
from bot.sandbox.telegram.users import TELEGRAM, Roster, User


class Group(Chat):
    """A basic group, or a supergroup with message ids of its own (and topics in a forum)."""

    @property
    def title(self) -> str:
        """Return the title."""
        return self.state.info.title or ""

    @property
    def roster(self) -> Roster:
        """Return the members."""
        return self.state.roster

    @property
    def is_forum(self) -> bool:
        """Return whether this is a supergroup with topics."""
        return self.state.info.is_forum

    @is_forum.setter
    def is_forum(self, forum: bool) -> None:
        self.state.info.is_forum = forum

    @property
    def closed_topics(self) -> set[int]:
        """Return the thread ids of closed topics; General's is `GENERAL`."""
        return self.state.closed_topics

    @property
    def is_muted(self) -> bool:
        """Return whether plain members, the bot among them, may not write."""
        return self.state.is_muted

    @is_muted.setter
    def is_muted(self, muted: bool) -> None:
        self.state.is_muted = muted

    async def add_topic(self, by: User, name: str) -> int:
        """Open a topic and return its thread id, which is the id of its first message."""
        if not self.is_forum:
            raise ValueError(f"{self.title} is no forum")
        return await self.open_topic(by, name)

    async def close_topic(self, by: User, thread_id: int = GENERAL) -> None:
        """Close a topic, General if none is named: the bot can write there no more."""
        await self._tell_topic(by, thread_id, "forum_topic_closed")
        self.closed_topics.add(thread_id)

    async def reopen_topic(self, by: User, thread_id: int = GENERAL) -> None:
        """Open a closed topic again."""
        self.closed_topics.discard(thread_id)
        await self._tell_topic(by, thread_id, "forum_topic_reopened")

    async def _tell_topic(self, by: User, thread_id: int, what: str) -> None:
        message = self.new_message(by, thread_id=None if thread_id == GENERAL else thread_id)
        message.service = {what: {}}
        await self.deliver(message)

    def set_bot(self, by: User, status: str, rights: frozenset[str] | None = None) -> None:
        """Change the bot's status and make the update (`my_chat_member`)."""
        set_bot_status(self.world, self.state, by, status, rights)

    async def invite_bot(self, by: User) -> None:
        """Add the bot; the current privacy setting applies from now on."""
        self.state.reads_all = self.world.privacy.reads_all
        self.set_bot(by, "member")
        await self.send_service_message(by, {"new_chat_members": [self.world.bot.json()]})

    async def kick_bot(self, by: User) -> None:
        """Remove and ban the bot."""
        self.set_bot(by, "kicked")
        await self.world.touch()

    async def promote_bot(self, by: User, rights: frozenset[str] | None = None) -> None:
        """Make the bot an administrator, with all rights or those named."""
        self.set_bot(by, "administrator", rights)
        await self.world.touch()

    async def restrict_bot(self, by: User, permissions: frozenset[str] = frozenset()) -> None:
        """Make the bot a restricted member with these permissions."""
        self.set_bot(by, "restricted", permissions)
        await self.world.touch()

    async def restrict(
        self, user: User, *, by: User, permissions: frozenset[str] = frozenset()
    ) -> None:
        """Make a person a restricted member with these permissions."""
        self._change(by, user, "restricted", permissions)
        await self.world.touch()

    async def demote_bot(self, by: User) -> None:
        """Make the bot a plain member again."""
        self.set_bot(by, "member")
        await self.world.touch()

    async def join(self, user: User, *, by: User | None = None) -> None:
        """Add a person, as an invitation of `by` if given."""
        self._change(by or user, user, "member")
        await self.send_service_message(by or user, {"new_chat_members": [user.json()]})

    async def leave(self, user: User) -> None:
        """Remove a person who leaves."""
        self._change(user, user, "left")
        await self.send_service_message(user, {"left_chat_member": user.json()})

    def _change(
        self, by: User, user: User, status: str, rights: frozenset[str] | None = None
    ) -> None:
        before = self.roster.json(user)
        self.roster.put(user, status, rights)
        # An administrator gets updates about others too, if it has asked for `chat_member`.
        if self.roster.status(self.world.bot) == "administrator":
            after = self.roster.json(user)
            tell_membership(self.world, self.state, by, before, after, kind="chat_member")

    async def send_service_message(self, by: User, service: dict[str, Any]) -> Message:
        """Put a service message into the group, as the server does when `by` did something."""
        message = self.new_message(by)
        message.service = service
        return await self.deliver(message)

    def delete_chat(self) -> None:
        """Delete the group, as its owner does."""
        self.state.refusal = forbidden("the group chat was deleted")

    async def migrate(self, by: User) -> "Group":
        """Upgrade a basic group to a supergroup, which is returned; the old id refuses from now on
        with `migrate_to_chat_id`.
        """
        if self.type != "group":
            raise ValueError(f"{self.title} is a supergroup already")
        state = self.world.add_group(self.title, supergroup=True)
        state.roster, state.reads_all = self.roster, self.state.reads_all
        successor = Group(self.world, state)
        await self.send_service_message(by, {"migrate_to_chat_id": successor.id})
        await successor.send_service_message(by, {"migrate_from_chat_id": self.id})
        self.state.refusal = bad_request(
            "group chat was upgraded to a supergroup chat", migrate_to_chat_id=successor.id
        )
        return successor


class Channel(Chat):
    """A channel; the bot sees its posts when it is one of its administrators."""

    @property
    def roster(self) -> Roster:
        """Return the members."""
        return self.state.roster

    @property
    def discussion(self) -> Group | None:
        """Return the group to which every post is forwarded."""
        linked = self.state.discussion_id
        return None if linked is None else Group(self.world, self.world.chats[linked])

    @discussion.setter
    def discussion(self, group: Group) -> None:
        self.state.discussion_id = group.id

    async def post(
        self, text: str = "", *, content: bytes | Path | None = None, name: str | None = None
    ) -> Message:
        """Publish a text, or a document with `text` as its caption."""
        message = self.new_message(None)
        message.sender_chat = self.state.info
        message.body = detect(Formatted(text)) if text else None
        if content is not None:
            stored = self.world.files.add("document", content, name=name)
            message.attachment = attach(self.world.files, stored)
        await self.deliver(message)
        group = self.discussion
        if group is not None:
            await self._forward(message, group)
        return message

    async def _forward(self, post: Message, group: Group) -> None:
        message = group.new_message(TELEGRAM)
        message.sender_chat, message.automatic_forward = self.state.info, True
        message.body, message.attachment = post.body, post.attachment
        message.origin = origin_of(post)
        await group.deliver(message)
