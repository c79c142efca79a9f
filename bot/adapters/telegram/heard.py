"""The languages that groups speak, for those who do not tell theirs."""

from collections import OrderedDict
from typing import Final

from telegram import Message

MOST_CHATS: Final = 10_000


class ChatLanguages:
    """Knows the language of whoever told theirs last in a chat.

    Who hides behind a chat tells none (source: Bot API, "User": `language_code` is that of the
    stand-in), and is best answered as the others there are. Forgotten with the process.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[int, str] = OrderedDict()

    def of(self, message: Message) -> str:
        """Return the IETF tag in which to answer a message, "" if nothing tells."""
        user, chat_id = message.from_user, message.chat.id
        if message.sender_chat is not None or user is None or not user.language_code:
            return self._last.get(chat_id, "")
        self._last[chat_id] = user.language_code
        self._last.move_to_end(chat_id)
        if len(self._last) > MOST_CHATS:
            self._last.popitem(last=False)
        return user.language_code
