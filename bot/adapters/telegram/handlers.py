"""Updates become calls of the reception. Handlers translate and leave."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from telegram import Message, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.adapters.telegram.attachments import find_file
from bot.adapters.telegram.keyboards import Keyboards
from bot.core.jobs import Origin
from bot.service.reception import Press, PressAction, Reception

log = structlog.stdlib.get_logger(__name__)

App = Application[Any, Any, Any, Any, Any, Any]
Handle = Callable[[Update], Awaitable[None]]

# Edited messages, channel posts and other bots start nothing.
_ASKED = (
    filters.UpdateType.MESSAGE
    & filters.ChatType.PRIVATE
    & ~filters.VIA_BOT
    & ~filters.StatusUpdate.ALL
)


class Marks:
    """Which updates are done with: `process_update` swallows exceptions, so its return proves
    nothing.

    An update that nobody has marked is delivered again; `error_of` tells why it failed.
    """

    def __init__(self) -> None:
        self._done: set[int] = set()
        self._errors: dict[int, BaseException] = {}

    def done(self, update_id: int) -> None:
        """Mark an update: it is in the ledger, or deliberately ignored."""
        self._done.add(update_id)

    def failed(self, update_id: int, error: BaseException) -> None:
        """Remember why a handler failed."""
        self._errors[update_id] = error

    def take(self, update_id: int) -> bool:
        """Say whether the update is done with, and forget the mark."""
        if update_id not in self._done:
            return False
        self._done.remove(update_id)
        self._errors.pop(update_id, None)
        return True

    def take_error(self, update_id: int) -> BaseException | None:
        """Return the last error of an update, and forget it."""
        return self._errors.pop(update_id, None)


class Handlers:
    """Everything that the bot listens to. `bot_id` is the id of the bot itself."""

    def __init__(
        self, reception: Reception, keyboards: Keyboards, marks: Marks, *, bot_id: int
    ) -> None:
        self._reception = reception
        self._keyboards = keyboards
        self._marks = marks
        self._bot_id = bot_id

    def register(self, application: App) -> None:
        """Add all handlers; the last one ignores, deliberately, what no other wants."""
        application.add_handler(
            CommandHandler(["start", "help"], self._marked(self._welcome), filters=_ASKED)
        )
        application.add_handler(
            CommandHandler("status", self._marked(self._status), filters=_ASKED)
        )
        application.add_handler(MessageHandler(_ASKED, self._marked(self._message)))
        application.add_handler(CallbackQueryHandler(self._marked(self._press)))
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

    async def _welcome(self, update: Update) -> None:
        await self._reception.welcome(self._origin(_message_of(update)))

    async def _status(self, update: Update) -> None:
        await self._reception.status(self._origin(_message_of(update)))

    async def _message(self, update: Update) -> None:
        message = _message_of(update)
        if message.from_user is None or message.from_user.is_bot:
            return
        file = find_file(message)
        if file is None:
            await self._reception.other(self._origin(message), is_text=message.text is not None)
        else:
            await self._reception.file(self._origin(message), file)

    async def _press(self, update: Update) -> None:
        query = update.callback_query
        if query is None or query.message is None:
            return
        press = self._keyboards.parse(query.data or "")
        await self._reception.press(
            Press(
                query_id=query.id,
                user_id=query.from_user.id,
                chat_id=query.message.chat.id,
                language=query.from_user.language_code or "",
                action=PressAction(press.action.value) if press else None,
                job_id=press.job_id if press else 0,
            )
        )

    def _origin(self, message: Message) -> Origin:
        user = message.from_user
        return Origin(
            bot_id=self._bot_id,
            chat_id=message.chat.id,
            message_id=message.message_id,
            owner_id=user.id if user else message.chat.id,
            # Elsewhere the field names a reply chain, which is no place to send to.
            thread_id=message.message_thread_id if message.is_topic_message else None,
            language=(user.language_code or "") if user else "",
            album=message.media_group_id,
        )


def _message_of(update: Update) -> Message:
    message = update.message
    if message is None:
        raise ValueError("the filters let only messages through")
    return message
