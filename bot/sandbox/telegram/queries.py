"""Presses of buttons, and what the bot answered."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.chat_state import ChatState

LIFETIME: Final = timedelta(seconds=15)
"""How long an answer is taken; the real server's limit is not documented, 15 s are often told."""


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What the person sees after a press: a note, or with `show_alert` a window."""

    text: str = ""
    show_alert: bool = False
    url: str | None = None


@dataclass(eq=False)
class Query:
    """One press. `answer` is `None` until the bot answers."""

    chat: "ChatState"
    message: Message
    sender: User
    data: str
    at: datetime
    id: str = field(default_factory=lambda: str(secrets.randbelow(9 * 10**17) + 10**17))
    answer: QueryAnswer | None = None

    def json(self) -> dict[str, Any]:
        """Return a `CallbackQuery`."""
        return {
            "id": self.id,
            "from": self.sender.json(),
            "message": self.message.json(),
            "chat_instance": str(abs(hash(self.chat.id)) * 7919 + 4_000_000_000_000_000),
            "data": self.data,
        }
