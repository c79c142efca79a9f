"""What the ledger remembers about chats and the people in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that was accepted: when, and its bytes as announced (the real size once it is
    known).
    """

    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class ChatRules:
    """How the bot behaves in a chat. `auto` relays every document it sees; `privately` delivers
    answers to the person who asked; `moved_to` is the supergroup that this group has become;
    `allowed` is what a bot admin said, `None` where none did; `zone` names the zone in
    which moments are told (`clock.read_zone`), "" for that of the settings.
    """

    chat_id: int
    auto: bool = False
    privately: bool = False
    moved_to: int | None = None
    allowed: bool | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """What is known of an owner: a chosen `language` ("" = as Telegram says), `banned`, and
    whether a bot admin `allowed` them beside the settings.
    """

    owner_id: int
    language: str = ""
    banned: bool = False
    allowed: bool = False


class ChatLedger(Protocol):
    """Rules of chats and owners; every method is one transaction."""

    async def chat(self, chat_id: int) -> ChatRules:
        """Return the rules of a chat; the defaults if nothing was ever said."""

    async def set_chat(
        self,
        chat_id: int,
        *,
        auto: bool | None = None,
        privately: bool | None = None,
        allowed: bool | None = None,
        zone: str | None = None,
    ) -> None:
        """Change what is given and leave the rest."""

    async def migrate(self, chat_id: int, moved_to: int) -> None:
        """Store that a group became a supergroup; its rules go along."""

    async def migrations(self) -> dict[int, int]:
        """Return where every group that moved has gone."""

    async def previous_ids(self, chat_id: int) -> list[int]:
        """Return the ids under which a chat was known, the present one first."""

    async def owner(self, owner_id: int) -> OwnerRules:
        """Return what is known of an owner; the defaults if nothing is."""

    async def set_owner(
        self,
        owner_id: int,
        *,
        language: str | None = None,
        banned: bool | None = None,
        allowed: bool | None = None,
    ) -> None:
        """Change what is given and leave the rest."""

    async def accepted_by(self, owner_id: int, since: datetime) -> list[Accepted]:
        """Return what was accepted of an owner after `since`, the oldest first; not what failed,
        which is no fault of theirs.
        """

    async def accepted_in(self, chat_ids: Sequence[int], since: datetime) -> list[Accepted]:
        """Return what was accepted in these chats after `since`, as `accepted_by` does."""
