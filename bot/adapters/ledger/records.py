"""What has become of jobs, summed up in SQL."""

from datetime import datetime

from sqlalchemy import func, select

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import jobs
from bot.core.jobs import JobState
from bot.core.ports.ledger import Failures, Totals


class SqlTotals:
    """Implements `TotalsLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(self, since: datetime) -> Totals:
        """Sum up the jobs that ended after `since`. Reads all jobs; nobody asks often."""
        statement = (
            select(
                jobs.c.state,
                jobs.c.error_code,
                func.count(),
                func.coalesce(func.sum(jobs.c.size), 0),
                func.max(jobs.c.finished_at),
            )
            .where(jobs.c.finished_at > since)
            .group_by(jobs.c.state, jobs.c.error_code)
        )
        rows = (await self._database.fetch(statement)).all()
        counts = {state: (count, size) for state, _, count, size, _ in rows}
        failed = [
            Failures(code or "", count, last_at)
            for state, code, count, _, last_at in rows
            if state == JobState.FAILED.value
        ]
        done, size = counts.get(JobState.DONE.value, (0, 0))
        return Totals(
            done=done,
            bytes=size,
            cancelled=counts.get(JobState.CANCELLED.value, (0, 0))[0],
            failures=tuple(sorted(failed, key=lambda one: one.last_at, reverse=True)),
        )
