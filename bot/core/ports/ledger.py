"""The whole ledger, and its parts about chats and owners and about the outbox: messages to send
other than answers, and updates that could not be handled. Every method is one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, IntEnum, StrEnum, auto
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from bot.core.ports.answers import AnswerLedger, StatusMessageLedger
from bot.core.ports.jobs import JobLedger, ObjectLedger, TotalsLedger
from bot.core.ports.pages import PageLedger


@dataclass(frozen=True, slots=True)
class LedgerServer:
    """A database on a PostgreSQL server. `url` may hold a password; the text of this does not."""

    url: str = field(repr=False)

    @property
    def password(self) -> str:
        """The password in the URL; empty if it has none."""
        parts = urlsplit(self.url)
        return unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]

    def __str__(self) -> str:
        """Name the database and its host, for messages."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "on a server"
        hosts = [parts.netloc.rpartition("@")[2], *parse_qs(parts.query).get("host", [])]
        return f"{unquote(parts.path).strip('/')} at {','.join(filter(None, hosts))}"


LedgerPlace: TypeAlias = Path | LedgerServer
"""Where a ledger is: a file, or a database on a server."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that was accepted: the time, and its size in bytes as announced (the real size once
    it is known).
    """

    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class ChatRules:
    """Rules of a chat. `auto` relays every document that the bot receives there; `privately`
    delivers answers to the requester in private; `moved_to` is the supergroup that this group has
    become; `allowed` is the decision of a bot admin, `None` without one; `zone` names the time
    zone of shown times (`clock.read_zone`), "" for the one of the settings.
    """

    chat_id: int
    auto: bool = False
    privately: bool = False
    moved_to: int | None = None
    allowed: bool | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """Rules of an owner: a chosen `language` ("" = as Telegram reports), `banned`, and whether a
    bot admin `allowed` them beside the settings.
    """

    owner_id: int
    language: str = ""
    banned: bool = False
    allowed: bool = False


class ChatLedger(Protocol):
    """Rules of chats and owners; every method is one transaction."""

    async def chat(self, chat_id: int) -> ChatRules:
        """Return the rules of a chat; the defaults if none are stored."""

    async def set_chat(
        self,
        chat_id: int,
        *,
        auto: bool | None = None,
        privately: bool | None = None,
        allowed: bool | None = None,
        zone: str | None = None,
    ) -> None:
        """Change the given rules and keep the others."""

    async def migrate(self, chat_id: int, moved_to: int) -> None:
        """Record that a group became a supergroup, which takes over its rules."""

    async def migrations(self) -> dict[int, int]:
        """Return every group that became a supergroup, with the new id."""

    async def previous_ids(self, chat_id: int) -> list[int]:
        """Return all ids that a chat has had, the present one first."""

    async def owner(self, owner_id: int) -> OwnerRules:
        """Return the rules of an owner; the defaults if none are stored."""

    async def set_owner(
        self,
        owner_id: int,
        *,
        language: str | None = None,
        banned: bool | None = None,
        allowed: bool | None = None,
    ) -> None:
        """Change the given rules and keep the others."""

    async def accepted_by(self, owner_id: int, since: datetime) -> list[Accepted]:
        """Return the files of an owner accepted after `since`, the oldest first, without those of
        failed jobs.
        """

    async def accepted_in(self, chat_ids: Sequence[int], since: datetime) -> list[Accepted]:
        """Return the files from these chats accepted after `since`, as `accepted_by` does."""


class Priority(IntEnum):
    """The order in which messages are sent; lower goes first."""

    PRESS = 0
    REPLY = 1
    ANSWER = 2
    STATUS = 3
    REFRESH = 4
    STRANGER = 5
    """What people without rights are told; with a small budget of its own."""


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
    PAGE = "page"
    """Something of a page: `payload` has a `job` of it and `show`, which is "password" (with the
    `seed` that it is made from), "qr", or "report" (a visitor has reported it).
    """
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
    error_code: str | None = None
    """Of the last call, if it failed; `None` also where the process died in it."""


class Work(Flag):
    """Kinds of work of the senders."""

    MESSAGES = auto()
    """A row of the outbox other than a request."""
    REQUESTS = auto()
    ANSWERS = auto()
    """An ended job without an answer, or an answer to send or to correct."""
    STATUS_MESSAGES = auto()
    """An unfinished job of a chat, or an open status message."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What there is to do for the senders: the messages to send, by priority, then age, and
    whether there are answers and status messages to look at.
    """

    messages: Sequence[OutboxMessage]
    has_answers: bool
    has_status_messages: bool


class Outbox(Protocol):
    """Messages to send other than answers."""

    async def post(self, message: OutboxMessage, now: datetime) -> bool:
        """Store a message; return false if `dedupe` is stored already."""

    async def pending_work(self, limit: int) -> PendingWork:
        """Return what there is to do, read at one moment; at most `limit` messages of a chat."""

    async def delivered(self, row_id: int) -> None:
        """Record that the message was sent (or never will be)."""

    async def begin_attempt(self, row_id: int) -> int:
        """Store the intention before a call, and forget the last error; return how many calls
        there have been, this one included.
        """

    async def failed(self, row_id: int, code: str) -> None:
        """Store why a call failed that may be repeated."""

    async def set_aside(self, row_id: int, code: str) -> None:
        """Give a message up; it is kept with the code, where operators see it."""


@dataclass(frozen=True, slots=True)
class FailingUpdate:
    """An update whose handling has failed and is tried again; `body` is its JSON."""

    update_id: int
    body: str
    attempts: int


class DeadUpdates(Protocol):
    """Updates that could not be handled: those that are tried again, and those set aside, so that
    one defect does not stop intake for ever.
    """

    async def add(
        self, update_id: int, body: str, error: str, now: datetime, chat_id: int | None = None
    ) -> None:
        """Set an update aside with the last error; `body` has no text of a message. One that has
        been set aside already is left as it is.
        """

    async def begin(self, update_id: int, body: str, now: datetime, again_at: datetime) -> bool:
        """Count the first try of an update before it is made; at `again_at` another one is due,
        unless it has been handled. Return false, and change nothing, if it has been tried before
        and is to be tried again.
        """

    async def failing(
        self, update_id: int, body: str, error: str, now: datetime, again_at: datetime
    ) -> None:
        """Store that handling has failed once, and that it is tried again at `again_at`. An update
        of which that is stored already is left as it is.
        """

    async def due(self, now: datetime, limit: int) -> list[FailingUpdate]:
        """Return failing updates that are due, the longest due first."""

    async def next_due_at(self) -> datetime | None:
        """Return when the next failing update is due."""

    async def begin_attempt(self, update_id: int, again_at: datetime) -> None:
        """Count a try before it is made; the next is at `again_at` if this one fails."""

    async def handled(self, update_id: int) -> None:
        """Remove a failing update that has been handled."""

    async def prune(self, before: datetime) -> None:
        """Remove what was set aside before that moment."""


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
        """Answers and their jobs."""

    @property
    def pages(self) -> PageLedger:
        """Pages behind links."""

    @property
    def status_messages(self) -> StatusMessageLedger:
        """Status messages."""

    @property
    def outbox(self) -> Outbox:
        """Messages to send other than answers."""

    @property
    def dead_updates(self) -> DeadUpdates:
        """Updates that cannot be handled."""

    @property
    def totals(self) -> TotalsLedger:
        """Totals of ended jobs."""

    @property
    def chats(self) -> ChatLedger:
        """Rules of chats and owners, and their usage."""
