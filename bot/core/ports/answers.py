"""The ledger of answers and status messages. Every method is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.core.jobs import Job


class AnswerState(StrEnum):
    """The state of an answer."""

    PENDING = "pending"
    """Must be sent."""
    SENDING = "sending"
    """The call is in progress, or was when the process died; then it is repeated once, and only
    once.
    """
    SENT = "sent"
    SHOWN = "shown"
    """Nothing is sent: the command that created the job shows the outcome itself."""
    LOST = "lost"
    """Cannot be delivered: the chat is gone, or the outcome of two calls is unknown."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A message that answers ended jobs. `tries` counts calls with an unknown outcome, `changes`
    how often an item has changed since the answer was sent.
    """

    id: int
    chat_id: int
    thread_id: int | None
    reply_to: int | None
    language: str
    state: AnswerState
    tries: int
    message_id: int | None
    job_ids: tuple[int, ...]
    changes: int = 0


class AnswerLedger(Protocol):
    """The answers and their jobs. A job belongs to at most one answer, and every ended job gets
    one.
    """

    async def unanswered(self, limit: int) -> list[Job]:
        """Return ended jobs that no answer includes yet, at most `limit` of each chat, the longest
        waiting first.
        """

    async def begin(
        self, jobs: Sequence[Job], placed_message_id: int | None, *, chat_id: int | None = None
    ) -> StoredAnswer:
        """Create the answer for jobs of one chat and topic, in state SENDING, before the call.

        With `placed_message_id` the status message itself becomes the answer by being edited; its
        row is closed. With `chat_id` the answer goes to that chat instead, and replies to nothing.
        """

    async def resumable(self) -> list[StoredAnswer]:
        """Return answers that are PENDING or SENDING, oldest first."""

    async def sending(self, answer_id: int) -> None:
        """Record that another call is about to be made."""

    async def sent(self, answer_id: int, message_id: int) -> None:
        """Record that the answer was sent."""

    async def unsent(self, answer_id: int, *, uncertain: bool) -> None:
        """Record that a call failed: PENDING again; after two `uncertain` calls LOST. Does nothing
        unless the answer is SENDING.
        """

    async def lost(self, answer_id: int) -> None:
        """Record that the answer cannot be delivered."""

    async def stale(self, limit: int) -> list[StoredAnswer]:
        """Return sent answers with items that changed after the last edit, at most `limit` of each
        chat.
        """

    async def refreshed(self, answer_id: int, changes: int) -> None:
        """Record that the answer shows the first `changes` changes; later ones leave it stale."""


@dataclass(frozen=True, slots=True)
class StoredStatusMessage:
    """A status message. `message_id` is `None` until it has been sent; `shared` ones show several
    jobs. `job_ids` are those without an answer; once there are none, the message can be closed.
    """

    id: int
    chat_id: int
    thread_id: int | None
    reply_to: int
    language: str
    shared: bool
    message_id: int | None
    job_ids: tuple[int, ...]
    album: str | None = None


class StatusMessageLedger(Protocol):
    """Status messages, so that after a restart the bot edits the same ones."""

    async def open(
        self, jobs: Sequence[Job], *, shared: bool, album: str | None = None
    ) -> StoredStatusMessage:
        """Create a status message for jobs of one chat and topic, or for those of an album."""

    async def join(self, status_message_id: int, job_ids: Sequence[int]) -> None:
        """Add further jobs to an open status message."""

    async def placed(self, status_message_id: int, message_id: int) -> None:
        """Record the message id of the status message."""

    async def open_status_messages(self) -> list[StoredStatusMessage]:
        """Return all status messages that have not been closed, oldest first."""

    async def close(self, status_message_id: int) -> None:
        """Delete the row of a status message that was removed or has become an answer."""
