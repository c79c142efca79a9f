"""`relay-bot audit`: compares the ledger with the bucket."""

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.oss.access_checks import AnonymousAccess
from bot.cli.common import (
    FAILED,
    OK,
    SettingsFile,
    failing_in_a_line,
    load_settings,
    log_quietly,
    require_ledger,
    show_findings,
)
from bot.clock import SystemClock
from bot.core.files import LinkMode, key_prefix
from bot.core.ports.clock import Clock
from bot.jobs.audit import Auditor, Finding, audit_exposure
from bot.settings import Settings
from bot.wiring.resources import open_store_access


def audit(
    *,
    settings: SettingsFile = None,
    fix: Annotated[bool, typer.Option("--fix", help="Remove what is found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per finding.")] = False,
) -> None:
    """Compare the ledger with the bucket; exit code 1 if anything is wrong. Works beside a running
    bot.

    Example: relay-bot audit --json
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        findings = asyncio.run(run_audit(loaded, fix=fix))
    show_findings(findings, as_json=as_json)
    raise typer.Exit(FAILED if findings else OK)


async def run_audit(settings: Settings, *, fix: bool, clock: Clock | None = None) -> list[Finding]:
    """Compare the ledger with the bucket, and check anonymous access to the bucket.

    Raises:
        OperationImpossible: there is no ledger.
        LedgerError: it cannot be used.
        StoreError: OSS could not be reached, or refused.
    """
    place, clock = settings.ledger.place, clock or SystemClock()
    require_ledger(place)
    async with AsyncExitStack() as stack:
        ledger = SqlLedger(await stack.enter_async_context(open_database(place, create=False)))
        line = await stack.enter_async_context(open_store_access(settings, clock))
        prefix = key_prefix(settings.telegram.bot_id)
        auditor = Auditor(
            ledger.objects,
            line.store,
            line.threads,
            line.oss.link_clock,
            bucket=settings.oss.bucket,
        )
        return await auditor.audit(prefix, fix=fix) + await audit_exposure(
            AnonymousAccess(line.oss, line.store, prefix),
            line.threads,
            settings.oss.bucket,
            signed=settings.link.mode is LinkMode.SIGNED,
        )
