"""What people ask the bot."""

from datetime import timedelta

from bot.core.jobs import Origin
from bot.core.ports.chat import Listing
from bot.core.ports.chats import ChatLedger
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import OutboxKind
from bot.inbound.access import Access
from bot.inbound.errands import RequestKind
from bot.inbound.replies import Replies

LONGEST_LIFE = timedelta(hours=24)
"""No link is older."""


class UserCommands:
    """One method for each question."""

    def __init__(self, people: ChatLedger, access: Access, replies: Replies, clock: Clock) -> None:
        self._people = people
        self._access = access
        self._replies = replies
        self._clock = clock

    async def welcome(self, origin: Origin) -> None:
        """Answer `/start` and `/help`: what the bot does, in a group how it is used there."""
        if not await self._replies.admit(origin):
            return
        if origin.is_private:
            await self._replies.say(origin, OutboxKind.WELCOME)
        else:
            await self._replies.errand(origin, RequestKind.GREET)

    async def status(self, origin: Origin) -> None:
        """Answer `/status`: what is under way and alive of the asker, in a group of the group."""
        await self._list(origin, Listing.STATUS)

    async def links(self, origin: Origin) -> None:
        """Answer `/links`: what is alive of the asker, in a group what came from there."""
        await self._list(origin, Listing.LINKS)

    async def _list(self, origin: Origin, listing: Listing) -> None:
        if not await self.may_ask(origin):
            return
        # In a group its status belongs to everybody there, links to the asker alone.
        is_shared = listing is Listing.STATUS and not origin.is_private
        subject = origin.chat_id if is_shared else origin.owner_id
        payload: dict[str, str | int] = {"listing": listing.value, "subject": subject, "page": 1}
        await self._replies.say(origin, OutboxKind.OVERVIEW, payload)

    async def may_ask(self, origin: Origin) -> bool:
        """Say whether somebody may see and stop what is theirs; who may not is told, if anything.

        Members of a group may in private, even if they could not send anything there.
        """
        return await self._has_own(origin) or await self._replies.admit(origin)

    async def _has_own(self, origin: Origin) -> bool:
        if not origin.is_private or await self._access.is_banned(origin.owner_id):
            return False
        since = self._clock.now() - LONGEST_LIFE
        return bool(await self._people.accepted_by(origin.owner_id, since))

    async def other(self, origin: Origin, *, is_text: bool) -> None:
        """Answer anything else that was meant for the bot with one line of help."""
        if not await self._replies.admit(origin):
            return
        if not origin.is_private:
            await self._replies.notice(origin, "share-how")
        else:
            await self._replies.notice(
                origin, "help-any-text" if is_text else "unsupported-message"
            )
