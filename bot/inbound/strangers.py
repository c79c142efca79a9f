"""Bounds on what people without rights make the bot say and store, all of them together."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from bot.core.bounded import BoundedMap
from bot.core.ports.metrics import Metrics
from bot.outbound.rate_limits import MINUTE, Rate, TokenBucket

log = structlog.stdlib.get_logger(__name__)

TOLD_EVERY: Final = timedelta(hours=1)


class StrangerAct(StrEnum):
    """What is counted when it is dropped. The values are stable: dashboards name them."""

    NOTICE = "notice"
    """The line that a stranger gets."""
    LEAVE = "leave"
    """To leave a group that is not allowed."""
    PRESS = "press"
    """A press of somebody without rights where it was made."""


RATES: Final = {
    StrangerAct.NOTICE: Rate(count=30, period=MINUTE, burst=30),
    StrangerAct.LEAVE: Rate(count=30, period=MINUTE, burst=30),
    StrangerAct.PRESS: Rate(count=60, period=MINUTE, burst=30),
}
"""Rows of the outbox. They are said at `rate_limits.STRANGERS`, so that few wait at any time."""


class Strangers:
    """Says whether strangers get what they ask for. What is beyond the bounds is dropped without a
    row, and counted: nothing is owed to a stranger, and a crowd of them must delay no member.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._buckets = {act: TokenBucket(rate) for act, rate in RATES.items()}
        # A stranger who is forgotten is told once more.
        self._told: BoundedMap[int, datetime] = BoundedMap()

    def may(self, act: StrangerAct, now: datetime) -> bool:
        """Take one act out of the bounds, or count it as dropped."""
        if self._buckets[act].take(now):
            return True
        self._metrics.dropped(act.value)
        log.debug("dropped, too many strangers", act=act.value)
        return False

    def may_tell(self, id_: int, now: datetime) -> bool:
        """Return whether a stranger, or a group that is not allowed, was not told within the last
        hour, and note that it is told now.
        """
        if self._was_told(id_, now):
            return False
        self._told.set(id_, now)
        return True

    def may_notify(self, id_: int, now: datetime) -> bool:
        """Return whether a stranger gets the polite line now. One for whom there is no room may
        get it with the next message.
        """
        if self._was_told(id_, now) or not self.may(StrangerAct.NOTICE, now):
            return False
        self._told.set(id_, now)
        return True

    def _was_told(self, id_: int, now: datetime) -> bool:
        told = self._told.get(id_)
        return told is not None and now - told < TOLD_EVERY
