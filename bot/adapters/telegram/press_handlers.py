"""Presses of the bot's buttons."""

from telegram import CallbackQuery, Message, Update

from bot.adapters.telegram.buttons import Press as JobPress
from bot.adapters.telegram.buttons import Turn
from bot.adapters.telegram.keyboards import Keyboards
from bot.service.reception import Press, PressAction, Query, Reception


class PressHandlers:
    """Translates presses."""

    def __init__(self, reception: Reception, keyboards: Keyboards) -> None:
        self._reception = reception
        self._keyboards = keyboards

    async def press(self, update: Update) -> None:
        """Somebody pressed a button, or claims so: its data comes from their app."""
        query = update.callback_query
        if query is None or query.message is None:
            return
        match self._keyboards.parse(query.data or ""):
            case Turn() as turn if _is_shown(query):
                await self._reception.turns.turn(
                    _query(query), turn.listing, turn.subject, turn.page
                )
            case JobPress() as press:
                await self._job(query, PressAction(press.action.value), press.job_id)
            case _:
                await self._job(query, None, 0)

    async def _job(self, query: CallbackQuery, action: PressAction | None, job_id: int) -> None:
        asked = _query(query)
        await self._reception.presses.press(
            Press(
                query_id=asked.query_id,
                user_id=asked.user_id,
                chat_id=asked.chat_id,
                language=asked.language,
                action=action,
                job_id=job_id,
            )
        )


def _query(query: CallbackQuery) -> Query:
    message = query.message
    return Query(
        query_id=query.id,
        user_id=query.from_user.id,
        chat_id=message.chat.id if message else 0,
        message_id=message.message_id if message else 0,
        language=query.from_user.language_code or "",
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
