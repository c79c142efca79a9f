"""Updates become calls of the reception. Handlers translate and leave."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from telegram import Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    ContextTypes,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.adapters.telegram.chat_handlers import ChatHandlers
from bot.adapters.telegram.keyboards import ButtonCodec
from bot.adapters.telegram.marks import ProcessedUpdates
from bot.adapters.telegram.message_handlers import MessageHandlers
from bot.adapters.telegram.press_handlers import PressHandlers
from bot.inbound.use_cases import UseCases

__all__ = ["App", "Handlers", "ProcessedUpdates"]

log = structlog.stdlib.get_logger(__name__)

App = Application[Any, Any, Any, Any, Any, Any]
Handle = Callable[[Update], Awaitable[None]]

# Edited messages, channel posts and what comes by way of other bots start nothing.
_ASKED = filters.UpdateType.MESSAGE & ~filters.VIA_BOT & ~filters.StatusUpdate.ALL


class Handlers:
    """Everything that the bot listens to. `bot_id` and `username` are those of the bot itself."""

    def __init__(
        self,
        reception: UseCases,
        keyboards: ButtonCodec,
        marks: ProcessedUpdates,
        *,
        bot_id: int,
        username: str,
    ) -> None:
        self._marks = marks
        self._messages = MessageHandlers(reception, bot_id=bot_id, username=username)
        self._chats = ChatHandlers(reception.chats, reception.languages)
        self._presses = PressHandlers(reception, keyboards)

    def register(self, application: App) -> None:
        """Add all handlers; the last one ignores, deliberately, what no other wants."""
        messages, chats = self._messages, self._chats
        private, groups = filters.ChatType.PRIVATE, filters.ChatType.GROUPS
        for wanted, handle in (
            (_ASKED & private, messages.private),
            (_ASKED & groups, messages.group),
            (filters.StatusUpdate.MIGRATE, chats.migration),
        ):
            application.add_handler(MessageHandler(wanted, self._marked(handle)))
        application.add_handler(
            ChatMemberHandler(self._marked(chats.membership), ChatMemberHandler.MY_CHAT_MEMBER)
        )
        application.add_handler(CallbackQueryHandler(self._marked(self._presses.press)))
        application.add_handler(TypeHandler(Update, self._marked(self._ignore)))
        application.add_error_handler(self._failed)

    def _marked(
        self, handle: Handle
    ) -> Callable[[Update, ContextTypes.DEFAULT_TYPE], Coroutine[Any, Any, None]]:
        async def handle_and_mark(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
            await handle(update)
            self._marks.done(update.update_id)

        return handle_and_mark

    async def _failed(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        if isinstance(update, Update) and context.error is not None:
            self._marks.failed(update.update_id, context.error)

    async def _ignore(self, update: Update) -> None:
        log.debug("update ignored", update=update.update_id)
