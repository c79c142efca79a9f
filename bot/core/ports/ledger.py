"""The ledger: the truth about jobs, deadlines, and what must still be said.

Every method is one transaction, committed when it returns. State changes name the state and the
attempt (the fence) that they expect; a method that returns `bool` says whether the row was still
as expected, and changes nothing else where it was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Protocol

from bot.core.files import IncomingFile
from bot.core.jobs import Job, Origin
from bot.core.objects import StoredObject
from bot.core.ports.chats import ChatLedger


class JobLedger(Protocol):
    """Jobs, from acceptance to their final state."""

    async def accept(self, origin: Origin, file: IncomingFile, now: datetime) -> Job | None:
        """Store a new job, or return `None` if this file of this message is known already."""

    async def knows(self, origin: Origin, file: IncomingFile) -> bool:
        """Return whether this file of this message has been accepted."""

    async def speak(self, owner_id: int, language: str) -> None:
        """Let what has not been answered yet of an owner be answered in this language, and the
        status messages in their private chat go on in it.
        """

    async def get(self, job_id: int) -> Job | None:
        """Return a job, or `None` if there is none."""

    async def get_many(self, job_ids: Sequence[int]) -> list[Job]:
        """Return the jobs of these ids that exist, in the order of their ids."""

    async def request_cancel(self, job_id: int) -> None:
        """Store that the user wants the job to end, so that a restart does not forget it."""

    async def recover(self, now: datetime) -> list[Job]:
        """Put jobs that a dead process left running back into the queue, cancel those whose user
        asked for it; return all unfinished ones, oldest first.

        Only for the process that holds the lock of the ledger.
        """

    async def acquire(self, job_id: int, now: datetime) -> Job | None:
        """Take a queued job that is due: it is running, its attempt is one higher. `None` if it is
        not to be had.
        """

    async def give_back(self, job: Job) -> bool:
        """Put a running job back as it was: the process stops, no failure is counted."""

    async def retry_later(self, job: Job, run_at: datetime, code: str) -> bool:
        """Put a running job back for another attempt at `run_at`, and count the failure."""

    async def finish(
        self, job: Job, stored: StoredObject, result: "Finished", now: datetime
    ) -> bool:
        """Make a running job done and its object live, due at `result.expires_at`."""

    async def fail(self, job: Job, code: str, args: dict[str, int], now: datetime) -> bool:
        """Give a running job up with a code and the variables of its sentence."""

    async def cancel(self, job: Job, now: datetime) -> bool:
        """Make a job cancelled that is in the state and attempt in which `job` was read."""

    async def open_albums(self, quiet_since: datetime) -> set[tuple[int, str]]:
        """Return chat and album of those albums that may still grow (a file came after
        `quiet_since`) or of which a job has not ended.
        """

    async def unfinished(self) -> list[Job]:
        """Return all unfinished jobs, oldest first."""

    async def unfinished_of(self, owner_id: int) -> list[Job]:
        """Return the unfinished jobs of an owner, oldest first."""

    async def unfinished_in(self, chat_ids: Sequence[int]) -> list[Job]:
        """Return the unfinished jobs that came from these chats, oldest first."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a relay achieved: size in bytes, SHA-256 in hex, and the end of the link."""

    size: int
    sha256: str
    expires_at: datetime


