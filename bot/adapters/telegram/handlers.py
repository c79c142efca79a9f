"""Handlers of updates: messages, chat updates and button presses. They translate an update into a
call of a use case.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from telegram import CallbackQuery, Chat, Message, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    ContextTypes,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.adapters.telegram.buttons import (
    Action,
    ButtonCodec,
    JobButton,
    LanguageButton,
    OptionButton,
    PageButton,
)
from bot.adapters.telegram.commands import COMMANDS_BY_NAME, CommandCall, is_heard
from bot.adapters.telegram.contents import find_files, read_command
from bot.adapters.telegram.inspection import is_present
from bot.adapters.telegram.languages import CHOICES, ChatLanguages
from bot.adapters.telegram.renderer import BotName
from bot.core.jobs import Origin
from bot.inbound.access import Replies
from bot.inbound.actions import ButtonPress, JobAction, JobButtonPress
from bot.inbound.admin import GroupCommands, Membership
from bot.inbound.commands import UseCases
from bot.inbound.page_options import PagePress

log = structlog.stdlib.get_logger(__name__)


class ProcessedUpdates:
    """The updates that are processed: `process_update` swallows exceptions, so its return proves
    nothing.

    An update without a mark is handled again; `take_error` returns the reason of its failure.
    """

    def __init__(self) -> None:
        self._done: set[int] = set()
        self._errors: dict[int, BaseException] = {}

    def done(self, update_id: int) -> None:
        """Mark an update as processed: it is in the ledger, or deliberately ignored."""
        self._done.add(update_id)

    def failed(self, update_id: int, error: BaseException) -> None:
        """Store the error of a handler."""
        self._errors[update_id] = error

    def take(self, update_id: int) -> bool:
        """Return whether the update is processed, and drop the mark."""
        if update_id not in self._done:
            return False
        self._done.remove(update_id)
        self._errors.pop(update_id, None)
        return True

    def take_error(self, update_id: int) -> BaseException | None:
        """Return the last error of an update, and drop it."""
        return self._errors.pop(update_id, None)


class MessageHandlers:
    """Translates messages. `bot_id` is the bot's own, `name` its username."""

    def __init__(self, use_cases: UseCases, *, bot_id: int, name: BotName) -> None:
        self._use_cases = use_cases
        self._bot_id = bot_id
        self._name = name
        self._chat_languages = ChatLanguages()

    async def private(self, update: Update) -> None:
        """Handle a private message; in private all messages are for the bot, except texts that
        another bot made.
        """
        message = _message_of(update)
        if _is_by_a_bot(message) or await self._obey(message):
            return
        origin, found = await self._origin(message), find_files(message)
        if found.files:
            await self._use_cases.uploads.sent(origin, found)
        elif message.text is not None and message.via_bot is None:
            await self._use_cases.user_commands.other(origin, "help-any-text")
        elif found.no_file is not None:
            await self._use_cases.user_commands.other(origin, found.no_file)

    async def group(self, update: Update) -> None:
        """Handle a message in a group: commands are for the bot, and documents if the group has
        auto mode on.
        """
        message = _message_of(update)
        if _is_by_a_bot(message):
            return
        # Posts of a linked channel contain no commands.
        if not message.is_automatic_forward and await self._obey(message):
            return
        found = find_files(message)
        if found.has_document or (found.files and found.album is not None):
            await self._use_cases.uploads.seen(await self._origin(message), found)

    async def _obey(self, message: Message) -> bool:
        """Execute the command of a message; return whether there was one to be answered. Text
        that was made by another bot contains no commands.
        """
        if message.via_bot is not None:
            return False
        line = read_command(message, self._name.current)
        command = COMMANDS_BY_NAME.get(line.name) if line is not None else None
        is_caption = message.text is None
        if line is None or (is_caption and (command is None or not command.in_captions)):
            # Only one command makes sense in the caption of a file; others are part of the text
            # about it.
            return False
        if command is not None and not is_heard(command, line, message):
            return False
        if command is not None:
            origin = await self._origin(message)
            await command.handle(CommandCall(self._use_cases, origin, message, line))
        elif line.is_addressed:
            await self._use_cases.user_commands.other(await self._origin(message), "help-any-text")
        return command is not None or line.is_addressed

    async def _origin(self, message: Message) -> Origin:
        user, as_chat = message.from_user, message.sender_chat
        # A user who writes as a chat is identified by that chat: the user in `from` is the same
        # for all of them (source: Bot API, "Message", `sender_chat`).
        sender = as_chat or user or message.chat
        return Origin(
            bot_id=self._bot_id,
            chat_id=message.chat.id,
            message_id=message.message_id,
            owner_id=sender.id,
            # Elsewhere the field names a reply chain, which cannot be a destination.
            thread_id=message.message_thread_id if message.is_topic_message else None,
            language=await self._use_cases.replies.language_of(
                sender.id, self._chat_languages.of(message)
            ),
            album=message.media_group_id,
        )


