"""OSS's own time, learned from its answers."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from bot.core.ports.clock import Clock

_RESOLUTION: Final = timedelta(seconds=1)
"""A Date header has whole seconds, rounded down."""


class OssTime:
    """Our clock plus the offset of OSS's clock. Thread-safe.

    Requests signed more than 15 minutes off are refused (RequestTimeTooSkewed), and a presigned
    link would live longer by as much as our clock is fast; the SDK corrects neither.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta(0)

    @property
    def offset(self) -> timedelta:
        """How much OSS's clock is ahead of ours, as far as answers have told."""
        return self._offset

    def local(self) -> datetime:
        """Return the time of our clock."""
        return self._clock.now()

    def now(self) -> datetime:
        """Return the time at OSS."""
        return self._clock.now() + self._offset

    def learn(self, date: str | None, asked_at: datetime) -> None:
        """Take an answer's Date header into account; `asked_at` is our time before the request.

        The answer was written between then and now, so it bounds the offset from both sides. An
        offset within the bounds stays, which keeps time steady while a clock is moved during a
        request; otherwise the lower one is taken, because a link may end early but not late.
        """
        written_at = _parse(date)
        if written_at is None:
            return
        least = written_at - self._clock.now()
        most = written_at + _RESOLUTION - asked_at
        if not least <= self._offset <= most:
            self._offset = least


def _parse(date: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
