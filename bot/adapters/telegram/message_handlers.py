"""Messages of people: files and commands, in private and in groups."""

from collections.abc import Awaitable, Callable

from telegram import Message, Update

from bot.adapters.telegram.admin_handlers import AdminHandlers
from bot.adapters.telegram.attachments import find_file, find_meant_file
from bot.adapters.telegram.command_line import CommandLine, read_command
from bot.adapters.telegram.heard import ChatLanguages
from bot.core.files import FileKind
from bot.core.jobs import Origin
from bot.inbound.use_cases import UseCases

SHARE = "share"
LINKS = "links"
"""What `t.me/<bot>?start=links` puts behind `/start`."""

Obey = Callable[[Origin, Message, CommandLine], Awaitable[None]]


class MessageHandlers:
    """Translates messages. `bot_id` and `username` are those of the bot itself."""

    def __init__(self, reception: UseCases, *, bot_id: int, username: str) -> None:
        self._reception = reception
        self._bot_id = bot_id
        self._username = username
        self._heard = ChatLanguages()
        admins = AdminHandlers(reception.admins, bot_id=bot_id)
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
            await self._reception.questions.other(origin, is_text=is_text)
        else:
            await self._reception.files.sent(origin, file)

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
            await self._reception.files.seen(await self._origin(message), file)

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
            await self._reception.questions.other(await self._origin(message), is_text=True)
        return obey is not None or command.is_addressed

    async def _start(self, origin: Origin, message: Message, command: CommandLine) -> None:
        if command.word == LINKS and origin.is_private:
            await self._links(origin, message, command)
        else:
            await self._help(origin, message, command)

    async def _help(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._reception.questions.welcome(origin)

    async def _status(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._reception.questions.status(origin)

    async def _links(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._reception.questions.links(origin)

    async def _cancel(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._reception.orders.cancel(origin)

    async def _language(self, origin: Origin, _: Message, __: CommandLine) -> None:
        await self._reception.languages.menu(origin)

    async def _share(self, origin: Origin, message: Message, _: CommandLine) -> None:
        await self._reception.files.shared(origin, find_meant_file(message))

    async def _auto(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._reception.chats.auto(origin, command.word)

    async def _deliver(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._reception.chats.deliver(origin, command.word)

    async def _zone(self, origin: Origin, _: Message, command: CommandLine) -> None:
        await self._reception.zones.zone(origin, command.rest)

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
            language=await self._reception.languages.of(sender.id, self._heard.of(message)),
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
