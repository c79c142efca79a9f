"""Pages of lists that people turn."""

from bot.core.ports.chat import Listing
from bot.core.ports.chats import ChatLedger
from bot.core.ports.ledger import OutboxKind
from bot.inbound.access import Access
from bot.inbound.queries import ButtonPress, ButtonReplies


class Pagination:
    """Shows another page of a list, or the same one anew, in the message that shows it now.

    A list belongs to the person, or to the group, for whom it was made.
    """

    def __init__(self, people: ChatLedger, access: Access, queries: ButtonReplies) -> None:
        self._people = people
        self._access = access
        self._queries = queries

    async def turn(self, query: ButtonPress, listing: Listing, subject: int, page: int) -> None:
        """Take the press of a page's button. Who is banned is not even told so."""
        if await self._access.is_banned(query.user_id):
            return
        if not await self._is_for(subject, query):
            await self._queries.answer(query, "press-not-yours")
            return
        await self._queries.answer(query)
        payload: dict[str, str | int] = {
            "listing": listing.value,
            "subject": subject,
            "page": page,
        }
        await self._queries.change(query, OutboxKind.OVERVIEW, payload)

    async def _is_for(self, subject: int, query: ButtonPress) -> bool:
        if subject == query.user_id:
            return True
        return subject < 0 and subject in await self._people.lineage(query.chat_id)
