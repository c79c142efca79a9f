"""The chat service: messages, and groups and their members. The views that are sent are in
`views`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.core.ports.views import (
    Answer,
    Notice,
    View,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to say something: chat, forum topic (or `None`), and the message to reply to (or
    `None`).
    """

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None


class Reaction(StrEnum):
    """What the bot shows on the message that brought a file. Stored in the ledger: never
    rename.
    """

    ACCEPTED = "accepted"
    DONE = "done"
    NONE = "none"
    """Nothing came of it; the answer says why."""


class Messenger(Protocol):
    """Places, changes and removes messages. One call is one attempt; each is worded in `language`.

    Raises `ChatFlooded`, `ChatUnavailable`, `ChatUncertain`, `ChatMoved`, `ChatGone`,
    `MessageRefused`.
    """

    async def send(
        self,
        place: Place,
        view: View,
        *,
        language: str,
        silent: bool = False,
        plain: bool = False,
    ) -> int:
        """Place a message and return its id. A reply to a message that is gone is placed too.

        A `plain` one has neither formatting nor buttons; links stand in its text.
        """

    async def edit(
        self, chat_id: int, message_id: int, view: View, *, language: str, plain: bool = False
    ) -> None:
        """Change a message; unchanged text is no error. Raises `MessageGone`."""

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Remove a message; a message that is gone is no error."""

    async def answer_press(self, query_id: str, notice: Notice | None, *, language: str) -> None:
        """Answer the press of a button, without a word where there is no `notice`; a query that is
        too old is no error.
        """

    async def react(self, chat_id: int, message_id: int, reaction: Reaction) -> None:
        """Show a reaction of the bot on a message, in place of the one before. Raises
        `MessageRefused` where the chat does not allow it.
        """

    async def probe(self) -> None:
        """Ask the service for something that changes nothing; return when it has answered."""

    def fit(
        self, answer: Answer, *, language: str, together: bool = False, plain: bool = False
    ) -> int:
        """Return how many leading items (at least 1) one message can hold. Items that belong
        `together`, as those of an album, are worded shorter where that makes room for all.
        """


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
