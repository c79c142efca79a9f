"""Everything that exists on the server's side: the bot, people, chats, files, updates."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.clock import SandboxClock
from bot.sandbox.request_log import RequestLog
from bot.sandbox.telegram.channels import Channel
from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.files import FileStore
from bot.sandbox.telegram.flood import Flood
from bot.sandbox.telegram.groups import Group
from bot.sandbox.telegram.local import LocalServer
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.private_chats import PrivateChat
from bot.sandbox.telegram.queries import Query
from bot.sandbox.telegram.updates import UpdateQueue
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.webhook import Webhook


@dataclass
class Profile:
    """What the bot says of itself: commands by (scope, language), texts by (kind, language)."""

    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    menu_buttons: dict[int, dict[str, Any]] = field(default_factory=dict)


class World:
    """The state behind all methods; knows nothing of HTTP. Lives in one event loop."""

    def __init__(self, bot: User, clock: SandboxClock, log: RequestLog, folder: Path) -> None:
        self.bot = bot
        self.clock = clock
        self.log = log
        self.updates = UpdateQueue(clock)
        self.files = FileStore(folder, clock)
        self.flood = Flood(clock)
        self.profile = Profile()
        self.users: dict[int, User] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.queries: dict[str, Query] = {}
        self.webhook = Webhook(self.updates, clock)
        self.privacy = Privacy()
        self.local: LocalServer | None = None
        """Set when this is a server in local mode."""
        self.logged_out = False
        self._last_message_id = 0
        self._last_user_id = 700_000_000
        self._last_group_id = 4_000_000_000

    async def touch(self) -> None:
        """Wake those who wait for a change."""
        await self.log.touch()

    def take_message_id(self) -> int:
        """Return the next id of the row that private chats and basic groups share."""
        self._last_message_id += 1
        return self._last_message_id

    def add_user(self, user: User) -> User:
        """Let a person (or another bot) exist."""
        self.users[user.id] = user
        return user

    def take_user_id(self) -> int:
        """Return an id that nobody has."""
        self._last_user_id += 1
        return self._last_user_id

    def private_chat(self, user: User) -> PrivateChat:
        """Return the chat of a person with the bot; it is made the first time."""
        chat = self.chats.get(user.id)
        if not isinstance(chat, PrivateChat):
            chat = PrivateChat(self, user)
            self.chats[user.id] = chat
        return chat

    def add_group(self, title: str, *, supergroup: bool, forum: bool = False) -> Group:
        """Let a group exist, with nobody in it."""
        group = Group(
            self, self._group_id(long=supergroup), title, supergroup=supergroup, forum=forum
        )
        self.chats[group.id] = group
        return group

    def add_channel(self, title: str) -> Channel:
        """Let a channel exist, with nobody in it."""
        channel = Channel(self, self._group_id(long=True), title)
        self.chats[channel.id] = channel
        return channel

    def _group_id(self, *, long: bool) -> int:
        self._last_group_id += 1
        # Supergroups and channels have the prefix -100 (source: Bot API, "Chat").
        return -(self._last_group_id + (1_000_000_000_000 if long else 0))

    def find_chat(self, wanted: int | str) -> Chat | None:
        """Return a chat by id or `@username` (public groups and channels only)."""
        if isinstance(wanted, int):
            return self.chats.get(wanted)
        name = wanted.removeprefix("@").lower()
        for chat in self.chats.values():
            if not chat.is_private and chat.username and chat.username.lower() == name:
                return chat
        return None

    def emit(self, kind: str, body: dict[str, Any], *, chat_id: int, date: datetime) -> int | None:
        """Make an update for the bot; returns its id, `None` when it wants none of this kind."""
        return self.updates.add(kind, body, chat_id=chat_id, date=date)
