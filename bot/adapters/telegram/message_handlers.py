"""Messages become calls of the use cases: files and commands, in private and in groups."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from telegram import (
    Message,
    MessageEntity,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginUser,
    Update,
)

from bot.adapters.telegram.attachments import find_file, find_meant_file
from bot.adapters.telegram.languages import ChatLanguages
from bot.core.files import FileKind
from bot.core.jobs import Origin
from bot.inbound.admin import AdminCommands
from bot.inbound.use_cases import UseCases


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: `name` in lower case without the slash, and the words behind it in lower case.
    `is_addressed` says that it names this bot (`/share@relay_bot`).
    """

    name: str
    words: tuple[str, ...] = ()
    is_addressed: bool = False

    @property
    def word(self) -> str:
        """The first word behind the command, or ""."""
        return self.words[0] if self.words else ""

    @property
    def rest(self) -> str:
        """All words behind the command, with a space between them."""
        return " ".join(self.words)


def read_command(message: Message, username: str) -> CommandLine | None:
    """Return the command with which a text or a caption begins; `None` if there is none, or if it
    is for a bot that is not called `username`.

    The library's own handler looks at texts only (source: python-telegram-bot
    `ext/_handlers/commandhandler.py`), and a caption is the shortest way to share a file.
    """
    text = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    first = next((e for e in entities if e.type == MessageEntity.BOT_COMMAND), None)
    if first is None or first.offset != 0:
        return None
    # Commands are ASCII, so that UTF-16 units and characters are the same up to their end.
    name, _, addressee = text[1 : first.length].lower().partition("@")
    if addressee and addressee != username.lower():
        return None
    return CommandLine(name, tuple(text[first.length :].lower().split()), bool(addressee))


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


SHARE = "share"
LINKS = "links"
"""What `t.me/<bot>?start=links` puts behind `/start`."""

Obey = Callable[[Origin, Message, CommandLine], Awaitable[None]]


class MessageHandlers:
    """Translates messages. `bot_id` and `username` are those of the bot itself."""

    def __init__(self, use_cases: UseCases, *, bot_id: int, username: str) -> None:
        self._use_cases = use_cases
        self._bot_id = bot_id
        self._username = username
        self._heard = ChatLanguages()
        admins = AdminHandlers(use_cases.admin_commands, bot_id=bot_id)
        self._commands: dict[str, Obey] = {
            "start": self._start,
            "help": self._help,
            "status": self._status,
            LINKS: self._links,
            "cancel": self._cancel,
            "language": self._language,
            SHARE: self._share,
            "auto": self._auto,
            "deliver": self._deliver,
            "zone": self._zone,
            "stats": admins.stats,
            "allow": admins.allow,
            "ban": admins.ban,
            "unban": admins.unban,
        }

    async def private(self, update: Update) -> None:
        """In private everything is meant for the bot."""
        message = _message_of(update)
        if _is_by_a_bot(message) or await self._obey(message):
            return
        origin, file = await self._origin(message), find_file(message)
        if file is None:
            is_text = message.text is not None
            await self._use_cases.user_commands.other(origin, is_text=is_text)
        else:
            await self._use_cases.uploads.sent(origin, file)

    async def group(self, update: Update) -> None:
        """In a group only commands are, and documents where the group wants all of them."""
        message = _message_of(update)
        if _is_by_a_bot(message):
            return
        # Nobody gives commands in what a linked channel published.
        if not message.is_automatic_forward and await self._obey(message):
            return
        file = find_file(message)
        if file is not None and file.kind is FileKind.DOCUMENT:
            await self._use_cases.uploads.seen(await self._origin(message), file)

    async def _obey(self, message: Message) -> bool:
        """Do what a command says; return whether there was one to be answered."""
        command = read_command(message, self._username)
        if command is None or (command.name != SHARE and message.text is None):
            # Below a file only one command makes sense; others are what somebody wrote about it.
            return False
        obey = self._commands.get(command.name)
        if obey is not None:
            await obey(await self._origin(message), message, command)
        elif command.is_addressed:
            await self._use_cases.user_commands.other(await self._origin(message), is_text=True)
        return obey is not None or command.is_addressed

    async def _start(self, origin: Origin, message: Message, command: CommandLine) -> None:
        if command.word == LINKS and origin.is_private:
            await self._links(origin, message, command)
        else:
            await self._help(origin, message, command)

    async def _help(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._use_cases.user_commands.welcome(origin)

    async def _status(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._use_cases.user_commands.status(origin)

    async def _links(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._use_cases.user_commands.links(origin)

    async def _cancel(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._use_cases.cancel_command.cancel(origin)

    async def _language(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._use_cases.languages.menu(origin)

    async def _share(self, origin: Origin, message: Message, _: CommandLine) -> None:
        await self._use_cases.uploads.shared(origin, find_meant_file(message))

    async def _auto(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._use_cases.groups.auto(origin, command.word)

    async def _deliver(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._use_cases.groups.deliver(origin, command.word)

    async def _zone(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._use_cases.zone_command.zone(origin, command.rest)

    async def _origin(self, message: Message) -> Origin:
        user, as_chat = message.from_user, message.sender_chat
        # Who hides behind a chat is that chat: the user that stands there is the same for all of
        # them (source: Bot API, "Message", `sender_chat`).
        sender = as_chat or user or message.chat
        return Origin(
            bot_id=self._bot_id,
            chat_id=message.chat.id,
            message_id=message.message_id,
            owner_id=sender.id,
            # Elsewhere the field names a reply chain, which is no place to send to.
            thread_id=message.message_thread_id if message.is_topic_message else None,
            language=await self._use_cases.languages.of(sender.id, self._heard.of(message)),
            album=message.media_group_id,
        )


def _message_of(update: Update) -> Message:
    message = update.message
    if message is None:
        raise ValueError("the filters let only messages through")
    return message


def _is_by_a_bot(message: Message) -> bool:
    # The stand-in for who hides behind a chat is a bot by name only.
    user = message.from_user
    return message.sender_chat is None and (user is None or user.is_bot)
