"""Everything that a person can do, by what it is about."""

from dataclasses import dataclass
from typing import Self

from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access
from bot.inbound.admin import Admins
from bot.inbound.groups import Chats
from bot.inbound.languages import Languages
from bot.inbound.orders import Orders
from bot.inbound.pages import Turns
from bot.inbound.presses import Presses
from bot.inbound.queries import Queries
from bot.inbound.questions import Questions
from bot.inbound.replies import Replies
from bot.inbound.uploads import Files
from bot.inbound.zones import Zones
from bot.jobs.actions import Controls
from bot.jobs.allowances import Allowances
from bot.jobs.queue import JobQueue
from bot.jobs.runner import News
from bot.outbound.chat_migration import Moves
from bot.outbound.reactions import Reactions


@dataclass(frozen=True)
class Reception:
    """What handlers need of the service."""

    files: Files
    questions: Questions
    presses: Presses
    chats: Chats
    turns: Turns
    orders: Orders
    languages: Languages
    admins: Admins
    zones: Zones

    @classmethod
    def build(  # noqa: PLR0913 -- everything that any part of it needs, by keyword.
        cls,
        *,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        controls: Controls,
        moves: Moves,
        clock: Clock,
        news: News,
        limit: int,
        allowances: Allowances | None = None,
        reactions: Reactions | None = None,
        zone: str = "UTC",
    ) -> Self:
        """Build all parts. `limit` is the most bytes that a file may have; without `allowances`
        there are no others. `zone` names the time zone of chats that chose none.
        """
        replies = Replies(ledger, access, clock, news)
        questions = Questions(ledger.people, access, replies, clock)
        queries = Queries(replies)
        return cls(
            files=Files(
                ledger,
                queue,
                access,
                replies,
                clock,
                news,
                limit=limit,
                allowances=allowances or Allowances(),
                reactions=reactions or Reactions(ledger.outbox, clock, enabled=False),
            ),
            questions=questions,
            presses=Presses(ledger.jobs, access, controls, replies),
            chats=Chats(ledger.people, access, controls, replies, moves),
            turns=Turns(ledger.people, access, queries),
            orders=Orders(ledger.jobs, ledger.people, questions, controls, replies),
            admins=Admins(ledger, access, controls, replies),
            languages=Languages(ledger, access, questions, replies, queries),
            zones=Zones(ledger.people, replies, zone),
        )
