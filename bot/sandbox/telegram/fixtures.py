"""Add people, groups and channels, without the protocol."""

from bot.sandbox.telegram.channels import Channel
from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.groups import Group
from bot.sandbox.telegram.private_chats import PrivateChat
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.world import World


class Fixtures:
    """Adds people and chats to a world; the part of the stand-in that needs no server."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_user(
        self,
        first_name: str,
        *,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
        id: int | None = None,
        is_bot: bool = False,
    ) -> User:
        """Let a person (or another bot) exist."""
        user_id = self.world.take_user_id() if id is None else id
        user = User(user_id, first_name, last_name, username, language_code, is_bot)
        return self.world.add_user(user)

    def private_chat(self, user: User) -> PrivateChat:
        """Return the chat of a person with the bot, who has pressed Start before."""
        return self.world.private_chat(user)

    def add_group(
        self,
        title: str,
        *members: User,
        supergroup: bool = True,
        forum: bool = False,
        bot: str = "member",
    ) -> Group:
        """Return a new group; the first of `members` owns it. `bot` is the bot's status there:
        `member`, `administrator` or `left`. Nobody is told of it.
        """
        group = self.world.add_group(title, supergroup=supergroup, forum=forum)
        for number, member in enumerate(members):
            group.roster.put(member, "member" if number else "creator")
        group.roster.put(self.world.bot, bot)
        return group

    def add_channel(self, title: str, owner: User, *, bot: str = "administrator") -> Channel:
        """Return a new channel. Nobody is told of it."""
        channel = self.world.add_channel(title)
        channel.roster.put(owner, "creator")
        channel.roster.put(self.world.bot, bot)
        return channel

    def chat(self, chat_id: int) -> Chat:
        """Return a chat by its id.

        Raises:
            KeyError: there is none.
        """
        return self.world.chats[chat_id]
