"""The zone in which a chat is told moments."""

import asyncio

from bot.core.jobs import Origin
from bot.core.ports.chats import ChatLedger
from bot.core.zones import read_zone
from bot.inbound.errands import RequestKind
from bot.inbound.replies import Replies

LONGEST_TOLD = 64
"""Characters of what somebody wrote that are said back to them."""


class ZoneCommand:
    """In private everybody chooses for themselves, in a group its admins do. `zone` names that of
    chats that chose none.
    """

    def __init__(self, people: ChatLedger, replies: Replies, zone: str) -> None:
        self._people = people
        self._replies = replies
        self._zone = zone

    async def zone(self, origin: Origin, text: str) -> None:
        """Answer `/zone` with a zone, and `/zone` alone."""
        if not await self._replies.admit(origin):
            return
        if not text:
            zone = (await self._people.chat(origin.chat_id)).zone or self._zone
            await self._replies.notice(origin, "zone-is", {"zone": zone})
            return
        # The zones of the machine are files.
        meant = await asyncio.to_thread(read_zone, text)
        if meant is None:
            await self._replies.notice(origin, "zone-unknown", {"zone": text[:LONGEST_TOLD]})
        elif origin.is_private:
            await self._people.set_chat(origin.chat_id, zone=meant)
            await self._replies.notice(origin, "zone-chosen", {"zone": meant})
        else:
            await self._replies.errand(origin, RequestKind.ZONE, {"to": meant})
