"""Telegram's flood limits, as the fake chat service enforces them."""

from collections import deque
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class FloodLimits:
    """A private chat takes one message a second (five at once) and 20 edits in any minute; a group
    takes 20 calls of both kinds in any minute. Source: Telegram's bots FAQ; the maintainers of
    TDLib on edits.
    """

    MOST_A_MINUTE = 20
    BURST = 5

    def __init__(self) -> None:
        self._minutes: dict[int, deque[datetime]] = {}
        self._next_at: dict[int, datetime] = {}

    def wait(self, chat_id: int, now: datetime, *, is_edit: bool) -> float:
        """Return 0 and count the call, or the seconds that the chat has to wait."""
        if is_edit or chat_id < 0:
            return self._wait_in_window(chat_id, now)
        # Messages are earned one a second; `next_at` runs ahead of the clock while a burst lasts.
        next_at = max(self._next_at.get(chat_id, now), now)
        ahead = next_at - now
        if ahead > (self.BURST - 1) * SECOND:
            return ahead.total_seconds()
        self._next_at[chat_id] = next_at + SECOND
        return 0.0

    def _wait_in_window(self, chat_id: int, now: datetime) -> float:
        window = self._minutes.setdefault(chat_id, deque())
        while window and now - window[0] >= MINUTE:
            window.popleft()
        if len(window) >= self.MOST_A_MINUTE:
            return (window[0] + MINUTE - now).total_seconds()
        window.append(now)
        return 0.0
