"""`relay-bot status`: what is under way and alive, from the ledger."""

from dataclasses import dataclass
from datetime import datetime

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.senders import bot_runs
from bot.adapters.ledger.shell import LedgerOverview, SqlShell
from bot.core.ports.clock import Clock
from bot.operations.failures import require_ledger
from bot.service.clock import SystemClock
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
        seen = await SqlShell(database).overview()
    return Status(bot_runs(path), clock.now(), seen)
