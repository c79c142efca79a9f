"""Presses of the bot's buttons."""

from telegram import CallbackQuery, Message, Update

from bot.adapters.telegram.buttons import JobButton, LanguageButton, PageButton
from bot.adapters.telegram.keyboards import ButtonCodec
from bot.adapters.telegram.languages import CHOICES
from bot.inbound.presses import JobButtonPress
from bot.inbound.queries import ButtonPress
from bot.inbound.use_cases import UseCases
from bot.jobs.actions import JobAction


class PressHandlers:
    """Translates presses."""

    def __init__(self, reception: UseCases, keyboards: ButtonCodec) -> None:
        self._reception = reception
        self._keyboards = keyboards

    async def press(self, update: Update) -> None:
        """Somebody pressed a button, or claims so: its data comes from their app."""
        query = update.callback_query
        if query is None or query.message is None:
            return
        asked = await self._query(query)
        match self._keyboards.parse(query.data or ""):
            case PageButton() as turn if _is_shown(query):
                await self._reception.turns.turn(asked, turn.listing, turn.subject, turn.page)
            case LanguageButton(owner_id, number) if number < len(CHOICES) and _is_shown(query):
                told = query.from_user.language_code or ""
                await self._reception.languages.choose(asked, owner_id, CHOICES[number], told)
            case JobButton() as press:
                await self._job(asked, JobAction(press.action.value), press.job_id)
            case _:
                await self._job(asked, None, 0)

    async def _job(self, asked: ButtonPress, action: JobAction | None, job_id: int) -> None:
        await self._reception.presses.press(
            JobButtonPress(
                query_id=asked.query_id,
                user_id=asked.user_id,
                chat_id=asked.chat_id,
                language=asked.language,
                action=action,
                job_id=job_id,
            )
        )

    async def _query(self, query: CallbackQuery) -> ButtonPress:
        message, told = query.message, query.from_user.language_code or ""
        return ButtonPress(
            query_id=query.id,
            user_id=query.from_user.id,
            chat_id=message.chat.id if message else 0,
            message_id=message.message_id if message else 0,
            language=await self._reception.languages.of(query.from_user.id, told),
        )


def _is_shown(query: CallbackQuery) -> bool:
    """Return whether the message has such a button now. An app can send any data for any message
    with buttons, and what is signed for one must not change another.
    """
    message = query.message
    if not isinstance(message, Message) or message.reply_markup is None:
        return False
    rows = message.reply_markup.inline_keyboard
    return any(button.callback_data == query.data for row in rows for button in row)