class ObjectLedger(Protocol):
    """Objects and their due dates."""

    async def plan(self, job: Job, key: str, due_at: datetime) -> StoredObject:
        """Store the intention to create `key`, before any request that names it."""

    async def initiated(self, object_id: int, upload_id: str, part_size: int) -> None:
        """Store the upload id and the part size, before the first part is sent."""

    async def planned_for(self, job_id: int) -> StoredObject | None:
        """Return the newest planned object of a job, to go on with it."""

    async def of_jobs(self, job_ids: Sequence[int]) -> dict[int, StoredObject]:
        """Return the newest object of each of these jobs."""

    async def live_of(self, owner_id: int) -> list[tuple[Job, StoredObject]]:
        """Return the live objects of an owner with their jobs, the newest first."""

    async def live_in(self, chat_ids: Sequence[int]) -> list[tuple[Job, StoredObject]]:
        """Return the live objects that came from these chats with their jobs, the newest first."""

    async def same_file(self, job: Job, live_until: datetime) -> tuple[Job, StoredObject] | None:
        """Return the newest done job of the same bot and owner with the same `file_unique_id`
        whose object lives at least until then, with that object.
        """

    async def revoke(self, job_id: int, now: datetime) -> bool:
        """Make the live object of a job due now, because its owner said so."""

    async def abandon(self, object_id: int, now: datetime) -> None:
        """Make a planned object due now: what exists of it must go."""

    async def due(self, now: datetime, limit: int) -> list[StoredObject]:
        """Return objects that must go now, links before leftovers, the longest overdue first; none
        that a running job still works on.
        """

    async def live(self) -> list[StoredObject]:
        """Return all live objects."""

    async def of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows, gone ones included."""

    async def of_unfinished_jobs(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that a queued or running job goes on with."""

    async def overdue(self, now: datetime) -> list[StoredObject]:
        """Return live objects that should be gone, postponed ones included."""

    async def next_due_at(self) -> datetime | None:
        """Return when the next object falls due."""

    async def gone(self, object_ids: Sequence[int], now: datetime) -> None:
        """Store that objects and uploads are gone; answers that showed them become stale."""

    async def swept(self, object_ids: Sequence[int], again_at: datetime) -> None:
        """Store that these planned objects were removed once, and that they must be again: a
        request that was under way may have been applied after the removal.
        """

    async def postpone(self, object_ids: Sequence[int], until: datetime) -> None:
        """Do not return these from `due` before `until`: OSS could not be reached."""

    async def owners_of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows and that are not gone."""


class AnswerState(StrEnum):
    """Where an answer stands."""

    PENDING = "pending"
    """Must be sent."""
    SENDING = "sending"
    """The call is under way, or was when the process died: it is sent once more, and only once."""
    SENT = "sent"
    SHOWN = "shown"
    """Nothing is sent: the command that made the job shows its outcome itself."""
    LOST = "lost"
    """Cannot be placed: the chat is gone, or nobody knows after two tries."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A message that concludes jobs. `tries` counts calls whose outcome is unknown, `changes` how
    often an item has changed since the answer was placed.
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
    """Which message concludes which jobs. A job belongs to at most one answer, and every ended job
    gets one.
    """

    async def unanswered(self, limit: int) -> list[Job]:
        """Return ended jobs that no answer includes yet, at most `limit` of each chat, the longest
        waiting first.
        """

    async def begin(
        self, jobs: Sequence[Job], placed_message_id: int | None, *, chat_id: int | None = None
    ) -> StoredAnswer:
        """Create the answer for jobs of one chat and topic, state SENDING: the intention before
        the call.

        With `placed_message_id` the status message itself becomes the answer by being edited; its
        card is closed. With `chat_id` the answer goes to that chat instead, and replies to
        nothing.
        """

    async def resumable(self) -> list[StoredAnswer]:
        """Return answers that are PENDING or SENDING, oldest first."""

    async def sending(self, answer_id: int) -> None:
        """Store the intention before another call."""

    async def sent(self, answer_id: int, message_id: int) -> None:
        """Store that the answer is placed."""

    async def unsent(self, answer_id: int, *, uncertain: bool) -> None:
        """Store that a call failed: PENDING again; after two `uncertain` ones LOST. Nothing
        changes unless it is SENDING.
        """

    async def lost(self, answer_id: int) -> None:
        """Store that the answer cannot be placed."""

    async def stale(self, limit: int) -> list[StoredAnswer]:
        """Return sent answers whose items have changed since they were shown, at most `limit` of
        each chat.
        """

    async def refreshed(self, answer_id: int, changes: int) -> None:
        """Store that the answer shows the first `changes` changes; later ones leave it stale."""


class Priority(IntEnum):
    """The order in which things are said; lower goes first."""

    PRESS = 0
    REPLY = 1
    ANSWER = 2
    STATUS = 3
    REFRESH = 4


EDITS: Final = "edits"
"""In the payload of a saying: the message that is changed instead of a new one being sent."""


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
        """Store a saying; false if `dedupe` is known already."""

    async def pending(self, limit: int) -> list[OutboxMessage]:
        """Return what must still be said, by priority, then age, at most `limit` of each chat."""

    async def delivered(self, row_id: int) -> None:
        """Store that it has been said (or never will be)."""

    async def begin_attempt(self, row_id: int) -> int:
        """Store the intention before a call; return how many calls there have been, this one
        included.
        """


@dataclass(frozen=True, slots=True)
class StoredStatusMessage:
    """A status message. `message_id` is `None` until it has been placed; `shared` ones show
    several jobs. `job_ids` are those without an answer: when none is left, its work is done.
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
    """Status messages, so that a restart goes on in the same one."""

    async def open(
        self, jobs: Sequence[Job], *, shared: bool, album: str | None = None
    ) -> StoredStatusMessage:
        """Create a card for jobs of one chat and topic, or for those of an album."""

    async def join(self, status_message_id: int, job_ids: Sequence[int]) -> None:
        """Let an open card show further jobs."""

    async def placed(self, status_message_id: int, message_id: int) -> None:
        """Store where the card is."""

    async def open_status_messages(self) -> list[StoredStatusMessage]:
        """Return all cards that have not been closed, oldest first."""

    async def close(self, status_message_id: int) -> None:
        """Forget the card: its message is gone or has become an answer."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Jobs that failed with one code: how many, and when the last of them did."""

    code: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the jobs that ended in some time: how many are done and their bytes, how many
    were cancelled, and the failures by code, the latest first.
    """

    done: int = 0
    bytes: int = 0
    cancelled: int = 0
    failures: tuple[Failures, ...] = ()


class TotalsLedger(Protocol):
    """What has become of jobs."""

    async def since(self, moment: datetime) -> Totals:
        """Sum up the jobs that ended after `moment`."""


class DeadUpdates(Protocol):
    """Updates that cannot be handled, kept so that one defect does not stop intake for ever."""

    async def add(self, update_id: int, body: str, error: str, now: datetime) -> None:
        """Store an update with the last error."""


class Ledger(Protocol):
    """The whole ledger."""

    @property
    def jobs(self) -> JobLedger:
        """Jobs, from acceptance to their final state."""

    @property
    def objects(self) -> ObjectLedger:
        """Objects and their due dates."""

    @property
    def answers(self) -> AnswerLedger:
        """Which message concludes which jobs."""

    @property
    def status_messages(self) -> StatusMessageLedger:
        """Status messages."""

    @property
    def outbox(self) -> Outbox:
        """What must be said beside answers."""

    @property
    def dead_updates(self) -> DeadUpdates:
        """Updates that cannot be handled."""

    @property
    def totals(self) -> TotalsLedger:
        """What has become of jobs."""

    @property
    def chats(self) -> ChatLedger:
        """Rules of chats and owners, and what they have used."""
