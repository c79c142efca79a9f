"""The outbox: what must be sent beside answers, and updates that could not be handled.

Every method is one transaction.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Protocol


class Priority(IntEnum):
    """The order in which things are said; lower goes first."""

    PRESS = 0
    REPLY = 1
    ANSWER = 2
    STATUS = 3
    REFRESH = 4
    STRANGER = 5
    """What people without rights are told; with a small budget of its own."""


EDITS: Final = "edits"
"""In the payload of a message: the one that is changed instead of a new one being sent."""


class OutboxKind(StrEnum):
    """What a row of the outbox says; everything that can change is worded when it is sent, not
    before.
    """

    NOTICE = "notice"
    PRESS = "press"
    """The answer to a button; `payload["query_id"]`. Without a `name` it is one without a word."""
    OVERVIEW = "overview"
    """What is under way and alive; `payload` has `listing`, `subject` and `page`, see the view of
    that name.
    """
    WELCOME = "welcome"
    REACTION = "reaction"
    """Nothing in words: `payload["reaction"]` on the message `payload["to"]`."""
    STATISTICS = "statistics"
    """How the bot does, for those who look after it."""
    LANGUAGES = "languages"
    """Which languages the owner can choose from."""
    REQUEST = "request"
    """Nothing to say yet: the chat service must be asked first; `payload["do"]` names what for."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A row of the outbox. `dedupe` makes a redelivered update say nothing twice."""

    kind: OutboxKind
    priority: Priority
    chat_id: int
    language: str
    dedupe: str
    thread_id: int | None = None
    reply_to: int | None = None
    owner_id: int | None = None
    payload: dict[str, str | int] = field(default_factory=dict)
    id: int = 0
    created_at: datetime | None = None
    tries: int = 0


class Outbox(Protocol):
    """What must be said beside answers."""

    async def post(self, message: OutboxMessage, now: datetime) -> bool:
        """Store a message; false if `dedupe` is known already."""

    async def pending(self, limit: int) -> list[OutboxMessage]:
        """Return what must still be said, by priority, then age, at most `limit` of each chat."""

    async def delivered(self, row_id: int) -> None:
        """Store that it has been said (or never will be)."""

    async def begin_attempt(self, row_id: int) -> int:
        """Store the intention before a call; return how many calls there have been, this one
        included.
        """


class DeadUpdates(Protocol):
    """Updates that cannot be handled, kept so that one defect does not stop intake for ever."""

    async def add(self, update_id: int, body: str, error: str, now: datetime) -> None:
        """Store an update with the last error."""
