"""The ledger of answers and status messages. Every method is one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from bot.core.jobs import Job, StoredObject


class AnswerState(StrEnum):
    """The state of an answer."""

    PENDING = "pending"
    """Must be sent."""
    SENDING = "sending"
    """The call is under way, or was when the process died."""
    SENT = "sent"
    SHOWN = "shown"
    """Nothing is sent: the command that created the job shows the outcome itself."""
    LOST = "lost"
    """Cannot be placed in any form; its row keeps the last error."""


class AnswerForm(StrEnum):
    """How an answer is worded, and where it goes. Each refusal leads to the next form."""

    FULL = "full"
    PLAIN = "plain"
    """Without formatting, buttons and reply."""
    PRIVATE = "private"
    """In full, but to the owner of its jobs instead of the group."""
    PRIVATE_PLAIN = "private-plain"

    @property
    def plainer(self) -> "AnswerForm":
        """The same place, without formatting and buttons."""
        if self in {AnswerForm.PRIVATE, AnswerForm.PRIVATE_PLAIN}:
            return AnswerForm.PRIVATE_PLAIN
        return AnswerForm.PLAIN


PLAIN_FORMS: Final = frozenset({AnswerForm.PLAIN, AnswerForm.PRIVATE_PLAIN})
"""Those without formatting and buttons."""


@dataclass(frozen=True, slots=True)
class AnswerContent:
    """The jobs of an answer, in the order of their messages, and their newest objects by job."""

    jobs: Sequence[Job]
    objects: Mapping[int, StoredObject]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A message that concludes jobs. `tries` counts calls whose outcome is unknown, `changes` how
    often an item has changed since the answer was placed. `attempts` counts the calls that were
    begun since the last one whose outcome was stored, so more than one means crashes or defects.
    `content` is that of the transaction in which a call was begun; other reads leave it out.
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
    attempts: int = 1
    form: AnswerForm = AnswerForm.FULL
    content: AnswerContent | None = field(default=None, compare=False, repr=False)


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

    async def sending(self, answer_id: int) -> AnswerContent:
        """Store the intention before another call, and count it."""

    async def sent(self, answer_id: int, message_id: int, chat_id: int | None = None) -> None:
        """Record that the answer was sent, to another chat than planned if that is given: message
        ids belong to their chat.
        """

    async def unsent(self, answer_id: int, *, uncertain: bool) -> None:
        """Store that a call failed: PENDING again, and no attempt is open. Counts an `uncertain`
        one, unless it was an edit, which may be repeated at will. Nothing changes unless it is
        SENDING.
        """

    async def cut_off(self, answer_id: int, *, called: bool = True) -> None:
        """Store that an attempt was cut off: PENDING again, but the attempt stays counted. The
        outcome is unknown, as `unsent` says, unless the call had not been `called`.
        """

    async def lost(self, answer_id: int, code: str) -> None:
        """Store that the answer cannot be placed, with the code of the last error."""

    async def reword(self, answer_id: int, form: AnswerForm) -> None:
        """Change the form of an answer; one that is SENDING is PENDING again."""

    async def anew(self, answer_id: int) -> None:
        """Forget the message that was to become the answer: a new one is sent."""

    async def release(self, answer_id: int, job_ids: Sequence[int]) -> None:
        """Take jobs out of an answer that has no room for them; they are unanswered again."""

    async def redirect(self, answer_id: int, code: str) -> None:
        """Turn an answer that a group refuses into private ones, state PENDING, one for each owner
        of its jobs. Jobs that belong to no person keep the answer, LOST with this code.
        """

    async def apart(self, answer_id: int) -> None:
        """Give each job of an answer one of its own in the same state, with the same counts."""

    async def stale(self, limit: int) -> list[StoredAnswer]:
        """Return sent answers with items that changed after the last edit, at most `limit` of each
        chat.
        """

    async def correcting(self, answer_id: int) -> None:
        """Count a correction as an attempt, before the call."""

    async def settle(self, answer_id: int) -> None:
        """Forget the attempts that were counted: the outcome of the last one is known."""

    async def refreshed(self, answer_id: int, changes: int, *, code: str | None = None) -> None:
        """Record that the answer shows the first `changes` changes, or is not corrected any more
        because of `code`; later changes leave it stale.
        """


@dataclass(frozen=True, slots=True)
class StoredStatusMessage:
    """A status message. `message_id` is `None` until it has been placed; `shared` ones show
    several jobs. `job_ids` are those without an answer: when none is left, its work is done.
    `attempts` counts calls that were begun since one returned.
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
    attempts: int = 0


class StatusMessageLedger(Protocol):
    """Status messages, so that after a restart the bot edits the same ones."""

    async def open(
        self, jobs: Sequence[Job], *, shared: bool, album: str | None = None
    ) -> StoredStatusMessage:
        """Create a status message for jobs of one chat and topic, or for those of an album."""

    async def join(self, status_message_id: int, job_ids: Sequence[int]) -> None:
        """Add further jobs to an open status message."""

    async def placed(
        self, status_message_id: int, message_id: int, chat_id: int | None = None
    ) -> None:
        """Record the message id of the status message, and its chat if that is another one than
        planned.
        """

    async def open_status_messages(self) -> list[StoredStatusMessage]:
        """Return all status messages that have not been closed, oldest first."""

    async def close(self, status_message_id: int) -> None:
        """Delete the row of a status message that was removed or has become an answer."""

    async def begin_attempt(self, status_message_id: int) -> None:
        """Count a call before it is made."""

    async def settle(self, status_message_id: int) -> None:
        """Forget the calls that were counted: one has returned."""

    async def set_aside(self, status_message_id: int, code: str) -> None:
        """Give it up; it is kept with the code, where operators see it."""

    async def knows(self, chat_id: int, message_id: int) -> bool:
        """Return whether a message is, or was, the place of a status message."""
