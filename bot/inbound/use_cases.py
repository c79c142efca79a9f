"""All use cases, grouped by subject."""

from dataclasses import dataclass
from typing import Self

from bot.core.limits import OwnerLimits
from bot.core.ports import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access, Replies
from bot.inbound.actions import ButtonReplies, JobActions, JobButtons, Pagination
from bot.inbound.admin import AdminCommands, GroupCommands
from bot.inbound.commands import CancelCommand, LanguageCommands, UserCommands, ZoneCommand
from bot.inbound.page_options import PageActions, PageButtons, PageParts
from bot.inbound.uploads import Uploads
from bot.jobs.queue import JobQueue
from bot.jobs.runner import JobLifecycle
from bot.outbound.answer_delivery import Reactions
from bot.outbound.chat_migration import ChatMigrations


@dataclass(frozen=True)
class UseCases:
    """The use cases that handlers call."""

    replies: Replies
    uploads: Uploads
    user_commands: UserCommands
    job_buttons: JobButtons
    groups: GroupCommands
    pages: Pagination
    cancel_command: CancelCommand
    languages: LanguageCommands
    admin_commands: AdminCommands
    zone_command: ZoneCommand
    page_buttons: PageButtons | None = None

    @classmethod
    def build(  # noqa: PLR0913 -- everything that any part of it needs, by keyword.
        cls,
        *,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        actions: JobActions,
        migrations: ChatMigrations,
        clock: Clock,
        lifecycle: JobLifecycle,
        limit: int,
        limits: OwnerLimits | None = None,
        reactions: Reactions | None = None,
        zone: str = "UTC",
        pages: PageParts | None = None,
        counts_downloads: bool = False,
    ) -> Self:
        """Build all parts. `limit` is the most bytes of a file; without `limits` there are no
        others. `zone` names the time zone of chats that chose none. `pages` are there where links
        can lead to pages, and new ones do where it `counts_downloads`.
        """
        replies = Replies(ledger, access, clock, lifecycle.signals)
        user_commands = UserCommands(ledger.chats, access, replies, clock)
        button_replies = ButtonReplies(replies)
        uploads = Uploads(
            ledger,
            queue,
            access,
            replies,
            clock,
            lifecycle,
            limit=limit,
            limits=limits or OwnerLimits(),
            reactions=reactions or Reactions(ledger.outbox, clock, enabled=False),
            zone=zone,
            counts_downloads=counts_downloads,
        )
        page_buttons = None
        if pages is not None:
            page_actions = PageActions(ledger, pages, uploads, replies, clock)
            page_buttons = PageButtons(ledger, access, page_actions, replies)
        return cls(
            replies=replies,
            uploads=uploads,
            page_buttons=page_buttons,
            user_commands=user_commands,
            job_buttons=JobButtons(ledger.jobs, access, actions, replies),
            groups=GroupCommands(ledger.chats, access, actions, replies, migrations),
            pages=Pagination(ledger.chats, button_replies),
            cancel_command=CancelCommand(
                ledger.jobs, ledger.chats, user_commands, actions, replies
            ),
            admin_commands=AdminCommands(ledger, access, actions, replies),
            languages=LanguageCommands(ledger, user_commands, replies, button_replies),
            zone_command=ZoneCommand(ledger.chats, replies, zone),
        )
