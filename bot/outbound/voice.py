"""Lets everybody speak who has something to say, in the order of importance."""

import asyncio
import time
from asyncio import sleep as pause
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.clock import wait_for_news
from bot.core.ports.clock import Clock
from bot.outbound.lanes import InFlightCalls

GATHER = 0.05
"""Seconds between two looks; each reads a good part of the ledger, for which those wait who write
down what people send.
"""


class Sender(Protocol):
    """Courier, narrator and reviser."""

    async def tick(self) -> datetime | None:
        """Start what is possible now; return when to be asked again, `None` for: after the next
        news.
        """


class ChatDispatcher:
    """The loop behind everything that is said."""

    def __init__(
        self, speakers: Sequence[Sender], lanes: InFlightCalls, news: asyncio.Event, clock: Clock
    ) -> None:
        self._speakers = speakers
        self._lanes = lanes
        self._news = news
        self._clock = clock

    async def run(self) -> None:
        """Ask every speaker, then wait for news or for the next moment; until cancelled."""
        while True:
            # Cleared before they look, or what happens in between would be lost.
            self._news.clear()
            until = await self._round()
            # Real time, because it is for the machine: news of a burst are looked at together.
            await pause(GATHER)
            await wait_for_news(self._news, self._clock, until)

    async def _round(self) -> datetime | None:
        self._lanes.begin_round()
        moments = [await speaker.tick() for speaker in self._speakers]
        return min((moment for moment in moments if moment is not None), default=None)

    async def last_words(self, timeout: float) -> None:
        """Say what can be said now, for `timeout` seconds at most, and cut off what takes longer.

        For the end, when `run` has ended: whose file is done should not wait for the next start.
        """
        ends_at = time.monotonic() + timeout
        await self._round()
        # Until a round had nothing to say: what it says frees the lane for something else.
        while not self._lanes.is_idle and (left := ends_at - time.monotonic()) > 0:
            await self._lanes.wait_for_one(left)
            await self._round()
        await self._lanes.drain(0)
