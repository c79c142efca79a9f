"""The outbox: messages to send other than answers, and updates that could not be handled.

Every method is one transaction.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Protocol


class Priority(IntEnum):
    """The order in which messages are sent; lower goes first."""

    PRESS = 0
    REPLY = 1
    ANSWER = 2
    STATUS = 3
    REFRESH = 4


EDITS: Final = "edits"
"""Key in the payload of a message: the id of the message to edit instead of sending a new one."""


class OutboxKind(StrEnum):
    """The kind of an outbox row. Texts that can change are composed when the row is sent."""

    NOTICE = "notice"
    PRESS = "press"
    """The answer to a callback query; `payload["query_id"]`. Without a `name` it has no text."""
    OVERVIEW = "overview"
    """The jobs in progress and the live links; `payload` has `listing`, `subject` and `page`, see
    the view of that name.
    """
    WELCOME = "welcome"
    REACTION = "reaction"
    """A reaction without text: `payload["reaction"]` on the message `payload["to"]`."""
    STATISTICS = "statistics"
    """Statistics of the bot, for bot admins."""
    LANGUAGES = "languages"
    """The languages that the owner can choose from."""
    REQUEST = "request"
    """A deferred request: the chat service must be asked first; `payload["do"]` names its kind."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A row of the outbox. `dedupe` keeps a redelivered update from posting a message twice."""

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
    """Messages to send other than answers."""

    async def post(self, message: OutboxMessage, now: datetime) -> bool:
        """Store a message; return false if `dedupe` is stored already."""

    async def pending(self, limit: int) -> list[OutboxMessage]:
        """Return the messages to send, by priority, then age, at most `limit` of each chat."""

    async def delivered(self, row_id: int) -> None:
        """Record that the message was sent (or never will be)."""

    async def begin_attempt(self, row_id: int) -> int:
        """Record a call before it is made; return the number of calls so far, this one
        included.
        """


class DeadUpdates(Protocol):
    """Updates that cannot be handled. They are stored, so that one defect does not stop intake."""

    async def add(self, update_id: int, body: str, error: str, now: datetime) -> None:
        """Store an update with the last error."""
