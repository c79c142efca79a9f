"""What an operator does beside a running bot."""

from contextlib import AsyncExitStack

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.probe import OssExposure
from bot.assembly import ADMINISTRATIVE_RETRIES, ADMINISTRATIVE_THREADS, open_oss
from bot.core.links import LinkMode, key_prefix
from bot.core.ports.clock import Clock
from bot.service.audit import Auditor, Finding, audit_exposure
from bot.service.clock import SystemClock
from bot.settings import Settings
from bot.transfer.line import StoreLine
from bot.transfer.pool import TransferPool


class OperationImpossible(Exception):
    """The command cannot do its work here; the text says why."""


async def run_audit(settings: Settings, *, fix: bool, clock: Clock | None = None) -> list[Finding]:
    """Compare the ledger with the bucket, and look at the bucket as a stranger.

    Raises:
        OperationImpossible: there is no ledger.
        StoreError: OSS could not be asked.
    """
    path, clock = settings.ledger.path, clock or SystemClock()
    if not path.is_file():
        raise OperationImpossible(f"there is no ledger at {path}; has the bot ever run here?")
    async with AsyncExitStack() as stack:
        ledger = SqlLedger(await stack.enter_async_context(open_database(path)))
        oss = open_oss(settings, clock)
        stack.callback(oss.close)
        pool = await stack.enter_async_context(TransferPool(ADMINISTRATIVE_THREADS))
        store = OssBucket(oss)
        threads = StoreLine(store, pool, ADMINISTRATIVE_RETRIES)
        prefix = key_prefix(settings.telegram.bot_id)
        auditor = Auditor(ledger.objects, store, threads, clock)
        return await auditor.audit(prefix, fix=fix) + await audit_exposure(
            OssExposure(oss, store, prefix),
            threads,
            settings.oss.bucket,
            signed=settings.link.mode is LinkMode.SIGNED,
        )
