"""Who is what in a group, as the chat service says."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class GroupVisibility:
    """What the bot sees of a group: `is_here` whether it is in it, `sees_files` whether messages
    that are not addressed to it reach it.
    """

    is_here: bool
    sees_files: bool = False


class Members(Protocol):
    """Asks about groups, and leaves them. One call is one attempt.

    Raises `ChatFlooded`, `ChatUnavailable`, `ChatUncertain`, `ChatMoved`, `ChatGone`,
    `MessageRefused` (there is no such person).
    """

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a person looks after a group."""

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return what the bot sees of a group. One that it is not in is no error."""

    async def leave(self, chat_id: int) -> None:
        """Leave a group; one that it is not in is no error."""
