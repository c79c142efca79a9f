"""The whole ledger, and its part about chats and owners. Every method is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from bot.core.ports.answers import AnswerLedger, StatusMessageLedger
from bot.core.ports.jobs import JobLedger, ObjectLedger, TotalsLedger
from bot.core.ports.outbox import DeadUpdates, Outbox
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
