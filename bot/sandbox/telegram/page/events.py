"""Server-sent events: everything once, then what has changed.

An event is a JSON object; every field but `now` and `is_running` may be absent:

    now, is_running    the clock (ISO 8601), and whether it follows the system's
    bot                its name and username; with the first event only
    people, chats      as in `overview`, whole
    flood, shape       the switches, whole
    messages           new or changed: `chat_id` and `message`, in order
    gone               deleted: `chat_id` and `message_id`

The state is compared after every request and change, as for any other waiter of the log. A page
that missed something, such as after an outage, connects anew and gets everything.
"""

import json
import time
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from bot.sandbox.shaping import Bandwidth
from bot.sandbox.telegram.overview import chats_of, people_of, switches_of
from bot.sandbox.telegram.views import VisibleMessage, visible_to_json
from bot.sandbox.telegram.world import World

BEAT: Final = 15.0
"""Seconds between two signs of life; the next one notices that a page has gone."""

JUMP: Final = 1.0
"""Seconds by which a running clock must differ from its course to count as moved."""


class Changes:
    """What one page knows, and what has changed since."""

    def __init__(self, world: World, bandwidth: Bandwidth) -> None:
        self._world = world
        self._bandwidth = bandwidth
        self._known: dict[str, Any] = {}
        self._shown: dict[int, dict[int, VisibleMessage]] = {}
        self._offset: float | None = None

    def take(self) -> dict[str, Any]:
        """Return the next event, and remember that the page knows it; empty without a change."""
        news = {**self._surroundings(), **self._messages()}
        has_moved = self._has_moved()
        if not news and not has_moved:
            return {}
        clock = self._world.clock
        return {"now": clock.now().isoformat(), "is_running": clock.is_running, **news}

    def _has_moved(self) -> bool:
        clock = self._world.clock
        course = time.monotonic() if clock.is_running else 0.0
        offset = clock.now().timestamp() - course
        if self._offset is not None and abs(offset - self._offset) < JUMP:
            return False
        self._offset = offset
        return True

    def _surroundings(self) -> dict[str, Any]:
        bot = {"name": self._world.bot.name, "username": self._world.bot.username}
        state = {
            "bot": bot,
            "people": people_of(self._world),
            "chats": chats_of(self._world),
            **switches_of(self._world, self._bandwidth),
        }
        news = {key: value for key, value in state.items() if self._known.get(key) != value}
        self._known = state
        return news

    def _messages(self) -> dict[str, Any]:
        changed: list[dict[str, Any]] = []
        gone: list[dict[str, Any]] = []
        for chat_id, chat in self._world.chats.items():
            known, shown = self._shown.get(chat_id, {}), dict(chat.shown)
            self._shown[chat_id] = shown
            gone += [
                {"chat_id": chat_id, "message_id": message_id}
                for message_id in known
                if message_id not in shown
            ]
            changed += [
                {"chat_id": chat_id, "message": visible_to_json(message)}
                for message_id, message in shown.items()
                if known.get(message_id) != message
            ]
        return {name: value for name, value in (("messages", changed), ("gone", gone)) if value}


class EventStreams:
    """The event streams of all pages. `close` ends them, `open` lets new ones begin."""

    def __init__(self, world: World, bandwidth: Bandwidth) -> None:
        self._world = world
        self._bandwidth = bandwidth
        self._is_closed = False

    def open(self) -> None:
        """Let streams begin."""
        self._is_closed = False

    async def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        await self._world.touch()

    async def send(self, answer: web.StreamResponse) -> None:
        """Send events on a prepared answer until the page or the server goes."""
        changes = Changes(self._world, self._bandwidth)
        with suppress(ConnectionError):
            while not self._is_closed:
                await answer.write(await self._next(changes))

    async def _next(self, changes: Changes) -> bytes:
        """Return the next event as bytes, or a comment when there has been none for a while."""
        news: dict[str, Any] = {}

        def look() -> bool:
            news.update(changes.take())
            return bool(news) or self._is_closed

        with suppress(TimeoutError):
            await self._world.log.wait_for(look, timeout=BEAT)
        if not news:
            return b": still here\n\n"
        # One line: json.dumps escapes the line breaks of texts.
        text = json.dumps(news, ensure_ascii=False)
        return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
