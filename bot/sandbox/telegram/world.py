"""The state of one Telegram stand-in: the bot, people, chats, files, updates, settings."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.clock import SandboxClock
from bot.sandbox.request_log import RequestLog
from bot.sandbox.telegram.files import FileStore
from bot.sandbox.telegram.flood import Flood
from bot.sandbox.telegram.local_mode import LocalFileServer
from bot.sandbox.telegram.model import GENERAL, CallbackQuery, ChatInfo, ChatState
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.updates import UpdateQueue
from bot.sandbox.telegram.users import Roster, User
from bot.sandbox.telegram.webhook import Webhook


@dataclass
class Profile:
    """The bot's profile: commands by (scope, language), texts by (kind, language)."""

    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    menu_buttons: dict[int, dict[str, Any]] = field(default_factory=dict)


class World:
    """The state behind all methods, without HTTP; use it from one event loop."""

    def __init__(self, bot: User, clock: SandboxClock, log: RequestLog, folder: Path) -> None:
        self.bot = bot
        self.clock = clock
        self.log = log
        self.updates = UpdateQueue(clock)
        self.files = FileStore(folder, clock)
        self.flood = Flood(clock)
        self.profile = Profile()
        self.users: dict[int, User] = {bot.id: bot}
        self.roles: dict[int, str] = {}
        """Roles of people towards the bot by user id: labels for the chat page."""
        self.chats: dict[int, ChatState] = {}
        self.queries: dict[str, CallbackQuery] = {}
        self.webhook = Webhook(self.updates, clock)
        self.privacy = Privacy()
        self.local: LocalFileServer | None = None
        """Set when this is a server in local mode."""
        self.logged_out = False
        self.missing_methods: set[str] = set()
        """Names of methods that this server lacks, as an older one does."""
        self._last_message_id = 0
        self._last_user_id = 700_000_000
        self._last_group_id = 4_000_000_000

    async def touch(self) -> None:
        """Wake waiters after a change."""
        await self.log.touch()

    def take_message_id(self) -> int:
        """Return the next id of the sequence that private chats and basic groups share."""
        self._last_message_id += 1
        return self._last_message_id

    def add_user(self, user: User) -> User:
        """Add a person (or another bot)."""
        self.users[user.id] = user
        return user

    def take_user_id(self) -> int:
        """Return an unused user id."""
        self._last_user_id += 1
        return self._last_user_id

    def private_chat(self, user: User) -> ChatState:
        """Return the chat of a person with the bot; create it the first time."""
        if user.id not in self.chats:
            names = (user.first_name, user.last_name, user.username)
            info = ChatInfo(user.id, "private", None, *names)
            self.chats[user.id] = ChatState(info, Roster(is_channel=False))
        return self.chats[user.id]

    def add_group(self, title: str, *, supergroup: bool, forum: bool = False) -> ChatState:
        """Add a group without members."""
        kind = "supergroup" if supergroup else "group"
        info = ChatInfo(self._group_id(long=supergroup), kind, title, is_forum=forum)
        roster, reads_all = Roster(is_channel=False), self.privacy.reads_all
        chat = self.chats[info.id] = ChatState(info, roster, reads_all=reads_all)
        # The first message of a forum is that of its creation; its id is General's.
        chat.last_message_id = GENERAL if forum else 0
        return chat

    def add_channel(self, title: str) -> ChatState:
        """Add a channel without members."""
        info = ChatInfo(self._group_id(long=True), "channel", title)
        chat = self.chats[info.id] = ChatState(info, Roster(is_channel=True))
        return chat

    def _group_id(self, *, long: bool) -> int:
        self._last_group_id += 1
        # Supergroups and channels have the prefix -100 (source: Bot API, "Chat").
        return -(self._last_group_id + (1_000_000_000_000 if long else 0))

    def find_chat(self, wanted: int | str) -> ChatState | None:
        """Return a chat by id or `@username` (public groups and channels only)."""
        if isinstance(wanted, int):
            return self.chats.get(wanted)
        name = wanted.removeprefix("@").lower()
        for chat in self.chats.values():
            username = chat.info.username
            if not chat.info.is_private and username and username.lower() == name:
                return chat
        return None

    def emit(self, kind: str, body: dict[str, Any], *, chat_id: int, date: datetime) -> int | None:
        """Make an update; return its id, or `None` when the bot does not want this kind."""
        return self.updates.add(kind, body, chat_id=chat_id, date=date)
