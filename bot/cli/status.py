"""`relay-bot status`: what is under way and alive, from the ledger."""

from dataclasses import dataclass
from datetime import datetime

from bot.adapters.ledger.cli_jobs import LedgerOverview, SqlCliJobs
from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.process_locks import bot_runs
from bot.cli.failures import require_ledger
from bot.clock import SystemClock
from bot.core.ports.clock import Clock
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Status:
    """The whole bot at one moment, `now`."""

    bot_runs: bool
    now: datetime
    seen: LedgerOverview


async def look_at_status(settings: Settings, *, clock: Clock | None = None) -> Status:
    """Look at the ledger, beside a running bot or without one; nothing is asked of OSS.

    Raises:
        OperationImpossible: there is no ledger.
        LedgerError: it cannot be used.
    """
    path, clock = settings.ledger.path, clock or SystemClock()
    require_ledger(path)
    async with open_database(path) as database:
        seen = await SqlCliJobs(database).overview()
    return Status(bot_runs(path), clock.now(), seen)
