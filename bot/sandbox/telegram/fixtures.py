"""Add people, groups and channels, without the protocol."""

from pathlib import Path

from bot.sandbox.telegram.chats import Chat, PrivateChat
from bot.sandbox.telegram.files import DEFAULT_MIME, NAMELESS, Attachment, attach
from bot.sandbox.telegram.groups import Channel, Group
from bot.sandbox.telegram.text import Formatted, detect
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.world import World


class Fixtures:
    """Adds people and chats to a world; the part of the stand-in that needs no server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._chats: dict[int, Chat] = {}

    def add_user(  # noqa: PLR0913 (a person has these properties.)
        self,
        first_name: str,
        *,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
        id: int | None = None,
        is_bot: bool = False,
        role: str | None = None,
    ) -> User:
        """Add a person (or another bot). `role` is a label for the chat page: `member`, `admin`,
        `stranger` or `banned`.
        """
        user_id = self.world.take_user_id() if id is None else id
        user = User(user_id, first_name, last_name, username, language_code, is_bot)
        if role is not None:
            self.world.roles[user.id] = role
        return self.world.add_user(user)

    def private_chat(self, user: User) -> PrivateChat:
        """Return the chat of a person with the bot, who has pressed Start before."""
        state = self.world.private_chat(user)
        chat = self._chats.get(user.id)
        if not isinstance(chat, PrivateChat):
            chat = self._chats[user.id] = PrivateChat(self.world, state)
        return chat

    def add_file(
        self,
        content: bytes | Path,
        *,
        kind: str = "document",
        name: str | None = None,
        mime: str | None = None,
    ) -> Attachment:
        """Store a file that is in no message yet, for the fields of `rich_content`."""
        files = self.world.files
        stored = files.add(kind, content, name=None if kind in NAMELESS else name)
        stored.mime = mime or DEFAULT_MIME.get(kind)
        return attach(files, stored)

    async def add_crowd(self, count: int, text: str = "hello") -> list[PrivateChat]:
        """Add people who each write once, all at the same moment; return their chats."""
        body = detect(Formatted(text))
        chats = [self.private_chat(self.add_user(f"Stranger {n}")) for n in range(count)]
        for chat in chats:
            message = chat.new_message(chat.user)
            message.body = body
            chat.place(message, by_bot=False)
        await self.world.touch()
        return chats

    def add_group(
        self,
        title: str,
        *members: User,
        supergroup: bool = True,
        forum: bool = False,
        bot: str = "member",
    ) -> Group:
        """Return a new group; the first of `members` owns it. `bot` is the bot's status there:
        `member`, `administrator` or `left`. There is no update for it.
        """
        group = Group(self.world, self.world.add_group(title, supergroup=supergroup, forum=forum))
        self._chats[group.id] = group
        for number, member in enumerate(members):
            group.roster.put(member, "member" if number else "creator")
        group.roster.put(self.world.bot, bot)
        return group

    def add_channel(self, title: str, owner: User, *, bot: str = "administrator") -> Channel:
        """Return a new channel. There is no update for it."""
        channel = Channel(self.world, self.world.add_channel(title))
        self._chats[channel.id] = channel
        channel.roster.put(owner, "creator")
        channel.roster.put(self.world.bot, bot)
        return channel

    def chat(self, chat_id: int) -> Chat:
        """Return a chat by its id.

        Raises:
            KeyError: there is none.
        """
        state = self.world.chats[chat_id]
        if chat_id not in self._chats:
            kinds = {"private": PrivateChat, "channel": Channel}
            self._chats[chat_id] = kinds.get(state.info.type, Group)(self.world, state)
        return self._chats[chat_id]
