"""The queue of updates: ids, retention, offsets, and one long poll at a time.

Source of every number: github tdlib/telegram-bot-api `Client.cpp` (`process_get_updates_query`,
`do_get_updates`, `fail_query_conflict`) and `Client.h`.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram.errors import OTHER_POLL, ApiError, conflict, restarting

RETENTION: Final = timedelta(hours=24)
RANDOM_AFTER: Final = timedelta(days=7)
"""Without updates for so long, the next id is random (source: Bot API, "Update")."""

WAIT_AFTER: Final = 0.002
"""Seconds between an update and the answer of a waiting poll, to gather more of them."""

KINDS: Final = (
    "message", "edited_message", "channel_post", "edited_channel_post", "inline_query",
    "chosen_inline_result", "callback_query", "shipping_query", "pre_checkout_query", "poll",
    "poll_answer", "my_chat_member", "chat_member", "chat_join_request", "chat_boost",
    "removed_chat_boost", "message_reaction", "message_reaction_count", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages",
    "purchased_paid_media",
)  # fmt: skip
NOT_BY_DEFAULT: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass
class PendingUpdate:
    """An update not yet confirmed: `payload` is the whole `Update`. `repeats` counts deliveries to
    come after it was confirmed; `again` marks such a delivery.
    """

    id: int
    kind: str
    payload: dict[str, Any]
    chat_id: int
    expires_at: datetime
    repeats: int = 0
    again: bool = False


class UpdateQueue:
    """The updates of one bot; use it from the event loop of its server.

    `on_add` is called for every new update; webhooks listen there.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._pending: list[PendingUpdate] = []
        self._next_id = _random_id()
        self._last_at: datetime | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._next_conflict = 0.0
        self._previous: tuple[int, float] = (-1, 0.0)
        self._repeats = 0
        self.allowed: list[str] | None = None
        self.on_add: list[Callable[[PendingUpdate], None]] = []

    @property
    def waiting(self) -> list[PendingUpdate]:
        """Return the updates that are neither confirmed nor too old, oldest first."""
        now = self._clock.now()
        self._pending = [update for update in self._pending if update.expires_at > now]
        return list(self._pending)

    @property
    def is_polled(self) -> bool:
        """Return whether a long poll is waiting right now."""
        return self._waiter is not None

    def allow(self, kinds: list[Any]) -> None:
        """Set which kinds are made from now on; an empty list means the default ones. Unknown
        names are ignored, as by the real server; earlier updates stay.
        """
        self.allowed = [kind for kind in kinds if kind in KINDS] or None

    def is_allowed(self, kind: str) -> bool:
        """Return whether updates of this kind are made."""
        return kind not in NOT_BY_DEFAULT if self.allowed is None else kind in self.allowed

    def add(self, kind: str, body: dict[str, Any], *, chat_id: int, date: datetime) -> int | None:
        """Append an update and return its id; `None` when it is too old or of an unwanted kind."""
        if not self.is_allowed(kind) or date + RETENTION <= self._clock.now():
            return None
        update_id = self._take_id()
        payload = {"update_id": update_id, kind: body}
        self._append(PendingUpdate(update_id, kind, payload, chat_id, date + RETENTION))
        return update_id

    def add_raw(self, update: dict[str, Any]) -> int:
        """Append an update as it is; without `update_id` it gets the next one."""
        update_id = int(update.get("update_id", self._next_id))
        self._next_id = max(self._next_id, update_id + 1)
        kind = next((name for name in update if name != "update_id"), "")
        payload = {"update_id": update_id, **update}
        self._append(PendingUpdate(update_id, kind, payload, 0, self._clock.now() + RETENTION))
        return update_id

    def repeat_next(self) -> None:
        """Deliver the next batch of updates once more after it is confirmed."""
        self._repeats += 1

    def drop(self, update_id: int) -> None:
        """Remove one update."""
        self._pending = [update for update in self._pending if update.id != update_id]

    def clear(self) -> None:
        """Remove all updates."""
        self._pending.clear()

    def close(self) -> None:
        """End a waiting poll with the error of a server that stops."""
        self.abort(restarting())

    def abort(self, error: ApiError) -> None:
        """End a waiting poll with this error."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self._waiter = None

    async def poll(self, offset: int, limit: int, timeout: int) -> list[dict[str, Any]]:
        """Answer one `getUpdates`; `timeout` are real seconds.

        Raises:
            ApiError: another poll, a webhook or the end of the server came in between.
        """
        limit, timeout = self._throttled(offset, limit, timeout)
        found = self._collect(offset, limit)
        if found or timeout == 0:
            return found
        self.abort(conflict(OTHER_POLL))
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(waiter, timeout)
            await asyncio.sleep(WAIT_AFTER)
        except TimeoutError:
            pass
        except ApiError as error:
            await self._slow_down(error)
            raise
        finally:
            if self._waiter is waiter:
                self._waiter = None
        return self._collect(offset, limit)

    def _throttled(self, offset: int, limit: int, timeout: int) -> tuple[int, int]:
        """Slow down a bot that asks for the same again and again."""
        limit, timeout = min(max(limit, 1), 100), min(max(timeout, 0), 50)
        now, (before, at) = time.monotonic(), self._previous
        if offset == before and now < at + 3.0:
            timeout = max(timeout, 3)
        if offset == before and now < at + 0.5:
            limit = 1
        self._previous = (offset, now)
        return limit, timeout

    async def _slow_down(self, error: ApiError) -> None:
        if error.status != 409:
            return
        now = time.monotonic()
        if now < self._next_conflict:
            await asyncio.sleep(3.0)
        else:
            self._next_conflict = now + 3.0

    def _collect(self, offset: int, limit: int) -> list[dict[str, Any]]:
        if offset < 0:
            self._pending = self.waiting[offset:]
        # An offset from the future is one of another bot or an old life: the head is used.
        known = 0 < offset <= self._next_id + 10
        if known:
            self._confirm(offset)
        found = [item for item in self.waiting if not known or item.again or item.id >= offset]
        found = found[:limit]
        if found and self._repeats:
            self._repeats -= 1
            for item in found:
                item.repeats += 1
        return [item.payload for item in found]

    def _confirm(self, offset: int) -> None:
        kept = []
        for item in self._pending:
            if item.id >= offset:
                kept.append(item)
            elif item.repeats:
                item.repeats -= 1
                item.again = True
                kept.append(item)
        self._pending = kept

    def _take_id(self) -> int:
        now = self._clock.now()
        if self._last_at is not None and now - self._last_at > RANDOM_AFTER:
            self._next_id = _random_id()
        self._last_at = now
        self._next_id += 1
        return self._next_id - 1

    def _append(self, update: PendingUpdate) -> None:
        self._pending.append(update)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        for listener in self.on_add:
            listener(update)


def _random_id() -> int:
    return secrets.randbelow(900_000_000) + 1_000_000
