"""`relay-bot audit`: the ledger compared with the bucket."""

from contextlib import AsyncExitStack

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.access_checks import AnonymousAccess
from bot.cli.common import require_ledger
from bot.clock import SystemClock
from bot.core.links import LinkMode, key_prefix
from bot.core.ports.clock import Clock
from bot.jobs.audit import Auditor, Finding, audit_exposure
from bot.settings import Settings
from bot.wiring.resources import open_store_access


async def run_audit(settings: Settings, *, fix: bool, clock: Clock | None = None) -> list[Finding]:
    """Compare the ledger with the bucket, and look at the bucket as a stranger.

    Raises:
        OperationImpossible: there is no ledger.
        LedgerError: it cannot be used.
        StoreError: OSS could not be asked.
    """
    path, clock = settings.ledger.path, clock or SystemClock()
    require_ledger(path)
    async with AsyncExitStack() as stack:
        ledger = SqlLedger(await stack.enter_async_context(open_database(path)))
        line = await stack.enter_async_context(open_store_access(settings, clock))
        prefix = key_prefix(settings.telegram.bot_id)
        auditor = Auditor(ledger.objects, line.store, line.threads, clock)
        return await auditor.audit(prefix, fix=fix) + await audit_exposure(
            AnonymousAccess(line.oss, line.store, prefix),
            line.threads,
            settings.oss.bucket,
            signed=settings.link.mode is LinkMode.SIGNED,
        )
