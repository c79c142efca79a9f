"""Lets everybody speak who has something to say, in the order of importance."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.core.ports.clock import Clock
from bot.service.clock import wait_for_news
from bot.service.lanes import Lanes


class Speaker(Protocol):
    """Courier, narrator and reviser."""

    async def tick(self) -> datetime | None:
        """Start what is possible now; return when to be asked again, `None` for: after the next
        news.
        """


class Voice:
    """The loop behind everything that is said."""

    def __init__(
        self, speakers: Sequence[Speaker], lanes: Lanes, news: asyncio.Event, clock: Clock
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
            self._lanes.begin_round()
            moments = [await speaker.tick() for speaker in self._speakers]
            until = min((moment for moment in moments if moment is not None), default=None)
            await wait_for_news(self._news, self._clock, until)
