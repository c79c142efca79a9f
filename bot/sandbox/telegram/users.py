"""People and bots, as the server describes them."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class User:
    """A person or a bot. Two are the same when their ids are."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    is_bot: bool = False
    is_premium: bool = False

    @property
    def name(self) -> str:
        """Return the name that apps show."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name

    def json(self) -> dict[str, Any]:
        """Return a `User`; field order as in `Client.cpp`, `JsonUser`."""
        fields: dict[str, Any] = {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
            "language_code": self.language_code,
            "is_premium": self.is_premium or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


ANONYMOUS_ADMIN: Final = User(1087968824, "Group", username="GroupAnonymousBot", is_bot=True)
"""Stands in `from` for an administrator who hides (source: `Client.cpp`)."""

CHANNEL_BOT: Final = User(136817688, "Channel", username="Channel_Bot", is_bot=True)
"""Stands in `from` for somebody who writes as a channel (source: `Client.cpp`)."""

TELEGRAM: Final = User(777000, "Telegram")
"""Stands in `from` of posts forwarded from a linked channel (source: `Client.cpp`)."""
