"""Totals of ended jobs, and whether the ledger can be written: for operators."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.schema import jobs, objects
from bot.core.jobs import JobState, ObjectState
from bot.core.ports.jobs import Failures, Totals


class SqlTotals:
    """Implements `TotalsLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, moment: datetime) -> Totals:
        """Sum up the jobs that ended after `moment`. Reads all jobs; nobody asks often."""
        statement = (
            select(
                jobs.c.state,
                jobs.c.error_code,
                func.count(),
                func.coalesce(func.sum(jobs.c.size), 0),
                func.max(jobs.c.finished_at),
            )
            .where(jobs.c.finished_at > moment)
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


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """How many links work, and how many of them should have ended."""

    live: int
    overdue: int


class LedgerHealth:
    """Looks at the ledger as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trouble(self) -> str:
        """Write a page of the ledger as it is, down to the disk; return what is wrong, or nothing.

        Costs one synchronized write.
        """
        try:
            async with self._database.write() as connection:
                version = (await connection.execute(text("PRAGMA user_version"))).scalar_one()
                # An empty transaction would find a file that nobody may write, and no full disk.
                await connection.execute(text(f"PRAGMA user_version = {int(version)}"))
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or type(error).__name__
            return f"cannot be written: {cause}"
        return ""

    async def links(self, now: datetime) -> LinkCounts | None:
        """Count the links; `None` where the ledger cannot be read."""
        is_live = objects.c.state == ObjectState.LIVE.value
        counts = select(
            func.count(), func.count().filter(and_(is_live, objects.c.due_at <= now))
        ).where(is_live)
        try:
            row = (await self._database.fetch(counts)).one_or_none()
        except SQLAlchemyError:
            return None
        return LinkCounts(*row) if row is not None else None
