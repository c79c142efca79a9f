"""How the bot does, looked up when somebody who looks after it asks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.core.ports.chat import FailureCount, Statistics
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.jobs.queue import JobQueue
from bot.transfer.spool import Spool

PERIOD: Final = timedelta(hours=24)
MOST_CODES: Final = 5


class StatisticsViews:
    """Composes statistics. `versions` are names and versions of the programs."""

    def __init__(
        self,
        ledger: Ledger,
        queue: JobQueue,
        spool: Spool,
        clock: Clock,
        versions: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._spool = spool
        self._clock = clock
        self._versions = tuple(versions)
        self._began_at = clock.now()

    async def compose(self) -> Statistics:
        """Look at everything as it is now."""
        now = self._clock.now()
        totals = await self._ledger.records.totals(now - PERIOD)
        running, waiting = self._queue.counts
        live = await self._ledger.objects.live()
        return Statistics(
            done=totals.done,
            bytes=totals.bytes,
            failed=sum(failed.count for failed in totals.failures),
            cancelled=totals.cancelled,
            failures=tuple(
                FailureCount(failed.code, failed.count, now - failed.last_at)
                for failed in totals.failures[:MOST_CODES]
            ),
            running=running,
            waiting=waiting,
            links=sum(1 for stored in live if stored.has_open_link(now)),
            spool_used=self._spool.quota.reserved,
            spool_quota=self._spool.quota.total,
            disk_free=self._spool.free(),
            uptime=now - self._began_at,
            versions=self._versions,
        )