def _message_of(update: Update) -> Message:
    message = update.message
    if message is None:
        raise ValueError("the filters let only messages through")
    return message


def _is_by_a_bot(message: Message) -> bool:
    # The stand-in user of anonymous senders is a bot by name only.
    user = message.from_user
    if user is None:
        # In private the chat is its user; in groups Telegram tells who wrote.
        return message.sender_chat is None and message.chat.type != Chat.PRIVATE
    return message.sender_chat is None and user.is_bot


class ChatHandlers:
    """Translates changes of membership and migrations."""

    def __init__(self, chats: GroupCommands, replies: Replies) -> None:
        self._chats = chats
        self._replies = replies

    async def membership(self, update: Update) -> None:
        """Handle that the bot was added or removed; a change of its rights is neither."""
        change = update.my_chat_member
        if change is None:
            return
        was_in = is_present(change.old_chat_member)
        is_in = is_present(change.new_chat_member)
        if was_in == is_in:
            return
        user = change.from_user
        await self._chats.membership(
            Membership(
                update=update.update_id,
                chat_id=change.chat.id,
                is_in=is_in,
                language=await self._replies.language_of(user.id, user.language_code or ""),
                can_tell=change.chat.type != Chat.CHANNEL,
            )
        )

    async def migration(self, update: Update) -> None:
        """Handle that a group became a supergroup; there is an update from each of them."""
        message = update.message
        if message is None:
            return
        here = message.chat.id
        if message.migrate_to_chat_id is not None:
            await self._chats.moved(here, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id is not None:
            await self._chats.moved(message.migrate_from_chat_id, here)


class PressHandlers:
    """Translates callback queries."""

    def __init__(self, use_cases: UseCases, keyboards: ButtonCodec) -> None:
        self._use_cases = use_cases
        self._keyboards = keyboards

    async def press(self, update: Update) -> None:
        """Handle a callback query. Its data comes from the user's client and may be forged."""
        query = update.callback_query
        if query is None or query.message is None:
            return
        asked = await self._query(query)
        match self._keyboards.parse(query.data or ""):
            case PageButton() as turn if _is_shown(query):
                await self._use_cases.pages.turn(asked, turn.listing, turn.subject, turn.page)
            case LanguageButton(owner_id, number) if number < len(CHOICES) and _is_shown(query):
                told = query.from_user.language_code or ""
                await self._use_cases.languages.choose(asked, owner_id, CHOICES[number], told)
            case OptionButton() as choice if self._use_cases.page_buttons is not None:
                await self._use_cases.page_buttons.press(
                    PagePress(
                        asked,
                        choice.option,
                        choice.job_id,
                        choice.value,
                        query.from_user.full_name,
                    )
                )
            case JobButton() as press:
                status_message_id = asked.message_id if self._is_status(query) else None
                action = JobAction(press.action.value)
                await self._job(asked, action, press.job_id, status_message_id)
            case _:
                await self._job(asked, None, 0)

    def _is_status(self, query: CallbackQuery) -> bool:
        """Return whether the message has no buttons but Cancel, as only status messages have."""
        message = query.message
        if not _is_shown(query) or not isinstance(message, Message) or not message.reply_markup:
            return False
        rows = message.reply_markup.inline_keyboard
        presses = [
            self._keyboards.parse(str(button.callback_data)) for row in rows for button in row
        ]
        return all(
            isinstance(press, JobButton) and press.action in {Action.CANCEL, Action.CANCEL_ALL}
            for press in presses
        )

    async def _job(
        self,
        asked: ButtonPress,
        action: JobAction | None,
        job_id: int,
        status_message_id: int | None = None,
    ) -> None:
        await self._use_cases.job_buttons.press(
            JobButtonPress(
                query_id=asked.query_id,
                user_id=asked.user_id,
                chat_id=asked.chat_id,
                language=asked.language,
                action=action,
                job_id=job_id,
                status_message_id=status_message_id,
            )
        )

    async def _query(self, query: CallbackQuery) -> ButtonPress:
        message, told = query.message, query.from_user.language_code or ""
        return ButtonPress(
            query_id=query.id,
            user_id=query.from_user.id,
            chat_id=message.chat.id if message else 0,
            message_id=message.message_id if message else 0,
            language=await self._use_cases.replies.language_of(query.from_user.id, told),
        )


def _is_shown(query: CallbackQuery) -> bool:
    """Return whether the message has such a button now. A client can send any data for any message
    with buttons, and data signed for one message must not change another.
    """
    message = query.message
    if not isinstance(message, Message) or message.reply_markup is None:
        return False
    rows = message.reply_markup.inline_keyboard
    return any(button.callback_data == query.data for row in rows for button in row)


__all__ = ["App", "Handlers", "ProcessedUpdates"]


App = Application[Any, Any, Any, Any, Any, Any]
Handle = Callable[[Update], Awaitable[None]]

# Edited messages, channel posts and service messages start nothing.
_ASKED = filters.UpdateType.MESSAGE & ~filters.StatusUpdate.ALL


class Handlers:
    """All handlers of the bot. `bot_id` is the bot's own, `name` its username."""

    def __init__(
        self,
        use_cases: UseCases,
        keyboards: ButtonCodec,
        processed_updates: ProcessedUpdates,
        *,
        bot_id: int,
        name: BotName,
    ) -> None:
        self._processed_updates = processed_updates
        self._messages = MessageHandlers(use_cases, bot_id=bot_id, name=name)
        self._chats = ChatHandlers(use_cases.groups, use_cases.replies)
        self._presses = PressHandlers(use_cases, keyboards)

    def register(self, application: App) -> None:
        """Add all handlers; the last one deliberately ignores all other updates."""
        messages, chats = self._messages, self._chats
        private, groups = filters.ChatType.PRIVATE, filters.ChatType.GROUPS
        for wanted, handle in (
            (_ASKED & private, messages.private),
            (_ASKED & groups, messages.group),
            (filters.StatusUpdate.MIGRATE, chats.migration),
        ):
            application.add_handler(MessageHandler(wanted, self._processed(handle)))
        application.add_handler(
            ChatMemberHandler(self._processed(chats.membership), ChatMemberHandler.MY_CHAT_MEMBER)
        )
        application.add_handler(CallbackQueryHandler(self._processed(self._presses.press)))
        application.add_handler(TypeHandler(Update, self._processed(self._ignore)))
        application.add_error_handler(self._failed)

    def _processed(
        self, handle: Handle
    ) -> Callable[[Update, ContextTypes.DEFAULT_TYPE], Coroutine[Any, Any, None]]:
        async def handle_and_mark(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
            await handle(update)
            self._processed_updates.done(update.update_id)

        return handle_and_mark

    async def _failed(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        if isinstance(update, Update) and context.error is not None:
            self._processed_updates.failed(update.update_id, context.error)

    async def _ignore(self, update: Update) -> None:
        log.debug("update ignored", update=update.update_id)
