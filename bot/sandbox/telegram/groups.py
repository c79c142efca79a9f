"""Groups and supergroups: members, privacy, forum topics, migration."""

from typing import TYPE_CHECKING, Any

from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.errors import bad_request, forbidden
from bot.sandbox.telegram.members import Roster
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.world import World


class Group(Chat):
    """A basic group, or a supergroup with message ids of its own (and topics in a forum)."""

    def __init__(
        self, world: "World", chat_id: int, title: str, *, supergroup: bool, forum: bool = False
    ) -> None:
        super().__init__(world, chat_id)
        self.type = "supergroup" if supergroup else "group"
        self.title = title
        self.is_forum = forum
        self.roster = Roster(is_channel=False)
        self.reads_all = world.privacy.reads_all
        self.is_muted = False
        """Whether members, the bot among them, may not write."""
        self.closed_topics: set[int] = set()
        self._topics: dict[int, Message] = {}
        self._last_bot: int | None = None
        self._last_message_id = 0

    @property
    def name(self) -> str:
        """Return what error texts call it."""
        return "supergroup chat" if self.type == "supergroup" else "group chat"

    def header(self) -> dict[str, Any]:
        """Return the `Chat` object that messages carry."""
        fields = {"id": self.id, "title": self.title, "username": self.username}
        flags = {"type": self.type, "is_forum": self.is_forum or None}
        return {name: value for name, value in {**fields, **flags}.items() if value is not None}

    def take_message_id(self) -> int:
        """Return the next message id: a supergroup's own, or of the row that others share."""
        if self.type == "group":
            return super().take_message_id()
        self._last_message_id += 1
        return self._last_message_id

    def require_writable(self) -> None:
        """Raise what a bot gets that is not in the group, or may not write."""
        super().require_writable()
        status = self.roster.status(self.world.bot)
        if status == "kicked":
            raise forbidden(f"bot was kicked from the {self.name}")
        if not self.roster.is_present(self.world.bot):
            raise forbidden(f"bot is not a member of the {self.name}")
        if self.is_muted and status not in {"administrator", "creator"}:
            raise bad_request("not enough rights to send text messages to the chat")

    def place(self, message: Message, *, by_bot: bool) -> None:
        """Put a new message into the group; who wrote last among bots matters for privacy."""
        self._settle(message)
        super().place(message, by_bot=by_bot)
        if message.sender is not None and message.sender.is_bot and message.sender_chat is None:
            self._last_bot = message.sender.id

    def reaches_bot(self, message: Message) -> bool:
        """Return whether the bot is here and privacy mode shows it the message.

        Messages of bots never arrive, except what the server says in a service message.
        """
        bot = self.world.bot
        if not self.roster.is_present(bot):
            return False
        if message.service:
            return True
        if message.sender is not None and message.sender.is_bot and message.sender_chat is None:
            return False
        if self.reads_all or self.roster.status(bot) == "administrator":
            return True
        return self.world.privacy.shows(message, bot, self._last_bot)

    def _settle(self, message: Message) -> None:
        """Give a message its thread: a topic's, or in supergroups that of its chain of replies."""
        if self.is_forum and message.thread_id in self._topics:
            message.is_topic = True
            message.reply_to = message.reply_to or self._topics[message.thread_id]
        elif self.is_forum and message.reply_to is not None and message.reply_to.is_topic:
            message.thread_id, message.is_topic = message.reply_to.thread_id, True
        elif self.type == "supergroup" and not self.is_forum and message.reply_to is not None:
            message.thread_id = message.reply_to.thread_id or message.reply_to.id

    def has_topic(self, thread_id: int) -> bool:
        """Return whether there is such a topic.

        Raises:
            ApiError: there is, and it is closed.
        """
        if thread_id in self.closed_topics:
            raise bad_request("TOPIC_CLOSED")
        return thread_id in self._topics

    async def add_topic(self, by: User, name: str) -> int:
        """Open a topic and return its thread id, which is the id of its first message."""
        if not self.is_forum:
            raise ValueError(f"{self.title} is no forum")
        topic = {"name": name, "icon_color": 7322096}
        message = self.new_message(by)
        message.service = {"forum_topic_created": topic}
        message.thread_id, message.is_topic = message.id, True
        self._topics[message.id] = message
        await self.deliver(message)
        return message.id

    def member_json(self, user: User) -> dict[str, Any]:
        """Return a `ChatMember`."""
        return self.roster.json(user)

    def member_count(self) -> int:
        """Return how many are here, the bot included."""
        return len(self.roster)

    def administrators(self) -> list[dict[str, Any]]:
        """Return the `ChatMember` of every administrator that is no other bot."""
        own = self.world.bot.id
        return [
            member
            for member in self.roster.administrators()
            if not member["user"]["is_bot"] or member["user"]["id"] == own
        ]

    def bot_may(self, right: str) -> bool:
        """Return whether the bot is an administrator with this right."""
        return self.roster.may(self.world.bot, right)

    def bot_leaves(self) -> None:
        """Let the bot go by its own will."""
        self.set_bot(self.world.bot, "left")

    def set_bot(self, by: User, status: str, rights: frozenset[str] | None = None) -> None:
        """Change what the bot is here and tell it (`my_chat_member`)."""
        bot = self.world.bot
        before = self.roster.json(bot)
        self.roster.put(bot, status, rights)
        self.tell_membership(by, before, self.roster.json(bot))

    async def invite_bot(self, by: User) -> None:
        """Let somebody add the bot; the privacy setting of this moment holds from now on."""
        self.reads_all = self.world.privacy.reads_all
        self.set_bot(by, "member")
        await self.say(by, {"new_chat_members": [self.world.bot.json()]})

    async def kick_bot(self, by: User) -> None:
        """Let an administrator throw the bot out."""
        self.set_bot(by, "kicked")
        await self.world.touch()

    async def promote_bot(self, by: User, rights: frozenset[str] | None = None) -> None:
        """Make the bot an administrator, with all rights or those named."""
        self.set_bot(by, "administrator", rights)
        await self.world.touch()

    async def demote_bot(self, by: User) -> None:
        """Make the bot a plain member again."""
        self.set_bot(by, "member")
        await self.world.touch()

    async def join(self, user: User, *, by: User | None = None) -> None:
        """Let somebody come in (added by somebody else, if given)."""
        self._change(by or user, user, "member")
        await self.say(by or user, {"new_chat_members": [user.json()]})

    async def leave(self, user: User) -> None:
        """Let somebody go."""
        self._change(user, user, "left")
        await self.say(user, {"left_chat_member": user.json()})

    def _change(self, by: User, user: User, status: str) -> None:
        before = self.roster.json(user)
        self.roster.put(user, status)
        # An administrator hears of others too, if it has asked for `chat_member`.
        if self.roster.status(self.world.bot) == "administrator":
            self.tell_membership(by, before, self.roster.json(user), kind="chat_member")

    async def say(self, by: User, service: dict[str, Any]) -> Message:
        """Put a service message into the group, as the server does when `by` did something."""
        message = self.new_message(by)
        message.service = service
        return await self.deliver(message)

    def delete_chat(self) -> None:
        """Let the group be deleted by its owner."""
        self.refusal = forbidden("the group chat was deleted")

    async def migrate(self, by: User) -> "Group":
        """Upgrade a basic group to a supergroup, which is returned; the old id refuses from now on
        with `migrate_to_chat_id`.
        """
        if self.type != "group":
            raise ValueError(f"{self.title} is a supergroup already")
        successor = self.world.add_group(self.title, supergroup=True)
        successor.roster, successor.reads_all = self.roster, self.reads_all
        await self.say(by, {"migrate_to_chat_id": successor.id})
        await successor.say(by, {"migrate_from_chat_id": self.id})
        self.refusal = bad_request(
            "group chat was upgraded to a supergroup chat", migrate_to_chat_id=successor.id
        )
        return successor
