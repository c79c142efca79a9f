"""Everything that a person can do, by what it is about."""

from dataclasses import dataclass
from typing import Self

from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access
from bot.inbound.admin import AdminCommands
from bot.inbound.buttons import ButtonReplies, JobButtons, Pagination
from bot.inbound.commands import CancelCommand, LanguageCommands, UserCommands, ZoneCommand
from bot.inbound.groups import GroupCommands
from bot.inbound.replies import Replies
from bot.inbound.uploads import Uploads
from bot.jobs.actions import JobActions
from bot.jobs.limits import OwnerLimits
from bot.jobs.queue import JobQueue
from bot.jobs.runner import Signals
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.outbox import Reactions


@dataclass(frozen=True)
class UseCases:
    """What handlers need of the service."""

    files: Uploads
    questions: UserCommands
    presses: JobButtons
    chats: GroupCommands
    turns: Pagination
    orders: CancelCommand
    languages: LanguageCommands
    admins: AdminCommands
    zones: ZoneCommand

    @classmethod
    def build(  # noqa: PLR0913 -- everything that any part of it needs, by keyword.
        cls,
        *,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        controls: JobActions,
        moves: ChatMigrations,
        clock: Clock,
        news: Signals,
        limit: int,
        allowances: OwnerLimits | None = None,
        reactions: Reactions | None = None,
        zone: str = "UTC",
    ) -> Self:
        """Build all parts. `limit` is the most bytes that a file may have; without `allowances`
        there are no others. `zone` names the time zone of chats that chose none.
        """
        replies = Replies(ledger, access, clock, news)
        questions = UserCommands(ledger.people, access, replies, clock)
        queries = ButtonReplies(replies)
        return cls(
            files=Uploads(
                ledger,
                queue,
                access,
                replies,
                clock,
                news,
                limit=limit,
                allowances=allowances or OwnerLimits(),
                reactions=reactions or Reactions(ledger.outbox, clock, enabled=False),
            ),
            questions=questions,
            presses=JobButtons(ledger.jobs, access, controls, replies),
            chats=GroupCommands(ledger.people, access, controls, replies, moves),
            turns=Pagination(ledger.people, access, queries),
            orders=CancelCommand(ledger.jobs, ledger.people, questions, controls, replies),
            admins=AdminCommands(ledger, access, controls, replies),
            languages=LanguageCommands(ledger, access, questions, replies, queries),
            zones=ZoneCommand(ledger.people, replies, zone),
        )
