"""Commands of those who look after the bot."""

import re
from typing import Final

from telegram import Message, MessageOriginChannel, MessageOriginChat, MessageOriginUser

from bot.adapters.telegram.command_line import CommandLine
from bot.core.jobs import Origin
from bot.inbound.admin import AdminCommands

PURGE: Final = "purge"
_ID: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)


class AdminHandlers:
    """Translates them. `bot_id` is that of the bot itself, which nobody means."""

    def __init__(self, admins: AdminCommands, *, bot_id: int) -> None:
        self._admins = admins
        self._bot_id = bot_id

    async def stats(self, origin: Origin, _: Message, __: CommandLine) -> None:
        """`/stats`."""
        await self._admins.stats(origin)

    async def allow(self, origin: Origin, message: Message, command: CommandLine) -> None:
        """`/allow`, with an id or as a reply."""
        await self._admins.allow(origin, self._target(message, command))

    async def ban(self, origin: Origin, message: Message, command: CommandLine) -> None:
        """`/ban`, with an id or as a reply, and perhaps "purge" behind it."""
        target = self._target(message, command)
        await self._admins.ban(origin, target, purge=PURGE in command.words)

    async def unban(self, origin: Origin, message: Message, command: CommandLine) -> None:
        """`/unban`, with an id or as a reply."""
        await self._admins.unban(origin, self._target(message, command))

    def _target(self, message: Message, command: CommandLine) -> int | None:
        """Return whom a command is about: the id that it names, or the sender of the message that
        it replies to, of a forwarded one its first sender.
        """
        if _ID.fullmatch(command.word):
            return int(command.word) or None
        reply = message.reply_to_message
        # In a topic whatever is no reply looks like one to the message that opened the topic.
        if reply is None or reply.forum_topic_created is not None:
            return None
        sender = _sender_of(reply)
        return None if sender == self._bot_id else sender


def _sender_of(message: Message) -> int | None:
    match message.forward_origin:
        case MessageOriginUser(sender_user=user):
            return user.id
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            return chat.id
        case None:
            sender = message.sender_chat or message.from_user
            return sender.id if sender is not None else None
        case _:
            # A person who hides behind their name.
            return None
