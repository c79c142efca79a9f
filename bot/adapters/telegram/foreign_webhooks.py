"""Webhooks that another program with the same token sets, or removes: noticed, and told."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.core.ports.clock import Clock
from bot.supervision import HealthState

log = structlog.stdlib.get_logger(__name__)

# In lower case, as `errors.says` compares (source: tdlib/telegram-bot-api `Client.cpp`).
WEBHOOK_ACTIVE: Final = ("while webhook is active", "terminated by setwebhook request")
MOST_QUIET: Final = 3
"""So many changes in `REMEMBERED` are more than a leftover of another program: it runs."""
REMEMBERED: Final = timedelta(minutes=15)


class ForeignWebhooks:
    """Remembers when another program changed the webhook. One that does so again and again takes
    updates away from the bot, so that the bot is not ready until it has stopped for a while.
    """

    def __init__(self, health_state: HealthState, clock: Clock) -> None:
        self._health_state = health_state
        self._clock = clock
        self.seen: deque[datetime] = deque(maxlen=MOST_QUIET)
        """When the latest changes were found; they are forgotten after a while without trouble."""

    def found(self, host: str | None) -> None:
        """Note a webhook that is not the bot's; `host` is that of its address, `None` where the
        bot's own was removed.
        """
        log.error("another program changed the webhook of this token; undoing it", host=host)
        self.seen.append(self._clock.now())
        self._tell()
        if self._health_state.webhook_conflict:
            log.error(
                "another program takes updates away again and again; stop it, or revoke the token"
                " at @BotFather",
                host=host,
            )

    def well(self) -> None:
        """Note that all is as the bot wants it."""
        while self.seen and self._clock.now() - self.seen[0] > REMEMBERED:
            self.seen.popleft()
        self._tell()

    def _tell(self) -> None:
        is_conflict = len(self.seen) >= MOST_QUIET and (self.seen[-1] - self.seen[0] <= REMEMBERED)
        self._health_state.webhook_conflict = (
            "another program with the same token changes the webhook again and again"
            if is_conflict
            else ""
        )
