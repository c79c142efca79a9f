"""Commands of users: /start, /help, /status, /links, /cancel, /language and /zone; and all use
cases, grouped by subject.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from bot.clock import read_zone
from bot.core.jobs import Origin
from bot.core.limits import OwnerLimits
from bot.core.ports import Clock
from bot.core.ports.jobs import JobLedger
from bot.core.ports.ledger import ChatLedger, Ledger, OutboxKind
from bot.core.ports.views import Listing
from bot.inbound.access import Access, Replies, RequestKind
from bot.inbound.actions import ButtonPress, ButtonReplies, JobActions, JobButtons, Pagination
from bot.inbound.admin import AdminCommands, GroupCommands
from bot.inbound.page_options import PageActions, PageButtons, PageParts
from bot.inbound.uploads import Uploads
from bot.jobs.queue import JobQueue
from bot.jobs.runner import JobLifecycle
from bot.outbound.answer_delivery import Reactions
from bot.outbound.chat_migration import ChatMigrations

LONGEST_LIFE = timedelta(hours=24)
"""No link is older."""


class UserCommands:
    """One method for each command that only reads."""

    def __init__(self, chats: ChatLedger, access: Access, replies: Replies, clock: Clock) -> None:
        self._chats = chats
        self._access = access
        self._replies = replies
        self._clock = clock

    async def welcome(self, origin: Origin) -> None:
        """Answer `/start` and `/help`: a description of the bot, in a group of its use there."""
        if not await self._replies.admit(origin):
            return
        if origin.is_private:
            await self._replies.say(origin, OutboxKind.WELCOME)
        else:
            await self._replies.defer(origin, RequestKind.GREET)

    async def status(self, origin: Origin) -> None:
        """Answer `/status`: jobs and links of the requester, in a group those of the group."""
        await self._list(origin, Listing.STATUS)

    async def links(self, origin: Origin) -> None:
        """Answer `/links`: live links of the requester, in a group those from there."""
        await self._list(origin, Listing.LINKS)

    async def _list(self, origin: Origin, listing: Listing) -> None:
        if not await self.may_ask(origin):
            return
        # In a group the status is for all members, links for the requester alone.
        is_shared = listing is Listing.STATUS and not origin.is_private
        subject = origin.chat_id if is_shared else origin.owner_id
        payload: dict[str, str | int] = {"listing": listing.value, "subject": subject, "page": 1}
        await self._replies.say(origin, OutboxKind.OVERVIEW, payload)

    async def may_ask(self, origin: Origin) -> bool:
        """Return whether the requester may see and stop their own jobs; send a notice if not and
        one is due.

        Members of a group may do so in private, even if they may not send files there.
        """
        return await self._has_own(origin) or await self._replies.admit(origin)

    async def _has_own(self, origin: Origin) -> bool:
        if not origin.is_private or await self._access.is_banned(origin.owner_id):
            return False
        since = self._clock.now() - LONGEST_LIFE
        return bool(await self._chats.accepted_by(origin.owner_id, since))

    async def other(self, origin: Origin, name: str) -> None:
        """Answer any other message to the bot with one line, in a group always the same one."""
        if await self._replies.admit(origin):
            await self._replies.notice(origin, name if origin.is_private else "share-how")


class CancelCommand:
    """The command `/cancel`."""

    def __init__(
        self,
        jobs: JobLedger,
        chats: ChatLedger,
        user_commands: UserCommands,
        actions: JobActions,
        replies: Replies,
    ) -> None:
        self._jobs = jobs
        self._chats = chats
        self._user_commands = user_commands
        self._actions = actions
        self._replies = replies

    async def cancel(self, origin: Origin) -> None:
        """Cancel the unfinished jobs of the requester: in a group those from there, in private
        all.
        """
        if not await self._user_commands.may_ask(origin):
            return
        mine = await self._jobs.unfinished_of(origin.owner_id)
        if not origin.is_private:
            previous_ids = await self._chats.previous_ids(origin.chat_id)
            mine = [job for job in mine if job.origin.chat_id in previous_ids]
        # From the end, or each cancelled job would let the next one start.
        outcomes = [await self._actions.cancel(job) for job in reversed(mine)]
        if count := outcomes.count("cancelling"):
            await self._replies.notice(origin, "cancelling-count", {"count": count})
        else:
            await self._replies.notice(origin, "nothing-to-cancel")


class LanguageCommands:
    """Commands about languages, by their IETF tags; "" is no choice."""

    def __init__(
        self,
        ledger: Ledger,
        user_commands: UserCommands,
        replies: Replies,
        button_replies: ButtonReplies,
    ) -> None:
        self._chats = ledger.chats
        self._jobs = ledger.jobs
        self._user_commands = user_commands
        self._replies = replies
        self._button_replies = button_replies

    async def menu(self, origin: Origin) -> None:
        """Answer `/language`."""
        if not await self._user_commands.may_ask(origin):
            return
        if origin.owner_id > 0:
            await self._replies.say(origin, OutboxKind.LANGUAGES)
        else:
            # Users who write as a chat cannot be told apart.
            await self._replies.notice(origin, "language-of-people")

    async def choose(self, query: ButtonPress, owner_id: int, language: str, told: str) -> None:
        """Handle the press of a language's button; "" selects the language of their Telegram
        client.
        """
        if not await self._button_replies.hears(query):
            return
        if query.user_id != owner_id:
            await self._button_replies.answer(query, "press-not-yours")
            return
        await self._chats.set_owner(owner_id, language=language)
        await self._jobs.speak(owner_id, language or told)
        spoken = replace(query, language=language or told)
        await self._button_replies.answer(spoken)
        await self._button_replies.change(spoken, OutboxKind.NOTICE, {"name": "language-chosen"})


LONGEST_TOLD = 64
"""Characters of an unknown name that are repeated to its sender."""


class ZoneCommand:
    """The command `/zone`. In private each user chooses a zone, in a group its admins do. `zone`
    names that of chats that chose none.
    """

    def __init__(self, chats: ChatLedger, replies: Replies, zone: str) -> None:
        self._chats = chats
        self._replies = replies
        self._zone = zone

    async def zone(self, origin: Origin, text: str) -> None:
        """Answer `/zone` with a zone, and `/zone` without one."""
        if not await self._replies.admit(origin):
            return
        if not text:
            zone = (await self._chats.chat(origin.chat_id)).zone or self._zone
            await self._replies.notice(origin, "zone-is", {"zone": zone})
            return
        # The names of zones and cities are in files.
        meant = await asyncio.to_thread(read_zone, text, origin.language)
        if meant is None:
            await self._replies.notice(origin, "zone-unknown", {"zone": text[:LONGEST_TOLD]})
        elif origin.is_private:
            await self._chats.set_chat(origin.chat_id, zone=meant)
            await self._replies.notice(origin, "zone-chosen", {"zone": meant})
        else:
            await self._replies.defer(origin, RequestKind.ZONE, {"to": meant})


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
